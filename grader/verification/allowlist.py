"""Decides, before any framework sees it, whether a model's JSON config may be rebuilt.

Loading a model that somebody else saved can run code (CVE-2024-3660, CVE-2025-1550, CVE-2026-1462: ``Lambda`` layers,
module paths, archives). So nothing is looked up by a name that a student's process wrote unless it stands in a list
below. What does not matter for predicting (initializers, regularizers, constraints, what ``compile`` was given) is
replaced rather than checked: the weights come from elsewhere, and a custom one of these costs nobody a grade.
"""

from __future__ import annotations

import math
import re
from typing import Any

from grader.model import Text
from grader.recorder.facts import TENSORFLOW_ACTIVATIONS

DEPTH_LIMIT = 64
NODES_LIMIT = 200_000
TEXT_LIMIT = 1_000
WIDTH_LIMIT = 65_536
SIZE_LIMIT = 4_096


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CARRIES_CODE = frozenset({"Lambda", "TFSMLayer", "FlaxLayer", "JaxLayer", "TorchModuleWrapper"})
LAYERS = _words(
    """
    Dense EinsumDense Embedding Conv1D Conv2D Conv3D SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D
    Conv1DTranspose Conv2DTranspose Conv3DTranspose ConvLSTM1D ConvLSTM2D MaxPooling1D MaxPooling2D MaxPooling3D
    AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D Flatten Reshape Permute RepeatVector Identity
    InputLayer Masking Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout
    GaussianNoise ActivityRegularization BatchNormalization LayerNormalization GroupNormalization UnitNormalization
    RMSNormalization Normalization Rescaling Activation ReLU LeakyReLU PReLU ELU Softmax ThresholdedReLU Add Subtract
    Multiply Average Maximum Minimum Concatenate Dot Attention AdditiveAttention MultiHeadAttention ZeroPadding1D
    ZeroPadding2D ZeroPadding3D Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D Resizing
    CenterCrop RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast RandomBrightness RandomCrop
    RandomShear RandomColorDegeneration RandomColorJitter RandomElasticTransform RandomErasing RandomGaussianBlur
    RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomSaturation RandomSharpness
    AutoContrast Equalization Solarization AugMix RandAugment AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D ConvLSTM3D
    SimpleRNN LSTM GRU Bidirectional TimeDistributed
    """
)
MODELS = frozenset({"Sequential", "Functional", "Model"})
#: What arithmetic on symbolic tensors of a functional model becomes (``x / 255.0``, ``x + y``).
OPERATIONS = _words(
    """
    Add Subtract Multiply Divide TrueDivide Negative Power Square Sqrt Absolute Exp Log Maximum Minimum Clip Reshape
    ExpandDims Squeeze Transpose Concatenate Stack Mean Max Min Sum Flip GetItem Relu Relu6 Sigmoid Softplus Softsign
    Silu LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Softmax LogSoftmax Tanh
    """
)
ACTIVATIONS = _words(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus swish tanh tanh_shrink threshold
    """
)
_MARKERS = frozenset({"__keras_tensor__", "__tuple__"})
_MODULES = {
    "layer": re.compile(r"(keras|tf_keras)(\.src)?\.layers(\.[a-z0-9_]+){0,3}"),
    "model": re.compile(r"(keras|tf_keras)(\.src)?(\.(models|engine)(\.[a-z_]+)?)?"),
    "operation": re.compile(r"keras(\.src)?\.ops(\.[a-z_]+)?"),
}
_DTYPES = frozenset({"float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"})
_DROPPED = frozenset({"compile_config", "shared_object_id", "quantization_config"})
_WIDTHS = frozenset({"units", "filters", "input_dim", "output_dim", "key_dim", "value_dim", "num_heads", "groups"})
_SIZES = frozenset(
    {"n", "size", "padding", "cropping", "height", "width", "depth_multiplier", "kernel_size", "pool_size"}
)


class RefusedConfigError(Exception):
    """A config that is not rebuilt; ``text`` says why, in words a student understands.

    :ivar class_name: of what it names and is not in the lists, if that is why.
    """

    def __init__(self, text: Text, class_name: str | None = None) -> None:
        super().__init__(text.id.format(**text.params))
        self.text = text
        self.class_name = class_name


def printable(value: object, limit: int = 80) -> str:
    """The beginning of ``str(value)`` that any file can hold: JSON may spell half a surrogate pair."""
    return str(value)[:limit].encode("utf-8", "replace").decode("utf-8")


def _refuse_class(name: object) -> RefusedConfigError:
    reason = "The model uses {name}, which is not one of Keras' own layers that can be rebuilt."
    return RefusedConfigError(Text(reason, {"name": printable(name)}), printable(name))


def _refuse_size(what: str) -> RefusedConfigError:
    return RefusedConfigError(Text("The model's description is too large ({what}).", {"what": printable(what)}))


def clean_config(config: Any) -> dict[str, Any]:
    """A new config of the same model with nothing in it but built-in classes and plain data.

    :param config: parsed JSON of ``serialize_keras_object(model)``, Keras 3 or ``tf_keras``.
    :raises RefusedConfigError: a class, activation or size that is not allowed, or no config of a model at all.
    """
    if not isinstance(config, dict) or not _is_one_of(config.get("class_name"), MODELS):
        raise _refuse_class(config.get("class_name") if isinstance(config, dict) else type(config).__name__)
    return dict(_Walk().value(config, "", 0))


class _Walk:
    """One pass over one config; counts what it has seen."""

    def __init__(self) -> None:
        self.nodes = 0

    def value(self, value: Any, key: str, depth: int) -> Any:
        self.nodes += 1
        if depth > DEPTH_LIMIT or self.nodes > NODES_LIMIT:
            raise _refuse_size("nesting" if depth > DEPTH_LIMIT else "number of entries")
        if key == "activation" or key.endswith("_activation"):
            return self.activation(value, key, depth)
        replaced = _irrelevant(key)
        if replaced is not None:
            return replaced[0]
        if isinstance(value, dict):
            return self.serialised(value, depth) if "class_name" in value else self.plain(value, depth)
        if isinstance(value, list):
            return [self.value(item, key if key in _SIZES else "", depth + 1) for item in value]
        return _scalar(value, key)

    def plain(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        for key in value:
            _scalar(key, "")
        return {str(k): self.value(v, str(k), depth + 1) for k, v in value.items() if k not in _DROPPED}

    def serialised(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        name, registered = value["class_name"], value.get("registered_name")
        if name == "DTypePolicy":
            return _dtype_policy(value)
        if not isinstance(name, str) or not _allowed(name, value.get("module")) or registered not in (None, name):
            raise _refuse_class(name if registered in (None, name) else registered)
        return self.plain(value, depth)

    def activation(self, value: Any, key: str, depth: int) -> Any:
        if isinstance(value, dict) and value.get("class_name") == "function":
            value = value.get("config")
        elif isinstance(value, dict):
            if not _is_one_of(value.get("class_name"), LAYERS):
                raise _refuse_class(value.get("class_name"))
            return self.serialised(value, depth)
        if isinstance(value, str):
            value = TENSORFLOW_ACTIVATIONS.get(value, value)
        if value is not None and not _is_one_of(value, ACTIVATIONS):
            raise RefusedConfigError(
                Text("The activation {name} is not one of Keras' own.", {"name": printable(value)})
            )
        return value


def _is_one_of(value: Any, names: frozenset[str]) -> bool:
    return isinstance(value, str) and value in names


def _irrelevant(key: str) -> tuple[Any] | None:
    """What stands in for a setting that only training reads."""
    if key.endswith("_initializer"):
        return ("zeros",)
    return (None,) if key.endswith(("_regularizer", "_constraint")) else None


def _allowed(name: str, module: object) -> bool:
    if name in _MARKERS:
        return module is None
    kinds = [k for k, names in (("layer", LAYERS), ("model", MODELS), ("operation", OPERATIONS)) if name in names]
    if module is None:  # the older form, of tf_keras, has no module
        return kinds != ["operation"] and bool(kinds)
    return isinstance(module, str) and any(_MODULES[kind].fullmatch(module) for kind in kinds)


def _dtype_policy(value: dict[str, Any]) -> dict[str, Any]:
    config = value.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    if not _is_one_of(name, _DTYPES):
        raise _refuse_class(f"DTypePolicy {name}")
    return {"module": "keras", "class_name": "DTypePolicy", "config": {"name": name}, "registered_name": None}


def _scalar(value: Any, key: str) -> Any:
    if isinstance(value, str):
        if len(value) > TEXT_LIMIT:
            raise _refuse_size("a text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _refuse_size("a number")
    elif isinstance(value, int) and not isinstance(value, bool):
        limit = WIDTH_LIMIT if key in _WIDTHS else SIZE_LIMIT if key in _SIZES else 2**53
        if abs(value) > limit:
            raise _refuse_size(f"{key or 'a number'} {value}")
    elif value is not None and not isinstance(value, bool):
        raise _refuse_class(type(value).__name__)
    return value
