"""Trainings with wrong rows, columns and params: one error that names the stage, the place, the cause and what to do."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, StructField, StructType
from trainings import classes, frame, is_same, network

from mmlrs.ann import (
    AutoEncoder,
    MultilayerPerceptronClassificationModel,
    MultilayerPerceptronRegressor,
    StackedAutoEncoder,
)
from mmlrs.errors import (
    DecodeError,
    ExecutionError,
    InvalidParamError,
    IoError,
    MmlrsError,
    ModelLoadError,
    SchemaMismatchError,
)

NAN, INF = float("nan"), float("inf")


def with_row(column: str, value: object) -> pa.Table:
    """Return rows of which row 5 has another value. Columns that do not exist have 1 in the other rows."""
    table = classes()
    values = table[column].to_pylist() if column in table.column_names else [1.0] * table.num_rows
    values[5] = value
    kind = (
        pa.list_(pa.float64())
        if column == "features"
        else pa.bool_()
        if column == "held out"
        else pa.float64()
    )
    array = pa.array([bool(v) if column == "held out" and v is not None else v for v in values], kind)
    if column in table.column_names:
        return table.set_column(table.column_names.index(column), column, array)
    return table.append_column(column, array)


ROWS = {
    "NaN in features": (
        "features",
        [1.0, NAN, 0.0],
        "has NaN, an infinity or a number beyond single precision in slot 1",
    ),
    "infinity in features": (
        "features",
        [1.0, 0.0, -INF],
        "has NaN, an infinity or a number beyond single precision in slot 2",
    ),
    "large features": (
        "features",
        [1e300, 0.0, 0.0],
        "has NaN, an infinity or a number beyond single precision in slot 0",
    ),
    "null features": ("features", None, "is null"),
    "null in features": ("features", [1.0, None, 0.0], "has a null in slot 1"),
    "short features": ("features", [1.0, 0.0], "has 2 values; the network reads 3"),
    "negative label": (
        "label",
        -1.0,
        "is -1; a class is a whole number from 0, which ValueIndexer makes of other labels",
    ),
    "fractional label": (
        "label",
        0.5,
        "is 0.5; a class is a whole number from 0, which ValueIndexer makes of other labels",
    ),
    "large label": (
        "label",
        2.0,
        "is 2, but param `layers` says that there are 2 classes, from 0 to 1; ValueIndexer makes such numbers of other labels",
    ),
    "NaN as label": ("label", NAN, "is NaN"),
    "infinite label": ("label", INF, "is inf"),
    "null label": ("label", None, "is null"),
    "null weight": ("weight", None, "is null"),
    "negative weight": ("weight", -1.0, "is -1; a weight is a number of at least 0"),
    "NaN as weight": ("weight", NAN, "is NaN; a weight is a number of at least 0"),
    "large weight": (
        "weight",
        1e300,
        "is 1e300, which is beyond single precision; a weight is a number of at least 0",
    ),
}


@pytest.mark.parametrize("what", ROWS)
def test_a_wrong_row_is_an_error_with_its_place_or_is_left_out_with_a_warning(what):
    column, value, cause = ROWS[what]
    table = with_row(column, value)
    stage = network(maxIter=2, **({"weightCol": column} if column == "weight" else {}))
    where = f"MultilayerPerceptronClassifier: column `{column}`, row 5 of the table: {cause}"
    with pytest.raises(DecodeError, match=f"^{re.escape(where)}") as raised:
        stage.fit(table)
    assert str(raised.value).endswith('; handleInvalid="skip" drops such rows')
    with pytest.warns(
        UserWarning,
        match="Classifier: trains without 1 of 120 rows, whose label, weight or features are null",
    ):
        model = stage.copy({stage.handleInvalid: "skip"}).fit(table)
    assert is_same(model, stage.fit(pa.concat_tables([table.slice(0, 5), table.slice(6)])))


def test_a_null_among_the_marks_of_held_out_rows_is_an_error():
    message = "^MultilayerPerceptronClassifier: column `held out`, row 5 of the table: is null"
    with pytest.raises(DecodeError, match=message):
        network(validationIndicatorCol="held out").fit(with_row("held out", None))


def held_out(value: bool) -> pa.Table:
    return classes().append_column("v", pa.array([value] * 120))


def labels(values: list) -> pa.Table:
    return classes().set_column(1, "label", pa.array(values))


COLUMNS = {
    "no rows": (lambda: classes().slice(0, 0), {}, DecodeError, "the dataset has no rows"),
    "no rows and no size": (
        lambda: classes().slice(0, 0).cast(LISTS),
        {"layers": [0, 2]},
        DecodeError,
        "column `features`: no row has features",
    ),
    "weights of 0": (
        lambda: classes().append_column("w", pa.array([0.0] * 120)),
        {"weightCol": "w"},
        ExecutionError,
        "there is nothing to train on: the weights of all rows are 0",
    ),
    "all rows held out": (
        lambda: held_out(True),
        {"validationIndicatorCol": "v"},
        ExecutionError,
        "no rows to train on",
    ),
    "no row held out": (
        lambda: held_out(False),
        {"validationIndicatorCol": "v", "earlyStopping": 3},
        InvalidParamError,
        (
            "column `v` of param `validationIndicatorCol` is true for none of 120 rows, and `earlyStopping` needs rows to validate on; hold out "
            "more rows, or set `earlyStopping` to 0"
        ),
    ),
    "a fraction of less than a row": (
        classes,
        {"validationFraction": 1e-6, "earlyStopping": 3},
        InvalidParamError,
        "param `validationFraction` is 1e-06, which holds out none of 120 rows, and `earlyStopping` needs rows to validate on",
    ),
    "marks that are numbers": (
        lambda: classes(),
        {"validationIndicatorCol": "label"},
        SchemaMismatchError,
        "column `label`: has type int64; expected booleans",
    ),
    "strings as labels": (
        lambda: labels(["a", "b"] * 60),
        {},
        SchemaMismatchError,
        (
            "column `label`: has type string; expected the numbers of the classes, from 0; index it first: "
            'mmlrs.featurize.ValueIndexer(inputCol="label", outputCol="index")'
        ),
    ),
    "categories as labels": (
        lambda: classes().set_column(1, "label", pa.array(["a", "b"] * 60).dictionary_encode()),
        {},
        SchemaMismatchError,
        "index it first: mmlrs.featurize.ValueIndexer",
    ),
    "no number of classes": (
        classes,
        {"layers": [3, 0]},
        InvalidParamError,
        "column `label` has no levels in its metadata; index it first: mmlrs.featurize.ValueIndexer",
    ),
    "one class": (classes, {"layers": [3, 1]}, InvalidParamError, "a classifier has at least two classes"),
    "layers without features": (
        classes,
        {"layers": [5, 2]},
        DecodeError,
        "column `features`, row 0 of the table: has 3 values; the network reads 5",
    ),
    "an empty layer": (
        classes,
        {"layers": [3, 0, 2]},
        InvalidParamError,
        "param `layers` must have at least two numbers, of which only the first and the last may be 0",
    ),
    "two columns of one name": (
        classes,
        {"predictionCol": "p", "probabilityCol": "p"},
        SchemaMismatchError,
        "column `p`: would be written twice; give each output column a name of its own",
    ),
    "early stopping without rows": (
        classes,
        {"earlyStopping": 3},
        InvalidParamError,
        "set `validationFraction` or `validationIndicatorCol`",
    ),
    "too few initial weights": (
        classes,
        {"initialWeights": np.ones(7)},
        InvalidParamError,
        "param `initialWeights` has 7 numbers, but the network has 26 weights",
    ),
    "bytes as initial weights": (
        classes,
        {"initialWeights": b"12345"},
        InvalidParamError,
        "param `initialWeights` has 5 bytes, which are no numbers",
    ),
    "NaN in initial weights": (
        classes,
        {"initialWeights": np.full(26, NAN)},
        InvalidParamError,
        "param `initialWeights` must be a model, or an array or vector of finite",
    ),
    "NaN in the bytes of initial weights": (
        classes,
        {"initialWeights": np.array([0.0] * 25 + [NAN], "<f4").tobytes()},
        InvalidParamError,
        "param `initialWeights` has 1 numbers that are NaN or infinite, the first at place 25",
    ),
    "a file of initial weights that is missing": (
        classes,
        {"initialWeights": "/missing"},
        IoError,
        "param `initialWeights`: /missing: No such file",
    ),
}
PAIRS = list(zip(classes()["features"].to_pylist(), classes()["label"].to_pylist(), strict=True))
LISTS = pa.schema([("features", pa.list_(pa.float32())), ("label", pa.int64())])


@pytest.mark.parametrize("what", COLUMNS)
def test_wrong_columns_and_params_are_errors(what):
    made, params, kind, message = COLUMNS[what]
    with pytest.raises(kind, match=re.escape(message)) as raised:
        network(**params).fit(made())
    assert str(raised.value).startswith("MultilayerPerceptronClassifier: ")


def test_rows_to_validate_on_that_do_not_exist_are_a_warning_without_early_stopping():
    with pytest.warns(UserWarning, match="none of 120 rows; the history has no validation loss"):
        model = network(maxIter=2, validationFraction=1e-6).fit(classes())
    assert model.history["validation_loss"].null_count == model.history.num_rows


def test_the_model_skips_the_rows_that_its_training_skipped():
    table = with_row("features", [1.0, NAN, 0.0])
    with pytest.warns(UserWarning, match="trains without 1 of 120 rows"):
        model = network(maxIter=2, handleInvalid="skip").fit(table)
    assert model.transform(table).num_rows == 119
    assert network(maxIter=2).fit(classes()).getHandleInvalid() == "error"


def warned(stage, table: pa.Table):
    """The model that a stage fits, and the texts of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = stage.fit(table)
    return model, [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("scale", "mean", "warns"),
    [(1.0, 0.0, False), (1.0, 2e4, False), (1.0, 1e6, True), (1e4, 0.0, True), (1e-5, 0.0, True)],
)
def test_labels_that_are_hard_to_learn_are_a_warning(scale, mean, warns):
    table = classes()
    labels = pa.array(scale * np.array(table["features"].to_pylist())[:, 0] + mean)
    learner = MultilayerPerceptronRegressor(layers=[3, 1], maxIter=2)
    _, told = warned(learner, table.set_column(1, "label", labels))
    assert len(told) == warns, told
    if warns:
        assert told[0].startswith(
            "MultilayerPerceptronRegressor: the labels in column `label` have the mean "
        )


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ((1.0, 1.0), None),
        (
            (1.0, 500.0),
            r"column `label` have values whose standard deviations are far apart, \S+ \(value 0\) and \S+ \(value 1\)",
        ),
        ((2e4, 3e4), r"value 0 of the labels in column `label` has the mean \S+ and the standard deviation"),
    ],
)
def test_each_value_of_a_label_is_judged_alone(factors, told):
    table = classes()
    labels = np.array(table["features"].to_pylist())[:, :2] * factors
    learner = MultilayerPerceptronRegressor(layers=[3, 2], maxIter=2)
    _, found = warned(learner, table.set_column(1, "label", pa.array(labels.tolist())))
    assert len(found) == (told is not None), found
    assert told is None or re.search(told, found[0])


@pytest.mark.parametrize("solver", ["l-bfgs", "adam"])
def test_a_regressor_begins_with_the_mean_of_the_labels(solver):
    table = classes()
    years = 2000 + 5 * np.array(table["features"].to_pylist())[:, 0]
    rows = table.set_column(1, "label", pa.array(years))
    learner = MultilayerPerceptronRegressor(
        layers=[3, 8, 1], solver=solver, stepSize=0.02, epochs=100, batchSize=16, seed=1
    )
    model, told = warned(learner, rows)
    assert not told
    predicted = model.transform(rows)["prediction"].to_numpy()
    assert np.mean((predicted - years) ** 2) < 0.1 * np.var(years)


WORSE = {
    "small steps": ({"solver": "adam"}, False),
    "large steps of descent": ({"solver": "gd", "stepSize": 3000.0, "maxIter": 9}, True),
    "large steps over batches": ({"solver": "adam", "stepSize": 100.0}, True),
    "large steps and early stopping": (
        {"solver": "adam", "stepSize": 1e3, "validationFraction": 0.2, "earlyStopping": 5},
        True,
    ),
}


@pytest.mark.parametrize("what", WORSE)
def test_a_network_that_is_worse_than_a_constant_answer_is_a_warning(what):
    settings, warns = WORSE[what]
    _, told = warned(network(batchSize=16, activation="relu", **settings), classes())
    assert len(told) == warns, told
    for text in told:
        assert re.match(
            r"MultilayerPerceptronClassifier: the training ended with the loss \S+, but the frequencies of the classes as the answer "
            r"for all rows has 0\.6\d+\. Take more (epoch|iteration)s or smaller steps \(`stepSize`\), or scale the features to about 1",
            text,
        )


def test_the_constant_answer_of_the_huber_loss_is_a_bound():
    table = classes()
    labels = pa.array(100 * np.array(table["features"].to_pylist())[:, 0])
    learner = MultilayerPerceptronRegressor(layers=[3, 1], loss="huber", solver="adam", stepSize=1e4)
    _, [told] = warned(learner, table.set_column(1, "label", labels))
    [bound] = re.findall(r"the mean as the answer for all rows has at most (\S+)\. Take", told)
    # The loss of an error of one standard deviation.
    assert float(bound) == pytest.approx(np.std(labels.to_numpy()) - 0.5, rel=1e-5)


def test_a_training_that_converges_to_a_constant_answer_is_a_warning():
    same = classes().set_column(0, "features", pa.array([[1.0, 1.0, 1.0]] * 120))
    _, [told] = warned(network(tol=1e-6), same)
    assert (
        "no better than the frequencies of the classes as the answer for all rows. Scale the features" in told
    )
    coder = AutoEncoder(inputCol="features", outputCol="code", layers=[3, 1], l2=100.0)
    _, [told] = warned(coder, classes())
    assert told.startswith("AutoEncoder: the training converged to the loss")
    assert (
        "no better than the mean as the answer for all rows. Scale the features to about 1, use a smaller `l2`"
        in told
    )


def test_the_layer_of_a_stacked_autoencoder_is_named():
    coder = StackedAutoEncoder(
        inputCol="features", outputCol="code", layers=[3, 2, 1], solver="sgd", stepSize=1e37, batchSize=16
    )
    message = r"^StackedAutoEncoder: layer 1 of 2: the loss is not a finite number from the first epoch on; .* smaller `stepSize`$"
    with pytest.raises(ExecutionError, match=message):
        coder.fit(classes())


def test_a_label_beyond_single_precision_is_shown_without_hundreds_of_digits():
    message = (
        r"column `label`, row 1 of the table: is 1e300, which is beyond single precision; handleInvalid="
    )
    with pytest.raises(DecodeError, match=message):
        MultilayerPerceptronRegressor(layers=[3, 1]).fit(labels([1.0, 1e300, *[0.0] * 118]))


def test_a_network_of_a_newer_version_is_an_error_wherever_it_is_used():
    content = network(maxIter=1).fit(classes()).getNetwork().read()
    newer = content.replace(rb"\"version\":1", rb"\"version\":9")
    assert newer != content
    model = MultilayerPerceptronClassificationModel(network=newer)
    uses = {
        "MultilayerPerceptronClassificationModel": [
            lambda: model.transform(classes()),
            lambda: model.weights,
        ],
        "MultilayerPerceptronClassifier": [
            lambda: network(initialWeights=model).fit(classes()),
            lambda: network(initialWeights=newer).fit(classes()),
        ],
    }
    for stage, calls in uses.items():
        for call in calls:
            with pytest.raises(
                (InvalidParamError, ModelLoadError), match=f"^{stage}: .*newer version of mmlrs.*update mmlrs"
            ):
                call()


def test_a_network_file_gives_initial_weights(tmp_path):
    model = network(maxIter=3).fit(classes())
    path = tmp_path / "network.safetensors"
    path.write_bytes(model.getNetwork().read())
    first, second = (network(maxIter=1, initialWeights=w).fit(classes()) for w in (model, str(path)))
    assert is_same(first, second)


@pytest.mark.spark
def test_wrong_rows_on_spark_are_one_error(spark):
    with pytest.raises(MmlrsError) as raised:
        network().fit(frame(spark, with_row("label", 7.0)))
    message = r"MultilayerPerceptronClassifier: column `label`, row \d+ of the batch: is 7, but param `layers` says .* drops such rows"
    assert re.fullmatch(message, str(raised.value))


@pytest.mark.spark
def test_a_null_vector_on_spark_is_an_error_or_is_left_out(spark):
    """Spark's own conversion of vectors fails on a null."""
    from pyspark.ml.linalg import Vectors, VectorUDT

    rows = [(None if at == 5 else Vectors.dense(row), float(label)) for at, (row, label) in enumerate(PAIRS)]
    schema = StructType([StructField("features", VectorUDT()), StructField("label", DoubleType())])
    vectors = spark.createDataFrame(rows, schema)
    with pytest.raises(DecodeError, match=r"Classifier: column `features`, row \d+ of the batch: is null"):
        network(maxIter=2).fit(vectors)
    with pytest.warns(UserWarning, match="trains without 1 of 120 rows"):
        model = network(maxIter=2, handleInvalid="skip").fit(vectors)
    assert model.transform(vectors).count() == 119


@pytest.mark.spark
def test_workers_without_rows_are_fine_and_too_many_are_an_error(spark):
    few = classes(1)
    model = network(maxIter=2).fit(frame(spark, few))
    np.testing.assert_allclose(model.weights, network(maxIter=2).fit(few).weights, rtol=1e-4, atol=1e-6)
    with pytest.raises(
        InvalidParamError, match=r"Classifier: param `numWorkers` is 3, .* can run 2; reduce `numWorkers`"
    ):
        network(numWorkers=3).fit(frame(spark, few))
    with pytest.raises(DecodeError, match="Classifier: the dataset has no rows"):
        network().fit(frame(spark, few).limit(0))
