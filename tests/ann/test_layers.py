"""Descriptions of networks: each layer with its size, and the check of its gradients."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mmlrs.ann import (
    check_gradients,
    layers,
)
from mmlrs.ann.layers import (
    AveragePooling,
    BatchNormalization,
    Convolution,
    Dense,
    Depthwise,
    Dropout,
    Flatten,
    Gelu,
    GlobalPooling,
    Layer,
    MaxPooling,
    Relu,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from mmlrs.errors import InvalidParamError, LimitExceededError

SIZE = (6, 5, 2)

#: Each layer, the shape that it reads, the number of its weights, and the number of its outputs.
LAYERS: dict[Layer, tuple[tuple[int, ...], int, int]] = {
    Dense(3): ((4,), 15, 3),
    Sigmoid(): ((4,), 0, 4),
    Relu(): ((4,), 0, 4),
    Tanh(): (SIZE, 0, 60),
    Gelu(): (SIZE, 0, 60),
    Softmax(): ((4,), 0, 4),
    Convolution(3, 3): (SIZE, 3 * 3 * 2 * 3 + 3, 4 * 3 * 3),
    Convolution(4, (2, 3), stride=(2, 1), padding="same"): (SIZE, 2 * 3 * 2 * 4 + 4, 3 * 5 * 4),
    Convolution(1, 2, padding=(1, 0, 0, 1)): (SIZE, 2 * 2 * 2 + 1, 6 * 5),
    Depthwise((3, 2), padding="same"): (SIZE, 3 * 2 * 2 + 2, 60),
    MaxPooling(2): (SIZE, 0, 3 * 2 * 2),
    MaxPooling(3, stride=1, padding="same"): (SIZE, 0, 60),
    AveragePooling((2, 5)): (SIZE, 0, 3 * 1 * 2),
    GlobalPooling(): (SIZE, 0, 2),
    Flatten(): (SIZE, 0, 60),
    Dropout(0.25): ((4,), 0, 4),
    BatchNormalization(epsilon=1e-3, momentum=0.5): (SIZE, 4 * 2 + 1, 60),
    Residual([Dense(4), Tanh()]): ((4,), 20, 4),
}


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_every_layer_has_its_size_and_survives_json_repr_and_a_gradient_check(layer):
    shape, weights, outputs = LAYERS[layer]
    network = Sequential([layer], shape[0] if len(shape) == 1 else shape)
    assert (network.parameter_count, network.outputs) == (weights, outputs)
    again = Sequential.from_json(network.to_json())
    assert again == network
    assert hash(again) == hash(network)
    assert eval(repr(network), vars(layers)) == network
    # Between layers with weights, its derivatives by its input count too.
    rng = np.random.default_rng(3)
    data = 3 * rng.normal(size=(5, *shape))
    flat = network.outputs == 2 or len(shape) == 1 or layer == Flatten()
    before = Dense(4) if len(shape) == 1 else Convolution(2, 1)
    whole = Sequential([before, layer, *([] if flat else [Flatten()]), Dense(3)], network.input)
    for labels in (None, [0, 1, 2, 0, 1], rng.normal(size=(5, 3))):
        checked = check_gradients(whole, data, labels)
        assert checked.worst < 0.02
        assert checked.compared > 0


def test_every_layer_is_tested():
    tested = {type(layer) for layer in LAYERS}
    assert tested == set(Layer.__subclasses__())
    assert {cls.__name__ for cls in tested} | {"Layer", "Sequential"} == set(layers.__all__)


def test_networks_are_equal_if_their_layers_and_input_are():
    network = Sequential([Convolution(3, 3), Flatten(), Dense(2)], (8, 8, 1))
    assert network == Sequential(
        (Convolution(3, (3, 3), 1), Flatten(), Dense(np.int64(2))), np.array([8, 8, 1])
    )
    assert network != Sequential([Convolution(3, 3), Flatten(), Dense(3)], (8, 8, 1))
    assert network != Sequential([Convolution(3, 3), Flatten(), Dense(2)], (9, 8, 1))
    assert network != network.to_json()
    assert repr(Sequential([Dense(2)], input=3)) == "Sequential([Dense(size=2)], input=3)"
    assert Dense(2) == Dense(2) != Dense(3)


DEEP = Dense(4)
for _ in range(40):
    DEEP = Residual([DEEP])

WRONG = {
    "no layers": (
        lambda: Sequential([], 4),
        "Sequential: a network must have 1 to 2147483648 inputs and at least one layer",
    ),
    "no outputs": (
        lambda: Sequential([Tanh(), Dense(0)], 4),
        "Sequential: layer 1 (dense): a dense layer must have at least one output",
    ),
    "text": (lambda: Dense("3"), "Dense: `size` must be a whole number, got '3'"),
    "fraction": (lambda: Dense(2.5), "Dense: `size` must be a whole number, got 2.5"),
    "truth": (lambda: Dense(True), "Dense: `size` must be a whole number, got True"),
    "three sides": (
        lambda: MaxPooling((2, 2, 2)),
        "MaxPooling: `kernel` must be a whole number or two, got (2, 2, 2)",
    ),
    "padding": (
        lambda: Convolution(2, 3, padding="full"),
        'Convolution: `padding` must be "valid", "same" or (top, left, bottom, right)',
    ),
    "two pads": (lambda: Depthwise(3, padding=(1, 1)), 'Depthwise: `padding` must be "valid"'),
    "no kernel": (
        lambda: Convolution(2, None),
        "Convolution: `kernel` must be a whole number or two, got None",
    ),
    "infinite rate": (lambda: Dropout(float("nan")), "Dropout: `rate` must be a finite number, got nan"),
    "all dropped": (
        lambda: Sequential([Dropout(1)], 4),
        "Sequential: layer 0 (dropout): the share of a dropout must be from 0 to below 1",
    ),
    "epsilon": (
        lambda: Sequential([BatchNormalization(epsilon=0)], 4),
        "layer 0 (batch_normalization): the epsilon",
    ),
    "vector": (
        lambda: Sequential([Convolution(2, 3)], 4),
        "layer 0 (convolution): a convolution reads images, got a vector of 4 values",
    ),
    "image": (
        lambda: Sequential([Relu(), Dense(3)], SIZE),
        "layer 1 (dense): a dense layer reads vectors, got an image of 6 x 5 pixels with 2 channels; put Flatten before it",
    ),
    "window": (
        lambda: Sequential([MaxPooling(7)], SIZE),
        "layer 0 (max_pooling): a pooling with a window of 7 x 7 pixels",
    ),
    "residual": (
        lambda: Sequential([Residual([Dense(3)])], 4),
        "layer 0 (residual): the layers of a residual must return the shape that they read",
    ),
    "class": (
        lambda: Sequential([Dense], 4),
        "Sequential: param `layers` must be a list of layers of mmlrs.ann.layers, got <class",
    ),
    "class in residual": (lambda: Residual([Relu]), "Residual: param `layers` must be a list of layers"),
    "one layer": (
        lambda: Sequential(Dense(3), 4),
        "Sequential: param `layers` must be a list of layers of mmlrs.ann.layers, got Dense(size=3)",
    ),
    "two sizes": (
        lambda: Sequential([Flatten()], (8, 8)),
        "Sequential: param `input` must be the size of the vectors, or height, width and channels",
    ),
    "size of 0": (
        lambda: Sequential([Dense(3)], 0),
        "Sequential: param `input` must be the size of the vectors",
    ),
    "size as text": (
        lambda: Sequential([Dense(3)], "4"),
        "Sequential: param `input` must be the size of the vectors",
    ),
    "size as float": (
        lambda: Sequential([Dense(3)], 4.0),
        "Sequential: param `input` must be the size of the vectors",
    ),
    "no JSON": (lambda: Sequential.from_json("x"), "Sequential: the description of a network cannot be read"),
    "a list": (lambda: Sequential.from_json("[]"), "Sequential: the description of a network cannot be read"),
    "nothing": (
        lambda: Sequential.from_json("{}"),
        "Sequential: the description of a network has no 'layers'",
    ),
    "no kind": (
        lambda: Sequential.from_json('{"layers": [{}], "input": [4]}'),
        "Sequential: the description of a network has no 'kind'",
    ),
    "unknown": (
        lambda: Sequential.from_json('{"layers": [{"kind": "lstm"}], "input": [4]}'),
        "Sequential: there is no layer 'lstm'; the layers are dense, sigmoid",
    ),
    "setting": (
        lambda: Sequential.from_json('{"layers": [{"kind": "relu", "size": 4}], "input": [4]}'),
        "Sequential: a layer relu has no 'size'",
    ),
    "newer": (
        lambda: Sequential.from_json('{"version": 2, "layers": [{"kind": "relu"}], "input": [4]}'),
        "from a newer version of mmlrs (format 2, this one reads 1); update mmlrs",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_network_is_one_error_that_names_the_layer(what):
    made, message = WRONG[what]
    with pytest.raises(InvalidParamError, match=re.escape(message)):
        made()


def test_networks_that_are_too_large_or_too_deep_are_refused():
    message = (
        r"^Sequential: layer 0: with this layer the network has 1000001000000 parameters, at most 2147483648"
    )
    with pytest.raises(LimitExceededError, match=message):
        Sequential([Dense(10**6)], 10**6)
    with pytest.raises(
        LimitExceededError, match=r"^Sequential: .*more than 32 residuals are inside each other"
    ):
        Sequential([DEEP], 4)


def test_gradients_are_checked_for_rows_and_labels_that_fit():
    network = Sequential([Dense(3)], 4)
    rows = np.ones((2, 4))
    assert check_gradients(network, rows, seed=1).compared == 15
    assert not check_gradients(network, rows * 1e30).worst < 0.02, "the loss overflows"
    for args, message in (
        (
            (network, np.ones((2, 5))),
            r"`data` must have rows of shape \(4,\), got an array of shape \(2, 5\)",
        ),
        ((network, [[np.nan] * 4]), "`data` must be an array of finite numbers"),
        ((network, rows, [0, 3]), "`labels` must have one number from 0 to 2 for each of 2 rows"),
        ((network, rows, [0.5, 1.5]), "`labels` must have 3 numbers for each of 2 rows"),
        ((network, rows, ["a", "b"]), "`labels` must be an array of finite numbers"),
        ((network.to_json(), rows), "`network` must be an mmlrs.ann.layers.Sequential"),
    ):
        with pytest.raises(InvalidParamError, match=f"^check_gradients: param {message}"):
            check_gradients(*args)
