"""Autoencoders: codes, reconstructions, layer by layer training, and encoders that begin a classifier."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits
from trained import values
from trainings import is_same

from mmlrs.ann import (
    AutoEncoder,
    AutoEncoderModel,
    MultilayerPerceptronClassifier,
    NeuralNetworkClassifier,
    StackedAutoEncoder,
)
from mmlrs.ann.layers import Dense, Dropout, Sequential, Sigmoid
from mmlrs.errors import DecodeError, InvalidParamError

PIXELS = (load_digits().data[:400] / 16).astype("f4")
LABEL = load_digits().target[:400]
NAMES = {"inputCol": "pixels", "outputCol": "code"}


def rows(x: np.ndarray) -> pa.Table:
    return pa.table(
        {"pixels": pa.FixedSizeListArray.from_arrays(x.ravel(), x.shape[1]), "label": LABEL[: len(x)]}
    )


DIGITS = rows(PIXELS)


def encoder(kind: Any = AutoEncoder, **params: Any) -> Any:
    return kind(**{**NAMES, "layers": [64, 16], "maxIter": 30, "seed": 4, **params})


def decoded(model: AutoEncoderModel, table: pa.Table = DIGITS) -> np.ndarray:
    codes = model.transform(table)
    return values(model.decoder("code", "decoded").transform(codes)["decoded"])


def error(model: AutoEncoderModel) -> float:
    return float(np.mean((decoded(model) - PIXELS) ** 2))


@pytest.fixture(scope="module")
def trained() -> AutoEncoderModel:
    return encoder(dataIn01Interval=True).fit(DIGITS)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_codes_and_reconstructions_are_those_of_the_weights(trained):
    inner, bias, outer, last = np.split(trained.weights, np.cumsum([64 * 16, 16, 16 * 64]))
    code = sigmoid(PIXELS @ inner.reshape(64, 16) + bias)
    np.testing.assert_allclose(values(trained.transform(DIGITS)["code"]), code, atol=1e-5)
    np.testing.assert_allclose(decoded(trained), sigmoid(code @ outer.reshape(16, 64) + last), atol=1e-5)
    np.testing.assert_array_equal(trained.encoder_weights, np.concatenate([inner, bias]))
    assert [layer["kind"] for layer in trained.description["layers"]] == ["dense", "sigmoid", "dense"]


def test_it_reproduces_digits_better_than_their_mean(trained):
    losses = trained.history["loss"].to_pylist()
    assert losses[-1] < losses[0]
    assert error(trained) < 0.5 * np.mean((PIXELS - PIXELS.mean(0)) ** 2)


def test_a_code_of_8_values_loses_less_than_6_principal_components():
    lost = np.linalg.svd(PIXELS - PIXELS.mean(0), compute_uv=False) ** 2 / PIXELS.size
    assert error(encoder(layers=[64, 8], maxIter=100).fit(DIGITS)) < lost[6:].sum()


@pytest.mark.parametrize("unit", [False, True])
def test_layer_by_layer_beats_all_at_once_on_the_same_budget(unit):
    """Three layers of sigmoids: from random weights the first steps hardly change the layers before the code."""
    params = {"layers": [64, 32, 16, 8], "dataIn01Interval": unit}
    stacked = encoder(StackedAutoEncoder, maxIter=20, **params).fit(DIGITS)
    lines = stacked.history["iteration"].to_pylist()
    budget = sum(iteration > 0 for iteration in lines)
    assert budget == 80
    assert lines.count(0) == 4, "three layers, then all together"
    plain = encoder(maxIter=budget, tol=0.0, **params).fit(DIGITS)
    assert error(stacked) < error(plain)
    untuned = encoder(StackedAutoEncoder, maxIter=20, fineTune=False, **params).fit(DIGITS)
    assert untuned.history["iteration"].to_pylist().count(0) == 3
    assert error(stacked) < error(untuned)
    assert untuned.description == stacked.description == plain.description


def test_weights_and_held_out_rows_go_through_all_layers():
    x = np.vstack([PIXELS[:100], 1 - PIXELS[100:140]])
    weight = np.r_[np.ones(100), np.zeros(40)]
    table = rows(x).append_column("w", pa.array(weight)).append_column("v", pa.array(np.arange(140) % 4 == 0))
    chosen = table.filter(pa.array(weight > 0))
    params = {"layers": [64, 8, 4], "maxIter": 4, "validationIndicatorCol": "v"}
    first = encoder(StackedAutoEncoder, weightCol="w", **params).fit(table)
    second = encoder(StackedAutoEncoder, **params).fit(chosen)
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-2, atol=1e-3)
    assert first.history["validation_loss"].null_count == 0


def test_rows_that_are_skipped_are_in_no_layer():
    x = np.random.default_rng(0).uniform(size=(20, 3))
    x[4, 1] = np.nan
    kept = np.delete(x, 4, axis=0)
    stage = encoder(StackedAutoEncoder, layers=[3, 2, 1], maxIter=3, handleInvalid="skip")
    with pytest.warns(UserWarning, match="trains without 1 of 20 rows"):
        model = stage.fit(rows(x))
    assert is_same(model, stage.fit(rows(kept)))


def test_the_size_of_the_vectors_and_the_type_of_the_code_can_be_left_open():
    model = encoder(layers=[0, 3], maxIter=2, outputType="array").fit(DIGITS)
    assert model.description["input"] == [64]
    assert model.transform(DIGITS)["code"].type == pa.list_(pa.float32(), 3)
    assert type(encoder(StackedAutoEncoder, layers=[0, 5, 3], maxIter=2).fit(DIGITS)) is AutoEncoderModel


@pytest.mark.parametrize("kind", [AutoEncoder, StackedAutoEncoder])
@pytest.mark.parametrize("value", [1.5, -0.1])
def test_numbers_outside_the_interval_are_errors(kind, value):
    x = PIXELS.copy()
    x[7, 3] = value
    message = (
        f"{kind.__name__}: column `pixels`, row 7 of the table: has {value:g}, but the loss needs numbers from 0 to 1; scale the "
        'column, or set `dataIn01Interval` to False; handleInvalid="skip" drops such rows'
    )
    with pytest.raises(DecodeError, match=f"^{re.escape(message)}$"):
        encoder(kind, dataIn01Interval=True).fit(rows(x))
    assert encoder(kind, maxIter=1).fit(rows(x)).history.num_rows > 0
    # Scaling may round a little above 1.
    x[7, 3] = np.float32(1 + 1e-7)
    assert encoder(kind, maxIter=1, dataIn01Interval=True).fit(rows(x)).history.num_rows > 0


def test_rows_in_any_form_are_checked_for_the_interval():
    x = PIXELS[:5].astype("f8")
    x[3, 9] = 2.0
    sparse = [
        {"type": 0, "size": 64, "indices": np.flatnonzero(r).tolist(), "values": r[r != 0].tolist()}
        for r in x
    ]
    kind = pa.struct(
        {
            "type": pa.int8(),
            "size": pa.int32(),
            "indices": pa.list_(pa.int32()),
            "values": pa.list_(pa.float64()),
        }.items()
    )
    for column in (
        pa.array(sparse, kind),
        pa.array(list(x)),
        pa.array([r.astype(int) for r in x]),
        pa.chunked_array([list(x[:2]), list(x[2:])]),
    ):
        with pytest.raises(
            DecodeError, match="row 3 of the table: has 2, but the loss needs numbers from 0 to 1"
        ):
            encoder(dataIn01Interval=True).fit(pa.table({"pixels": column}))


@pytest.mark.spark
def test_the_error_on_spark_names_the_row_of_its_batch(spark):
    df = spark.createDataFrame([([0.0, 1.0],), ([0.5, -3.0],)], "pixels array<double>").coalesce(1)
    with pytest.raises(
        DecodeError, match=r"AutoEncoder: column `pixels`, row \d of the batch: has -3, but the loss needs"
    ):
        encoder(layers=[2, 1], dataIn01Interval=True, numWorkers=1).fit(df)


# -- encoders as a start --------------------------------------------------------------------------------------------------------------


def classifier(**params: Any) -> MultilayerPerceptronClassifier:
    settings = {"featuresCol": "pixels", "layers": [64, 16, 10], "maxIter": 25, "seed": 3}
    return MultilayerPerceptronClassifier(**{**settings, **params})


@pytest.mark.filterwarnings("ignore:.*no better than the frequencies")
def test_an_encoder_begins_a_classifier(trained):
    frozen = {"solver": "gd", "stepSize": 1e-30, "maxIter": 1}
    plain = classifier(**frozen).fit(DIGITS).weights
    for given in (trained, trained.encoder_weights):
        begun = classifier(initialWeights=given, **frozen).fit(DIGITS).weights
        np.testing.assert_array_equal(begun[: 64 * 16], trained.weights[: 64 * 16])
        np.testing.assert_allclose(begun[65 * 16 :], plain[65 * 16 :], atol=1e-20)
    few = rows(PIXELS[:60])
    model = classifier(initialWeights=trained).fit(few)
    scored = model.transform(DIGITS)["prediction"].to_numpy()
    assert np.mean(scored[60:] == LABEL[60:]) > 0.6


def test_an_encoder_of_several_layers_begins_a_network_with_dropout():
    model = encoder(StackedAutoEncoder, layers=[64, 16, 8], maxIter=3).fit(DIGITS)
    made = [Dense(16), Sigmoid(), Dropout(0.1), Dense(8), Sigmoid(), Dense(10)]
    fitted = NeuralNetworkClassifier(
        network=Sequential(made, 64),
        featuresCol="pixels",
        solver="sgd",
        epochs=1,
        stepSize=1e-9,
        initialWeights=model,
    ).fit(DIGITS)
    np.testing.assert_allclose(fitted.weights[: len(model.encoder_weights)], model.encoder_weights, atol=1e-5)


def test_an_encoder_of_other_layers_is_an_error(trained):
    for params, message in (
        (
            {"layers": [64, 17, 10]},
            'whose layer 0 is {"kind": "dense", "size": 16}, but that of this one is {"kind": "dense", "size": 17}',
        ),
        (
            {"activation": "relu"},
            'whose layer 1 is {"kind": "sigmoid"}, but that of this one is {"kind": "relu"}',
        ),
        ({"layers": [64, 10]}, "whose layer 0 is"),
    ):
        with pytest.raises(InvalidParamError, match=re.escape(message)):
            classifier(initialWeights=trained, **params).fit(DIGITS)
    with pytest.raises(
        InvalidParamError,
        match="has 1,000 numbers, but the network has 1,210 weights, of which the first layers have 1,040",
    ):
        classifier(initialWeights=np.ones(1000)).fit(DIGITS)


def test_an_autoencoder_goes_on_from_another(trained):
    further = encoder(initialWeights=trained, dataIn01Interval=True, maxIter=1).fit(DIGITS)
    last = trained.history["loss"][-1].as_py()
    assert further.history["loss"][0].as_py() == pytest.approx(last, rel=1e-6)
    with pytest.raises(
        InvalidParamError, match=r"`initialWeights` is not for training layer by layer, .* use AutoEncoder"
    ):
        encoder(StackedAutoEncoder, initialWeights=trained).fit(DIGITS)


# -- the model ------------------------------------------------------------------------------------------------------------------------


def test_copies_saved_and_pickled_models_encode_alike(trained, tmp_path):
    trained.save(str(tmp_path / "model"))
    for other in (
        trained.copy(),
        pickle.loads(pickle.dumps(trained)),
        AutoEncoderModel.load(str(tmp_path / "model")),
    ):
        assert is_same(other, trained)
        assert other.transform(DIGITS).equals(trained.transform(DIGITS))
        np.testing.assert_array_equal(decoded(other), decoded(trained))
    decoder = trained.decoder("code", "again")
    decoder.save(str(tmp_path / "decoder"))
    codes = trained.transform(DIGITS)
    assert AutoEncoderModel.load(str(tmp_path / "decoder")).transform(codes).equals(decoder.transform(codes))


def test_layers_that_are_no_encoder_are_errors():
    for layers in ([64], [64, 0], [-1, 4], [64, 0, 4]):
        with pytest.raises(
            InvalidParamError,
            match="`layers` must have at least two numbers, of which only the first may be 0",
        ):
            encoder(layers=layers).fit(DIGITS)
    with pytest.raises(DecodeError, match="row 0 of the table: has 64 values; the network reads 63"):
        encoder(layers=[63, 4]).fit(DIGITS)
