"""Multilayer perceptrons on tables: what they learn, each param, each form of input, and what a model holds."""

from __future__ import annotations

import json
import pickle
import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from trained import values
from trainings import is_same

from mmlrs.ann import (
    MultilayerPerceptronClassificationModel,
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressionModel,
    MultilayerPerceptronRegressor,
    NeuralNetworkRegressor,
)
from mmlrs.ann.layers import Dense, Sequential
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import ValueIndexer

RNG = np.random.default_rng(7)
X = RNG.normal(size=(90, 3)).astype("f4")
#: Three classes, of which one is outside a circle and the others alternate between quadrants, and values.
CLASS = np.where(np.hypot(X[:, 0], X[:, 1]) > 1.5, 2, X[:, 0] * X[:, 1] > 0).astype("i8")
VALUE = (np.sin(X[:, 0]) + 0.5 * X[:, 1]).astype("f8")
SOLVERS = ["l-bfgs", "gd", "sgd", "adam", "adamw"]
SMALL = {"layers": [3, 5, 3], "maxIter": 5, "epochs": 3, "batchSize": 32, "tol": 0.0}


def vectors(x: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])


def rows(**columns: Any) -> pa.Table:
    made = {name: pa.array(column) for name, column in columns.items()}
    return pa.table({"features": vectors(X), "label": CLASS, "value": VALUE, **made})


TABLE = rows()


def classifier(**params: Any) -> MultilayerPerceptronClassifier:
    return MultilayerPerceptronClassifier(**{**SMALL, **params})


def regressor(**params: Any) -> MultilayerPerceptronRegressor:
    return MultilayerPerceptronRegressor(**{**SMALL, "layers": [3, 5, 1], "labelCol": "value", **params})


def right(model: Any, table: pa.Table = TABLE) -> float:
    scored = model.transform(table)
    return float(np.mean(scored["prediction"].to_numpy() == scored["label"].to_numpy()))


def parts(weights: np.ndarray) -> list[np.ndarray]:
    """The weights and biases of the layers of `SMALL`."""
    return np.split(weights, np.cumsum([15, 5, 15]))


# -- what is learned ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh", "gelu"])
def test_every_solver_makes_the_loss_smaller_with_every_activation(solver, activation):
    rate = {"gd": 0.5, "sgd": 0.1, "adam": 0.05, "adamw": 0.05}.get(solver)
    for stage in (classifier, regressor):
        params = {} if rate is None else {"stepSize": rate}
        model = stage(solver=solver, activation=activation, **params).fit(TABLE)
        loss = model.history["loss"].to_pylist()
        assert loss[-1] < loss[0]
        assert np.isfinite(loss).all()


def test_a_classifier_learns_what_no_plane_separates():
    model = classifier(layers=[3, 16, 3], maxIter=100, seed=1).fit(TABLE)
    assert right(model) > 0.95
    plane = classifier(layers=[3, 3], maxIter=100).fit(TABLE)
    # Without hidden layers it is a logistic regression, whose minimum is the same from any start.
    other = classifier(layers=[3, 3], maxIter=100, seed=9).fit(TABLE)
    assert right(plane) < 0.8
    assert plane.history["loss"][-1].as_py() == pytest.approx(other.history["loss"][-1].as_py(), rel=1e-3)


def test_a_regressor_without_hidden_layers_is_least_squares():
    model = regressor(layers=[3, 1], maxIter=50).fit(TABLE)
    ones = np.column_stack([X, np.ones(len(X))])
    expected = np.linalg.lstsq(ones, VALUE, rcond=None)[0]
    np.testing.assert_allclose(model.weights, expected, atol=2e-3)
    scored = model.transform(TABLE)["prediction"].to_numpy()
    np.testing.assert_allclose(scored, ones @ expected, atol=5e-3)


def test_a_regressor_predicts_several_values_and_learns_what_is_not_linear():
    both = np.column_stack([VALUE, X[:, 0] ** 2])
    table = rows(both=list(both))
    model = regressor(layers=[3, 24, 2], labelCol="both", activation="tanh", maxIter=150).fit(table)
    error = values(model.transform(table)["prediction"]) - both
    assert np.sqrt(np.mean(error**2)) < 0.1
    # A last number of 0 stands for the size of the labels.
    sized = regressor(layers=[0, 4, 0], labelCol="both").fit(table)
    assert (sized.description["input"], sized.description["layers"][-1]["size"]) == ([3], 2)
    exact = rows(y=pa.array(CLASS % 2).cast(pa.decimal128(25, 3)))
    assert regressor(layers=[3, 0], labelCol="y").fit(exact).description["layers"][-1]["size"] == 1


@pytest.mark.parametrize(
    "kind", [pa.timestamp("us"), pa.timestamp("ms", "UTC"), pa.date32(), pa.duration("s")]
)
def test_times_are_no_labels(kind):
    table = rows(y=pa.array([0, 1, 2] * 30, pa.int32() if kind == pa.date32() else pa.int64()).cast(kind))
    for stage in (classifier(labelCol="y"), regressor(labelCol="y"), regressor(layers=[3, 0], labelCol="y")):
        with pytest.raises(
            SchemaMismatchError, match=rf"^{type(stage).__name__}: column `y`: has type .*; expected "
        ):
            stage.fit(table)


@pytest.mark.parametrize("loss", ["huber", "sigmoid"])
def test_losses_of_regressors(loss):
    outlier = VALUE.copy()
    outlier[0] = 500.0
    target = (VALUE > 0) * 1.0 if loss == "sigmoid" else outlier
    table = rows(y=target)
    model = regressor(layers=[3, 1], labelCol="y", loss=loss, maxIter=60).fit(table)
    scored = model.transform(table)["prediction"].to_numpy()
    if loss == "sigmoid":
        assert 0 <= scored.min() <= scored.max() <= 1
        assert np.mean((scored > 0.5) == (target > 0.5)) > 0.9
    else:
        squared = regressor(layers=[3, 1], labelCol="y", maxIter=60).fit(table).transform(table)["prediction"]
        distances = [np.abs(s[1:] - VALUE[1:]).mean() for s in (scored, squared.to_numpy())]
        assert distances[0] < distances[1] / 5, "an outlier moves the mean, not the Huber loss"


def test_targets_that_the_sigmoid_loss_cannot_have_are_errors():
    for kind, wrong in (("number", VALUE), ("vector", list(np.column_stack([VALUE * 0, VALUE])))):
        size = 2 if kind == "vector" else 1
        row = int(np.flatnonzero((VALUE < 0) | (VALUE > 1))[0])
        with pytest.raises(
            ValueError,
            match=rf"column `y`, row {row} of the table: has .*, but the loss needs numbers from 0 to 1; scale the column, or set `loss` to",
        ):
            regressor(layers=[3, size], labelCol="y", loss="sigmoid").fit(rows(y=wrong))


@pytest.mark.parametrize("kind", ["double", "int64", "bool", "decimal128(25, 3)"])
def test_single_numbers_are_no_labels_of_several_outputs(kind):
    target = pa.decimal128(25, 3) if kind.startswith("dec") else kind
    table = rows(y=pa.array(CLASS % 2).cast(target))
    with pytest.raises(
        SchemaMismatchError,
        match=r"column `y`: has type .*; expected vectors of 2 numbers, as many as param `layers` says that the network has outputs",
    ):
        regressor(layers=[3, 2], labelCol="y").fit(table)
    network = Sequential([Dense(2)], 3)
    with pytest.raises(SchemaMismatchError, match="as many as the last layer of param `network` says"):
        NeuralNetworkRegressor(network=network, labelCol="y").fit(table)


# -- classes ----------------------------------------------------------------------------------------------------------------------------


def test_classes_come_from_the_labels_metadata_and_go_with_the_predictions():
    named = TABLE.set_column(1, "label", pa.array([["red", "green", "blue"][i] for i in CLASS]))
    indexed = ValueIndexer(inputCol="label", outputCol="index").fit(named).transform(named)
    model = classifier(layers=[0, 5, 0], labelCol="index", maxIter=2).fit(indexed)
    assert (model.description["input"], model.description["layers"][-1]["size"]) == ([3], 3)
    scored = model.transform(indexed)
    levels = ["blue", "green", "red"]
    assert model.getLabels() == levels
    assert json.loads(scored.schema.field("prediction").metadata[b"ml_attr"])["vals"] == levels
    with pytest.raises(
        InvalidParamError, match="column `label` has no levels in its metadata; index it first"
    ):
        classifier(layers=[3, 0]).fit(TABLE)
    # Levels of another number of classes are not those of the network.
    assert classifier(layers=[3, 4], labelCol="index").fit(indexed).getLabels() is None


def test_thresholds_choose_among_the_probabilities():
    model = classifier(thresholds=[1.0, 1.0, 1e-6]).fit(TABLE)
    assert set(model.transform(TABLE)["prediction"].to_pylist()) == {2.0}
    assert model.getThresholds() == [1.0, 1.0, 1e-6]
    for wrong in ([0.5, 0.5], [1.0, -1.0, 1.0]):
        with pytest.raises(
            InvalidParamError, match="`thresholds` must have one number of at least 0 for each of 3"
        ):
            classifier(thresholds=wrong).fit(TABLE)


@pytest.mark.parametrize("solver", ["l-bfgs", "gd"])
def test_a_weight_is_as_good_as_repeated_rows(solver):
    count = RNG.integers(0, 4, len(X))
    weighted = classifier(solver=solver, weightCol="w").fit(rows(w=count.astype(float)))
    repeated = classifier(solver=solver).fit(TABLE.take(np.repeat(np.arange(len(X)), count)))
    np.testing.assert_allclose(weighted.weights, repeated.weights, rtol=2e-3, atol=2e-4)
    losses = [model.history["loss"].to_numpy() for model in (weighted, repeated)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_class_weights_are_weights_of_rows_and_move_the_predictions():
    by_class = np.array([1.0, 4.0, 0.5])
    first = classifier(classWeights=by_class.tolist(), maxIter=1).fit(TABLE).history["loss"][0].as_py()
    # The mean is over the rows' weights, of which class weights are no part.
    each = classifier(maxIter=1, weightCol="w").fit(rows(w=by_class[CLASS])).history["loss"][0].as_py()
    assert first == pytest.approx(each * by_class[CLASS].mean(), rel=1e-5)
    heavy = classifier(classWeights=[1.0, 1.0, 1000.0], maxIter=20).fit(TABLE)
    assert np.mean(heavy.transform(TABLE)["prediction"].to_numpy() == 2) > np.mean(CLASS == 2)
    with pytest.raises(
        InvalidParamError, match="`classWeights` must have one number of at least 0 for each of 3"
    ):
        classifier(classWeights=[1.0]).fit(TABLE)


def test_label_smoothing_keeps_probabilities_from_the_ends():
    extremes = [
        values(
            classifier(layers=[3, 16, 3], maxIter=60, labelSmoothing=s)
            .fit(TABLE)
            .transform(TABLE)["probability"]
        ).max()
        for s in (0.0, 0.3)
    ]
    assert extremes[0] > 0.999 > 0.97 > extremes[1]


# -- training -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_seed_repeats_a_training_exactly_and_another_does_not(solver):
    def fit(seed: int) -> Any:
        dropout = 0.2 if solver in ("sgd", "adam", "adamw") else 0.0
        return classifier(solver=solver, seed=seed, dropout=dropout, validationFraction=0.2).fit(TABLE)

    first = fit(-3)
    assert is_same(first, fit(-3))
    assert not np.array_equal(first.weights, fit(4).weights)
    # The order in which rows arrive changes nothing: it depends on their content.
    assert classifier(solver=solver).fit(TABLE).history["loss"][-1].as_py() == pytest.approx(
        classifier(solver=solver).fit(TABLE.take(np.arange(len(X))[::-1])).history["loss"][-1].as_py(),
        rel=1e-5,
    )


def test_l2_makes_weights_smaller_and_leaves_biases():
    shifted = pa.table({"features": TABLE["features"], "value": VALUE + 3.0})
    plain, small = (regressor(layers=[3, 1], maxIter=50, l2=l2).fit(shifted).weights for l2 in (0.0, 1e4))
    assert np.abs(small[:3]).max() < 1e-3 < np.abs(plain[:3]).max()
    assert small[3] == pytest.approx((VALUE + 3).mean(), abs=1e-2)


def test_the_loss_has_half_of_l2_times_the_squared_weights():
    start = RNG.normal(size=38)
    w1, _, w2, _ = parts(start)
    first = [
        classifier(initialWeights=start, maxIter=1, l2=l2).fit(TABLE).history["loss"][0].as_py()
        for l2 in (0.0, 0.5)
    ]
    assert first[1] - first[0] == pytest.approx(0.25 * (np.sum(w1**2) + np.sum(w2**2)), rel=1e-4)


def test_weight_decay_belongs_to_adamw():
    strong = {"solver": "adamw", "epochs": 30, "stepSize": 0.05}
    plain, decayed = (classifier(weightDecay=d, **strong).fit(TABLE).weights for d in (0.0, 1.0))
    assert np.linalg.norm(parts(decayed)[0]) < 0.7 * np.linalg.norm(parts(plain)[0])
    ignored = [classifier(**{**strong, "solver": "adam", "weightDecay": d}).fit(TABLE) for d in (0.0, 1.0)]
    assert is_same(*ignored)


def rates(**params: Any) -> list[float]:
    model = classifier(**{"solver": "sgd", "stepSize": 0.08, "epochs": 6, "batchSize": 90, **params}).fit(
        TABLE
    )
    return model.history["step_size"].to_pylist()


def test_schedules():
    assert rates() == pytest.approx([0.08] * 6)
    step = rates(schedule="step", decayEpochs=2, decayFactor=0.5)
    assert step == pytest.approx([0.08, 0.08, 0.04, 0.04, 0.02, 0.02])
    cosine = rates(schedule="cosine")
    assert cosine == pytest.approx([0.04 * (1 + np.cos(np.pi * i / 6)) for i in range(6)], rel=1e-4)
    warm = rates(warmUpEpochs=3)
    assert warm[0] < warm[1] < warm[2]
    assert warm[3:] == pytest.approx([0.08] * 3)
    assert rates(solver="gd", maxIter=4, schedule="step", decayEpochs=1)[-1] == pytest.approx(
        0.08e-3, rel=1e-4
    )


def test_momentum_and_nesterov_change_the_path():
    paths = [
        classifier(solver="sgd", momentum=m, nesterov=n).fit(TABLE).weights
        for m, n in ((0.0, True), (0.9, True), (0.9, False))
    ]
    assert not np.allclose(paths[0], paths[1])
    assert not np.allclose(paths[1], paths[2])
    assert is_same(*(classifier(solver="sgd", momentum=0.0, nesterov=n).fit(TABLE) for n in (True, False)))


def test_the_block_size_changes_rounding_only():
    one, other = (classifier(blockSize=b).fit(TABLE).weights for b in (7, 1000))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_the_training_ends_when_it_converged():
    model = classifier(layers=[3, 3], tol=1e-3, maxIter=1000).fit(TABLE)
    assert model.finish == "converged"
    assert model.history.num_rows < 100
    assert classifier().fit(TABLE).finish == "iterations"


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_returns_the_best_weights(solver):
    mark = np.arange(len(X)) % 2 == 0
    noise = RNG.integers(0, 3, len(X))
    table = rows(mark=mark).set_column(1, "label", pa.array(noise))
    rate = {} if solver == "l-bfgs" else {"stepSize": 2.0 if solver == "gd" else 0.3}
    stage = classifier(
        solver=solver,
        layers=[3, 32, 3],
        maxIter=300,
        epochs=300,
        validationIndicatorCol="mark",
        earlyStopping=4,
        **rate,
    )
    model = stage.fit(table)
    assert model.finish == "stopped"
    history = model.history["validation_loss"].to_numpy()
    best = int(np.argmin(history))
    # No improvement for 4 iterations, and no longer.
    assert len(history) - 1 - best == 4
    held = model.transform(table.filter(pa.array(mark)))
    chosen = values(held["probability"])[np.arange(int(mark.sum())), noise[mark]]
    assert -np.log(chosen).mean() == pytest.approx(history[best], rel=1e-3)
    metric = model.history["validation_metric"][best].as_py()
    assert right(model, table.filter(pa.array(mark))) == pytest.approx(metric, abs=1e-9)


def test_rows_to_validate_on_are_not_trained_on():
    mark = np.arange(len(X)) % 3 == 0
    marked = classifier(validationIndicatorCol="mark").fit(rows(mark=mark))
    alone = classifier().fit(TABLE.filter(pa.array(~mark)))
    np.testing.assert_array_equal(marked.weights, alone.weights)
    assert marked.history["validation_loss"].null_count == 0
    assert alone.history["validation_loss"].null_count == alone.history.num_rows


def test_a_fraction_holds_out_rows_by_their_content():
    model = classifier(validationFraction=0.3, seed=2).fit(TABLE)
    # Equal rows stay together: twice the rows are the same training.
    twice = classifier(validationFraction=0.3, seed=2).fit(pa.concat_tables([TABLE, TABLE]))
    np.testing.assert_allclose(model.weights, twice.weights, rtol=1e-3, atol=1e-4)
    losses = [m.history["validation_loss"].to_numpy() for m in (model, twice)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


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
    start = RNG.normal(size=20).astype("f4")
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
