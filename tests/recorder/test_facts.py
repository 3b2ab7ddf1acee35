"""How layers are described, on stand-ins that give Keras' own descriptions: no framework is imported."""

from types import SimpleNamespace

import pytest

from grader.recorder.facts import layer_facts


def described(activation):
    """The activation of a dense layer whose description holds ``activation``."""
    layer = SimpleNamespace(name="dense", trainable=True, get_config=lambda: {"units": 10, "activation": activation})
    return layer_facts(layer)["config"]["activation"]


def function(name):
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def layer(name, **config):
    return {"module": "keras.layers", "class_name": name, "config": {"name": "a", **config}, "registered_name": None}


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        ("softmax", "softmax"),
        (function("softmax_v2"), "softmax"),
        (function("identity"), "linear"),
        (function("my_own"), "my_own"),
    ],
)
def test_a_function_of_tensorflow_goes_by_the_name_that_keras_has_for_it(activation, name):
    assert described(activation) == name


@pytest.mark.parametrize(
    ("activation", "name"),
    [
        (layer("ReLU"), "relu"),
        (layer("Softmax"), "softmax"),
        (layer("LeakyReLU"), "leaky_relu"),
        (layer("Activation", activation="relu"), "relu"),
        (layer("Activation", activation=function("softmax_v2")), "softmax"),
        (layer("Swirl"), "Swirl"),
    ],
)
def test_a_layer_in_the_place_of_an_activation_is_that_activation(activation, name):
    assert described(activation) == name
