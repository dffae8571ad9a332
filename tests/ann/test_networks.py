"""Estimators of networks of any layers, for images and vectors."""

from __future__ import annotations

import io
import json
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
)
from mmlrs.ann.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Gelu,
    GlobalPooling,
    MaxPooling,
    Relu,
    Residual,
    Sequential,
    Softmax,
    Tanh,
)
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError


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
