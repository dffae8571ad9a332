"""Multilayer perceptrons on tables: what they learn, and each param of their training."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from perceptrons import CLASS, SOLVERS, TABLE, VALUE, X, classifier, parts, regressor, right, rows
from trained import values
from trainings import is_same

from mmlrs.ann import NeuralNetworkRegressor
from mmlrs.ann.layers import Dense, Sequential
from mmlrs.errors import InvalidParamError, SchemaMismatchError
from mmlrs.featurize import ValueIndexer

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
    count = np.random.default_rng(8).integers(0, 4, len(X))
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
    start = np.random.default_rng(8).normal(size=38)
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


def test_a_training_that_goes_on_from_a_minimum_does_not_warn():
    plain = {"layers": [3, 1], "labelCol": "y", "tol": 1e-6}
    learnt = regressor(**plain, maxIter=50).fit(rows(y=VALUE))
    again = regressor(**plain, initialWeights=learnt, maxIter=50).fit(rows(y=VALUE))
    assert (learnt.finish, again.finish) == ("converged", "converged")


@pytest.mark.filterwarnings("ignore:.*ended with the loss")
@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_returns_the_best_weights(solver):
    mark = np.arange(len(X)) % 2 == 0
    noise = np.random.default_rng(8).integers(0, 3, len(X))
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
