"""Multilayer perceptrons on tables: the weights that they start from, each form of input, and what a model holds."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from perceptrons import CLASS, TABLE, X, classifier, parts, regressor, rows, vectors
from trained import values
from trainings import is_same

from mmlrs.ann import (
    MultilayerPerceptronClassificationModel,
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressionModel,
)
from mmlrs.errors import DecodeError, InvalidParamError

# -- initial weights ----------------------------------------------------------------------------------------------------------------------


def test_a_training_goes_on_from_the_weights_of_another():
    from pyspark.ml.linalg import Vectors

    first = classifier(maxIter=3).fit(TABLE)
    last = first.history["loss"][-1].as_py()
    forms = [
        first,
        first.weights,
        first.weights.tolist(),
        Vectors.dense(first.weights.astype(float)),
        pd.Series(first.weights),
        pl.Series(first.weights),
        pa.array(first.weights),
        first.weights.tobytes(),
    ]
    fitted = [classifier(initialWeights=form).fit(TABLE) for form in forms]
    for model in fitted:
        assert model.history["loss"][0].as_py() == pytest.approx(last, rel=1e-6)
        assert is_same(model, fitted[0])
    for wrong in (
        [1, 2],
        [1.0, "a"],
        [],
        np.ones((2, 19)),
        pd.Series(["a"]),
        np.ones(38, complex),
        pa.array([1.0, None]),
        object(),
    ):
        with pytest.raises(
            InvalidParamError, match="`initialWeights` must be a model, or an array or vector of finite"
        ):
            classifier(initialWeights=wrong)


def test_weights_of_the_first_layers_are_completed_from_the_seed():
    start = np.random.default_rng(8).normal(size=20).astype("f4")
    frozen = {"solver": "gd", "stepSize": 1e-30, "maxIter": 1, "seed": 3}
    given = classifier(initialWeights=start, **frozen).fit(TABLE).weights
    none = classifier(**frozen).fit(TABLE).weights
    np.testing.assert_array_equal(given[:20], start)
    np.testing.assert_allclose(given[20:], none[20:], atol=1e-20)
    with pytest.raises(
        InvalidParamError,
        match=r"has 21 numbers, but the network has 38 weights, of which the first layers have 20$",
    ):
        classifier(initialWeights=np.ones(21)).fit(TABLE)


def test_a_model_of_other_layers_is_an_error_that_names_the_layer():
    model = classifier().fit(TABLE)
    for params, message in (
        (
            {"layers": [3, 4, 3]},
            r'whose layer 0 is {"kind": "dense", "size": 5}, but that of this one is {"kind": "dense", "size": 4}',
        ),
        (
            {"activation": "relu"},
            r'whose layer 1 is {"kind": "sigmoid"}, but that of this one is {"kind": "relu"}',
        ),
        ({"layers": [3, 5, 4]}, "whose layer 2 is"),
        ({"layers": [2, 5, 3]}, "a network that reads vectors of 3, but this one reads vectors of 2"),
    ):
        with pytest.raises(InvalidParamError, match=re.escape(message)) as caught:
            classifier(initialWeights=model, **params).fit(TABLE)
        assert "to start from numbers of another network, give its `weights`" in str(caught.value)
    longer = classifier(layers=[3, 5, 3, 3]).fit(TABLE)
    with pytest.raises(InvalidParamError, match=r"a network of more layers than this one|whose layer 3"):
        classifier(initialWeights=longer).fit(TABLE)
    # Its numbers may start any network of as many.
    assert classifier(activation="relu", initialWeights=model.weights).fit(TABLE).finish == "iterations"
    # Dropout has no weights.
    dropped = classifier(solver="adam", stepSize=1e-9, dropout=0.5, initialWeights=model).fit(TABLE)
    np.testing.assert_allclose(dropped.weights, model.weights, atol=1e-6)


# -- input --------------------------------------------------------------------------------------------------------------------------------


def sparse(x: np.ndarray) -> pa.Array:
    """Vectors of Spark ML, every other one sparse."""
    kind = pa.struct(
        [
            ("type", pa.int8()),
            ("size", pa.int32()),
            ("indices", pa.list_(pa.int32())),
            ("values", pa.list_(pa.float64())),
        ]
    )
    made = [
        {"type": 1, "size": None, "indices": None, "values": row.tolist()}
        if i % 2
        else {
            "type": 0,
            "size": len(row),
            "indices": np.flatnonzero(row).tolist(),
            "values": row[row != 0].tolist(),
        }
        for i, row in enumerate(x)
    ]
    return pa.array(made, kind)


@pytest.mark.parametrize("zero", [False, True])
def test_vectors_in_any_form_give_the_same_model(zero):
    x = X.copy()
    if zero:
        x[::3, 1] = 0.0
    forms = {
        "fixed": vectors(x),
        "list": pa.array(list(x)),
        "large": pa.array(list(x), pa.large_list(pa.float32())),
        "double": pa.array(list(x.astype("f8"))),
        "sparse": sparse(x),
        "chunks": pa.chunked_array([vectors(x[:10]), vectors(x[10:11]), vectors(x[11:])]),
    }
    fitted = {
        form: classifier(layers=[0, 5, 3]).fit(pa.table({"features": column, "label": CLASS}))
        for form, column in forms.items()
    }
    for form, model in fitted.items():
        assert is_same(model, fitted["fixed"]), form


def test_pandas_polars_and_arrow_give_the_same_model_and_their_own_kind_back():
    expected = classifier().fit(TABLE)
    frames = [
        pd.DataFrame({"features": list(X), "label": CLASS}),
        pl.DataFrame({"features": X, "label": CLASS}),
        TABLE.to_batches()[0],
    ]
    for frame in frames:
        model = classifier().fit(frame)
        assert is_same(model, expected)
        scored = model.transform(frame)
        assert type(scored) is type(frame)


@pytest.mark.parametrize("kind", ["int8", "uint64", "float32", "bool"])
def test_labels_of_any_type_of_number(kind):
    labels = CLASS % 2
    model = classifier(layers=[3, 5, 2]).fit(rows().set_column(1, "label", pa.array(labels).cast(kind)))
    assert is_same(model, classifier(layers=[3, 5, 2]).fit(rows().set_column(1, "label", pa.array(labels))))


def test_columns_of_odd_names():
    table = TABLE.rename_columns(["a.b", "c d`e", "value"])
    model = classifier(featuresCol="a.b", labelCol="c d`e", predictionCol="p.q").fit(table)
    assert is_same(model, classifier().fit(TABLE))
    assert "p.q" in model.transform(table).column_names


# -- the model --------------------------------------------------------------------------------------------------------------------------


def test_the_history_has_a_row_per_iteration():
    model = classifier(validationFraction=0.2).fit(TABLE)
    history = model.history
    assert history["iteration"].to_pylist() == list(range(6))
    assert min(history["seconds"].to_pylist()) > 0
    assert set(history["bytes_sent"].to_pylist()) == {0}
    metric = history["validation_metric"].to_numpy()
    assert ((metric >= 0) & (metric <= 1)).all()
    values_ = regressor(validationFraction=0.2).fit(TABLE).history
    # Half the squared error of one value is half the square of the root mean squared error.
    np.testing.assert_allclose(
        values_["validation_loss"].to_numpy(), values_["validation_metric"].to_numpy() ** 2 / 2, rtol=1e-5
    )
    empty = MultilayerPerceptronClassificationModel(network=model.getNetwork().read())
    assert (empty.history.num_rows, empty.history.schema, empty.finish) == (0, history.schema, None)


def test_weights_and_description_are_those_that_score():
    model = classifier().fit(TABLE)
    w1, b1, w2, b2 = parts(model.weights)
    hidden = 1 / (1 + np.exp(-(X @ w1.reshape(3, 5) + b1)))
    raw = values(model.transform(TABLE)["rawPrediction"])
    np.testing.assert_allclose(hidden @ w2.reshape(5, 3) + b2, raw, rtol=1e-4, atol=1e-5)
    kinds = [layer["kind"] for layer in model.description["layers"]]
    assert (kinds, model.description["loss"]["kind"]) == (["dense", "sigmoid", "dense"], "cross_entropy")
    with pytest.raises(ValueError, match="read-only"):
        model.weights[0] = 1.0


def test_copies_saved_and_pickled_models_score_alike(tmp_path):
    for stage, kind in (
        (classifier(thresholds=[1.0, 2.0, 3.0]), MultilayerPerceptronClassificationModel),
        (regressor(), MultilayerPerceptronRegressionModel),
    ):
        model = stage.fit(TABLE)
        assert type(model) is kind
        assert model.uid == stage.uid
        path = str(tmp_path / kind.__name__)
        model.save(path)
        for other in (model.copy(), pickle.loads(pickle.dumps(model)), kind.load(path)):
            assert other.transform(TABLE).equals(model.transform(TABLE))
            assert is_same(other, model)
            assert other.finish == model.finish
        renamed = model.copy({model.predictionCol: "p"})
        assert "p" in renamed.transform(TABLE).column_names
    start = classifier(initialWeights=classifier().fit(TABLE))
    start.save(str(tmp_path / "estimator"))
    loaded = MultilayerPerceptronClassifier.load(str(tmp_path / "estimator"))
    assert is_same(loaded.fit(TABLE), start.fit(TABLE))


def test_vectors_without_numbers_have_no_size():
    table = pa.table({"features": pa.array([None, []], pa.list_(pa.float64())), "label": [0, 1]})
    with pytest.raises(DecodeError, match="column `features`: the first row with features has no numbers"):
        classifier(layers=[0, 2]).fit(table)


def test_params_that_contradict_each_other_are_errors():
    for params, message in (
        ({"localSteps": 5}, "`localSteps` needs batches; use solver="),
        ({"dropout": 0.5}, "dropout needs batches; use solver="),
        ({"earlyStopping": 5}, "`earlyStopping` needs rows to validate on"),
        ({"validationFraction": 0.1, "validationIndicatorCol": "m"}, "exclude each other"),
        ({"layers": [3]}, "must have at least two numbers"),
        ({"layers": [3, -1, 3]}, "only the first and the last may be 0"),
        ({"solver": "lbfgs"}, "`solver` must be one of"),
        ({"classWeights": [0.0, 0.0, 0.0]}, "`classWeights` must not be 0 for all classes"),
        ({"thresholds": [0.0, 0.0, 1.0]}, "`thresholds` must not be 0 for more than one class"),
        ({"stepSize": 0.0}, "`stepSize` must be greater than 0"),
    ):
        with pytest.raises(InvalidParamError, match=message):
            classifier(**params).fit(rows(m=np.zeros(90, bool)))
