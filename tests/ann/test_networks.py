"""Networks of any layers: their description, what each layer computes, networks for images and vectors."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from trained import values
from trainings import is_same

from mmlrs.ann import (
    NeuralNetworkClassificationModel,
    NeuralNetworkClassifier,
    NeuralNetworkRegressionModel,
    NeuralNetworkRegressor,
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
from mmlrs.errors import DecodeError, InvalidParamError, LimitExceededError, SchemaMismatchError

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


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def pictures(channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of 8 x 8 pixels with a bright bar, upright or lying, and which one it is."""
    rng = np.random.default_rng(1)
    label = np.arange(60) % 2
    pixels = rng.integers(0, 80, (60, 8, 8, channels), dtype=np.uint8)
    for image, kind, at in zip(pixels, label, rng.integers(1, 7, 60), strict=True):
        image[(at, slice(None)) if kind else (slice(None), at)] += 120
    return pixels, label


GRAY, LABEL = pictures(1)
COLOUR, _ = pictures(3)


def table(images: np.ndarray, label: np.ndarray = LABEL) -> pa.Table:
    encoded = [png(image[..., 0] if image.shape[-1] == 1 else image) for image in images]
    return pa.table({"features": encoded, "label": label})


def images_of(pixels: np.ndarray) -> pa.Array:
    """Images as Spark has them, in the order blue, green, red."""
    made = [
        {
            "origin": "",
            "height": 8,
            "width": 8,
            "nChannels": 3,
            "mode": 16,
            "data": image[..., ::-1].tobytes(),
        }
        for image in pixels
    ]
    kinds = [pa.string(), pa.int32(), pa.int32(), pa.int32(), pa.int32(), pa.binary()]
    return pa.array(made, pa.struct(list(zip(made[0], kinds, strict=True))))


def small(channels: int) -> Sequential:
    made = [Convolution(6, 3, padding="same"), Relu(), MaxPooling(2), Flatten(), Dense(2)]
    return Sequential(made, input=(8, 8, channels))


def classifier(network: Any, **params: Any) -> NeuralNetworkClassifier:
    settings = {"solver": "adam", "stepSize": 0.02, "epochs": 12, "batchSize": 16, "seed": 2}
    return NeuralNetworkClassifier(network=network, **{**settings, **params})


def right(model: Any, rows: pa.Table) -> float:
    scored = model.transform(rows)
    return float(np.mean(scored["prediction"].to_numpy() == scored["label"].to_numpy()))


# -- descriptions -----------------------------------------------------------------------------------------------------------------


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


# -- images ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [GRAY, COLOUR], ids=["gray", "colour"])
def test_a_small_convolutional_network_learns_pictures(images):
    rows = table(images)
    model = classifier(small(images.shape[-1])).fit(rows)
    assert type(model) is NeuralNetworkClassificationModel
    assert right(model, rows) > 0.95
    probability = values(model.transform(rows)["probability"])
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-5)


def test_encoded_pictures_and_image_structs_are_the_same_rows():
    encoded = table(COLOUR)
    structs = pa.table({"features": images_of(COLOUR), "label": encoded["label"]})
    first, second = (classifier(small(3), epochs=3).fit(rows) for rows in (encoded, structs))
    assert is_same(first, second)
    np.testing.assert_array_equal(
        first.transform(encoded)["prediction"].to_numpy(), first.transform(structs)["prediction"].to_numpy()
    )


def test_pictures_have_the_numbers_from_0_to_1():
    model = classifier(Sequential([Flatten(), Dense(2)], (8, 8, 1)), epochs=1).fit(table(GRAY))
    raw = values(model.transform(table(GRAY))["rawPrediction"])
    weights = model.weights
    expected = (GRAY / 255).reshape(60, 64) @ weights[:128].reshape(64, 2) + weights[128:]
    np.testing.assert_allclose(raw, expected, rtol=1e-4, atol=1e-5)


def test_pictures_that_do_not_fit_the_network_are_errors():
    rows = table(GRAY)
    with pytest.raises(
        SchemaMismatchError, match=r"reads an image of 8 x 8 pixels with 2 channels, not images with 1 or 3"
    ):
        classifier(small(2)).fit(rows)
    with pytest.raises(
        SchemaMismatchError, match=r"column `features`: has images; the network reads a vector of 64 values"
    ):
        classifier(Sequential([Dense(2)], 64)).fit(rows)
    damaged = rows.set_column(0, "features", pa.array([b"abc", *rows["features"].to_pylist()[1:]]))
    with pytest.raises(DecodeError, match=r"column `features`, row 0 of the table: not an image"):
        classifier(small(1)).fit(damaged)
    with pytest.warns(UserWarning, match="without 1 of 60 rows"):
        skipped = classifier(small(1), epochs=2, handleInvalid="skip").fit(damaged)
    assert is_same(skipped, classifier(small(1), epochs=2).fit(rows.slice(1)))


def test_augmentation_changes_what_is_trained_on_only():
    rows = table(GRAY)
    plain, *changed = (
        classifier(small(1), augmentation=kinds, validationFraction=0.3).fit(rows)
        for kinds in (None, ["mirror"], ["shift"], ["mirror", "shift"])
    )
    for model in changed:
        assert not np.array_equal(model.weights, plain.weights)
        assert right(model, rows) > 0.85
    assert len({model.weights.tobytes() for model in changed}) == 3
    assert is_same(
        changed[2], classifier(small(1), augmentation=["mirror", "shift"], validationFraction=0.3).fit(rows)
    )
    # With symmetric pictures, mirroring changes nothing.
    symmetric = table(np.concatenate([GRAY[:, :, :4], GRAY[:, :, 3::-1]], axis=2))
    one, other = (classifier(small(1), epochs=2, augmentation=a).fit(symmetric) for a in (None, ["mirror"]))
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)
    for params, message in (
        ({"augmentation": ["flip"]}, '`augmentation` must have "mirror" and "shift" only, got \'flip\''),
        (
            {"augmentation": ["shift"], "network": Sequential([Dense(2)], 64)},
            "`augmentation` needs a network that reads images",
        ),
    ):
        with pytest.raises(InvalidParamError, match=message):
            classifier(**{"network": small(1), **params}).fit(rows)


def test_residuals_with_batch_normalization_learn_and_score_rows_alone():
    block = Residual([Convolution(4, 3, padding="same"), BatchNormalization(), Relu()])
    network = Sequential(
        [Convolution(4, 3), BatchNormalization(), block, GlobalPooling(), Dense(2)], (8, 8, 1)
    )
    rows = table(GRAY)
    model = classifier(network, epochs=30).fit(rows)
    assert right(model, rows) > 0.9
    # While it scores, a row does not depend on the others.
    alone = [values(model.transform(rows.slice(row, 1))["probability"])[0] for row in range(3)]
    np.testing.assert_allclose(alone, values(model.transform(rows)["probability"])[:3], rtol=1e-4, atol=1e-5)
    for layer in (block, BatchNormalization(), Residual([Dropout(0.5)])):
        needy = Sequential([layer, Convolution(2, 3), GlobalPooling()], (8, 8, 4))
        with pytest.raises(InvalidParamError, match='needs batches; use solver="adam", "adamw" or "sgd"'):
            classifier(needy, solver="l-bfgs").fit(rows)


# -- vectors ----------------------------------------------------------------------------------------------------------------------------


def vectors(label: Any) -> pa.Table:
    x = np.random.default_rng(5).normal(size=(80, 4)).astype("f4")
    return pa.table({"features": pa.FixedSizeListArray.from_arrays(x.ravel(), 4), "label": label(x)})


def test_a_network_of_the_layers_of_a_perceptron_is_one():
    from mmlrs.ann import MultilayerPerceptronClassifier

    rows = vectors(lambda x: (x[:, 0] > x[:, 1]).astype("i8"))
    network = Sequential([Dense(5), Gelu(), Dense(2)], 4)
    general = classifier(network, solver="l-bfgs", maxIter=9).fit(rows)
    perceptron = MultilayerPerceptronClassifier(layers=[4, 5, 2], activation="gelu", maxIter=9, seed=2).fit(
        rows
    )
    assert is_same(general, perceptron)
    # The description as JSON is as good as the network, and a model starts from its weights.
    assert is_same(classifier(network.to_json(), solver="l-bfgs", maxIter=9).fit(rows), general)
    further = classifier(network, solver="gd", initialWeights=perceptron).fit(rows)
    assert further.history["loss"][0].as_py() == pytest.approx(general.history["loss"][-1].as_py(), rel=1e-6)


def test_a_regressor_of_any_layers_learns_values_and_vectors(tmp_path):
    for target, outputs in ((lambda x: np.abs(x[:, 0]), 1), (lambda x: list(np.abs(x[:, :2])), 2)):
        rows = vectors(target)
        network = Sequential([Residual([Dense(4), Tanh()]), Dense(24), Relu(), Dense(outputs)], 4)
        model = NeuralNetworkRegressor(network=network, maxIter=60, seed=1).fit(rows)
        scored = model.transform(rows)["prediction"]
        got, wanted = values(scored), np.array(rows["label"].to_pylist()).reshape(80, outputs)
        assert np.sqrt(np.mean((got.reshape(80, outputs) - wanted) ** 2)) < 0.2
        model.save(str(tmp_path / str(outputs)))
        loaded = NeuralNetworkRegressionModel.load(str(tmp_path / str(outputs)))
        assert loaded.transform(rows)["prediction"].equals(scored)


def test_params_that_are_no_network_are_errors():
    rows = vectors(lambda x: (x[:, 0] > 0).astype("i8"))
    for network, message in (
        (3, "`network` must be an mmlrs.ann.layers.Sequential or its description as JSON, got 3"),
        ([Dense(2)], "`network` must be an mmlrs.ann.layers.Sequential or its description as JSON"),
        ("x", "param `network`: the description of a network cannot be read"),
        (
            Sequential([Dense(1)], 4),
            "a classifier has at least two classes, but the last layer of param `network` says that there is 1",
        ),
        (
            Sequential([Dense(2), Softmax()], 4),
            r"layer 1 \(softmax\): the loss cross_entropy includes it; remove the layer",
        ),
        (Sequential([Dense(2)], 5), "has 4 values; the network reads 5"),
    ):
        with pytest.raises((InvalidParamError, DecodeError), match=f"^NeuralNetworkClassifier: .*{message}"):
            classifier(network).fit(rows)


def test_the_estimator_is_saved_with_its_network(tmp_path):
    stage = classifier(small(3), augmentation=["mirror"], epochs=2)
    stage.save(str(tmp_path / "stage"))
    loaded = NeuralNetworkClassifier.load(str(tmp_path / "stage"))
    assert Sequential.from_json(loaded.getNetwork()) == small(3)
    assert json.loads(loaded.getNetwork())["input"] == [8, 8, 3]
    assert is_same(loaded.fit(table(COLOUR)), stage.fit(table(COLOUR)))
