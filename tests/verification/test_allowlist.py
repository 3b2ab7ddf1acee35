from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.verification.allowlist import DEPTH_LIMIT, LAYERS, RefusedConfigError, clean_config


def layer(class_name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def model(*layers: Any, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "m", "layers": list(layers), **config},
        "registered_name": None,
    }


LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wEAAAAAAAAA", None, None]}}
FUNCTION = {"module": "builtins", "class_name": "function", "config": "system", "registered_name": "function"}


def test_a_model_of_built_in_layers_keeps_its_structure():
    config = model(layer("Conv2D", filters=32, kernel_size=[5, 5]), layer("Flatten"), layer("Dense", units=10))
    assert clean_config(config) == config


@pytest.mark.parametrize(
    "part",
    [
        layer("Lambda", function=LAMBDA),
        layer("Lambda", module="keras.src.layers.core.lambda_layer"),
        layer("TFSMLayer", filepath="/tmp/evil"),
        layer("TorchModuleWrapper"),
        layer("StringLookup", vocabulary="/etc/passwd"),
        layer("TextVectorization", vocabulary="/etc/passwd"),
        layer("get_file", module="keras.utils"),
        layer("Dense", module="os", units=1),
        layer("Dense", module="keras.layers/../../evil", units=1),
        layer("Dense", module="kerasevil.layers", units=1),
        layer("Dense", module="keras.layers.\nos", units=1),
        {**layer("Dense", units=1), "registered_name": "mine>Dense"},
        {**layer("Dense", units=1), "registered_name": "Custom"},
        {**layer("Dense", units=1), "class_name": ["Dense"]},
        layer("Dense", units=LAMBDA),
        layer("Dense", units=10, kernel=LAMBDA),
        layer("TimeDistributed", layer=layer("Lambda", function=LAMBDA)),
        layer("Bidirectional", layer=layer("LSTM", units=4, activation=FUNCTION)),
        layer("Dense", units=1, activation=FUNCTION),
        layer("Dense", units=1, activation=layer("Lambda")),
        layer("Dense", units=1, activation="my_activation"),
        layer("LSTM", units=1, recurrent_activation="my_activation"),
        layer("Dense", units=1, dtype={"module": "keras", "class_name": "QuantizedDTypePolicy", "config": {}}),
        layer("Dense", units=1, dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "x"}}),
        {"class_name": "__numpy__", "config": {"value": [1], "dtype": "object"}},
        {"class_name": "__typespec__", "spec_name": "os", "module": "os", "config": {}},
        layer("Add", module="keras.ops.evil.deeper"),
    ],
    ids=str,
)
def test_anything_that_is_not_keras_own_is_refused(part: dict[str, Any]):
    with pytest.raises(RefusedConfigError):
        clean_config(model(layer("Flatten"), part))


@pytest.mark.parametrize("top", [None, [], "Sequential", {}, layer("Dense", units=1), {"class_name": "MyModel"}])
def test_only_a_model_is_rebuilt(top: Any):
    with pytest.raises(RefusedConfigError):
        clean_config(top)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("Dense", {"units": 10**9}),
        ("Conv2D", {"filters": 8, "kernel_size": [5, 10**6]}),
        ("ZeroPadding2D", {"padding": [[0, 0], [0, 10**7]]}),
        ("UpSampling2D", {"size": 10**5}),
        ("Reshape", {"target_shape": [10**30]}),
        ("Dense", {"units": 1, "name": "n" * 5_000}),
        ("Rescaling", {"scale": float("inf")}),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_built(name: str, config: dict[str, Any]):
    with pytest.raises(RefusedConfigError, match="too large"):
        clean_config(model(layer(name, **config)))


def test_deep_nesting_is_refused():
    config = model()
    for _ in range(DEPTH_LIMIT):
        config = model(config)
    with pytest.raises(RefusedConfigError, match="nesting"):
        clean_config(config)


def test_a_very_long_config_is_refused():
    with pytest.raises(RefusedConfigError, match="number of entries"):
        clean_config(model(layer("Rescaling", scale=[0.5] * 200_000)))


def test_a_model_inside_a_model_is_walked_too():
    inner = model(layer("Dense", units=2))
    assert clean_config(model(inner))["config"]["layers"] == [inner]
    with pytest.raises(RefusedConfigError):
        clean_config(model(model(layer("Lambda"))))


@pytest.mark.parametrize(("name", "meant"), [("softmax_v2", "softmax"), ("swish", "swish"), ("identity", "linear")])
def test_an_activation_of_tensorflow_becomes_the_one_of_keras(name: str, meant: str):
    function = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    cleaned = clean_config(model(layer("Dense", units=1, activation=function)))
    assert cleaned["config"]["layers"][0]["config"]["activation"] == meant


def test_an_activation_may_be_a_built_in_layer():
    leaky = layer("LeakyReLU", negative_slope=0.1)
    cleaned = clean_config(model(layer("Dense", units=1, activation=leaky)))
    assert cleaned["config"]["layers"][0]["config"]["activation"] == leaky


def test_what_only_training_needs_is_replaced_and_never_refuses():
    own = {"module": "__main__", "class_name": "MyOwn", "config": {}, "registered_name": "MyOwn"}
    dense = layer(
        "Dense", units=1, kernel_initializer=own, bias_initializer=LAMBDA, kernel_regularizer=own, bias_constraint=own
    )
    config = {**model(dense), "compile_config": {"loss": own}}
    cleaned = clean_config(config)
    assert "compile_config" not in cleaned
    assert cleaned["config"]["layers"][0]["config"] == {
        "units": 1,
        "kernel_initializer": "zeros",
        "bias_initializer": "zeros",
        "kernel_regularizer": None,
        "bias_constraint": None,
    }


def test_a_functional_model_with_arithmetic_is_allowed():
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "keras_history": ["a", 0, 0]}}
    divide = {
        **layer("TrueDivide", module="keras.src.ops.numpy", name="true_divide"),
        "registered_name": "TrueDivide",
        "inbound_nodes": [{"args": [tensor, 255.0], "kwargs": {}}],
    }
    config = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"layers": [layer("InputLayer", batch_shape=[None, 4]), divide]},
        "registered_name": "Functional",
    }
    assert clean_config(config) == config


def test_the_older_form_without_modules_is_allowed_for_layers():
    old = {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": {"units": 3}}]}}
    assert clean_config(old) == old
    with pytest.raises(RefusedConfigError):
        clean_config({"class_name": "Sequential", "config": {"layers": [{"class_name": "TrueDivide", "config": {}}]}})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["class_name", "module", "config", "units", "layers", "activation"]), inner)
    ),
    max_leaves=30,
)


def test_a_name_that_no_file_can_hold_is_still_shown():
    with pytest.raises(RefusedConfigError) as refused:
        clean_config(model(json.loads('{"class_name": "La\\ud800mbda"}')))
    assert msgspec.json.encode(refused.value.text).count(b"La?mbda") == 1


@given(_JSON)
def test_whatever_is_let_through_names_only_allowed_classes(value: Any):
    try:
        cleaned = clean_config(model(value))
    except RefusedConfigError as refused:
        msgspec.json.encode(refused.text)
        return

    def names(part: Any) -> list[Any]:
        if isinstance(part, dict):
            here = [part["class_name"]] if "class_name" in part else []
            return here + [n for v in part.values() for n in names(v)]
        return [n for v in part for n in names(v)] if isinstance(part, list) else []

    assert set(names(cleaned)) <= LAYERS | {"Sequential", "Functional", "Model", "DTypePolicy", "__tuple__"} | {
        "__keras_tensor__"
    }
    json.dumps(cleaned, allow_nan=False)
