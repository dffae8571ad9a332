"""`from_estimator`: what it refuses, and models in use."""

import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fitted import columns_of, compiled, one_thread  # noqa: F401 - used by all tests
from sklearn import linear_model, preprocessing
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.pipeline import make_pipeline

import mmlrs
from mmlrs.compiled import CompiledModel, from_estimator
from mmlrs.errors import ColumnNotFoundError, InvalidParamError, IoError, MmlrsError

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.5, 0.1, 0.7, 0.2], "c": ["x", "y", "x", "z"]})
NUMBERS, LABELS = FRAME[["a", "b"]], ["no", "no", "yes", "yes"]


def logistic():
    return linear_model.LogisticRegression().fit(NUMBERS, LABELS)


REFUSED = {
    "an unknown step": (
        lambda: make_pipeline(
            preprocessing.StandardScaler(),
            preprocessing.QuantileTransformer(n_quantiles=2),
            linear_model.Lasso(),
        ).fit(NUMBERS, [1, 2, 3, 4]),
        "step 2, `quantiletransformer`, of the Pipeline: QuantileTransformer cannot be compiled",
    ),
    "texts": (
        lambda: make_pipeline(
            ColumnTransformer([("t", CountVectorizer(token_pattern=".+"), "c")]),
            linear_model.LogisticRegression(),
        ).fit(FRAME, LABELS),
        "transformer `t` of the step 1, `columntransformer`, of the Pipeline: ColumnTransformer: CountVectorizer",
    ),
    "a function": (
        lambda: make_pipeline(preprocessing.FunctionTransformer(np.log1p), linear_model.Lasso()).fit(
            NUMBERS, [1, 2, 3, 4]
        ),
        "it runs a Python function",
    ),
    "several outputs": (
        lambda: linear_model.LinearRegression().fit(NUMBERS, [[1, 2]] * 4),
        "LinearRegression cannot be compiled: it predicts 2 outputs",
    ),
    "a forest of several outputs": (
        lambda: RandomForestRegressor(2).fit(NUMBERS, [[1, 2]] * 4),
        "it predicts 2 outputs",
    ),
    "another predictor": (
        lambda: IsolationForest(n_estimators=2).fit(NUMBERS),
        "IsolationForest cannot be compiled",
    ),
    "an initial estimator": (
        lambda: GradientBoostingRegressor(init=linear_model.LinearRegression(), n_estimators=2).fit(
            NUMBERS, [1, 2, 3, 4]
        ),
        "its initial estimator LinearRegression is not a constant",
    ),
    "probabilities without a kernel": (
        lambda: linear_model.SGDClassifier(loss="modified_huber").fit(NUMBERS, LABELS),
        "set `probabilityCol=None`",
    ),
    "None and NaN": (
        lambda: preprocessing.OneHotEncoder().fit(np.array([["a"], [None], [np.nan]], dtype=object)),
        "None and NaN are two categories",
    ),
    "strings in vectors": (
        lambda: preprocessing.OneHotEncoder().fit(np.array([["a"], ["b"]])),
        "name the columns with `inputCols`",
    ),
    "a strict isotonic regression": (
        lambda: IsotonicRegression(out_of_bounds="raise").fit([1, 2, 3], [1, 2, 3]),
        "it raises errors outside its bounds",
    ),
    "an estimator that is not fitted": (
        linear_model.LogisticRegression,
        "LogisticRegression cannot be compiled: it is not fitted",
    ),
    "a pipeline that is not fitted": (
        lambda: make_pipeline(preprocessing.StandardScaler(), linear_model.Lasso()),
        "it is not fitted",
    ),
    "no estimator": (lambda: {"a": 1}, "must be a fitted estimator of scikit-learn, LightGBM or XGBoost"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compiled_is_named(make, message):
    with pytest.raises(InvalidParamError, match=r"^from_estimator: ") as caught:
        from_estimator(make())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"inputCols": ["a"]}, "must name the 2 features of the fit, got 1"),
        ({"inputCols": "ab"}, "must be a list of column names"),
        ({"inputCols": ["a", "b"], "featuresCol": "v"}, "set `inputCols` or `featuresCol`, not both"),
        ({"predictionCol": ""}, "param `predictionCol` must be the name of a column"),
        ({"predictionCol": "a"}, "'a' is a column that the model reads"),
        ({"predictionCol": "p", "probabilityCol": "p"}, "'p' is given twice"),
    ],
    ids=str,
)
def test_names_that_do_not_fit_are_refused(params, message):
    with pytest.raises(InvalidParamError, match=r"^from_estimator: ") as caught:
        from_estimator(logistic(), **params)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(IoError, match="cannot read"):
        from_estimator(tmp_path / "none.txt")


def test_one_row_is_answered_with_the_names_of_the_classes():
    fitted = logistic()
    answer = from_estimator(fitted).predict_one({"a": 4.0, "b": 0.2, "more": "ignored"})
    assert answer["predictedLabel"] == "yes"
    assert answer["prediction"] == 1.0
    assert list(answer["probabilities"]) == ["no", "yes"]
    np.testing.assert_allclose(
        list(answer["probabilities"].values()), fitted.predict_proba(NUMBERS)[3], rtol=1e-12
    )


def test_the_answer_of_a_function_is_the_label_or_the_prediction():
    assert from_estimator(logistic()).getAnswerCol() == "predictedLabel"
    few = from_estimator(logistic(), rawPredictionCol="raw", predictedLabelCol=None)
    assert few.getAnswerCol() == "prediction"


def test_only_the_wanted_columns_are_added():
    every = from_estimator(logistic(), rawPredictionCol="raw").transform(NUMBERS)
    assert list(every) == ["a", "b", "raw", "probability", "prediction", "predictedLabel"]
    few = from_estimator(logistic(), probabilityCol=None, predictedLabelCol=None).transform(NUMBERS)
    assert list(few) == ["a", "b", "prediction"]
    huber = linear_model.SGDClassifier(loss="modified_huber").fit(NUMBERS, LABELS)
    assert list(from_estimator(huber, probabilityCol=None).transform(FRAME))[3:] == [
        "prediction",
        "predictedLabel",
    ]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([3, 3, 7, 7], pa.int64()),
        ([1.0, 1.0, 2.0, 2.0], pa.float64()),
        ([True, True, False, False], pa.bool_()),
    ],
    ids=str,
)
def test_labels_keep_their_type(labels, kind):
    fitted = linear_model.LogisticRegression().fit(NUMBERS, labels)
    model = from_estimator(fitted)
    scored = model.transform(pa.Table.from_pandas(NUMBERS))
    assert scored.schema.field("predictedLabel").type == kind
    assert scored["predictedLabel"].to_pylist() == fitted.predict(NUMBERS).tolist()
    assert model.getLabels() == fitted.classes_.tolist()


def test_missing_and_infinite_numbers_are_errors_where_the_original_refuses_them():
    model = from_estimator(logistic())
    for odd, cause in (
        (np.nan, "missing value or NaN"),
        (np.inf, "needs finite numbers"),
        (None, "missing value"),
    ):
        rows = pa.table({"a": pa.array([1.0, odd]), "b": [0.0, 0.0]})
        with pytest.raises(
            MmlrsError, match=rf"LogisticRegression.*row 1.*`?b?a`?.*{cause}|LogisticRegression.*{cause}"
        ):
            model.transform(rows)
    forest = from_estimator(RandomForestRegressor(2, random_state=0).fit(NUMBERS, [1, 2, 3, 4]))
    with pytest.raises(MmlrsError, match="too large for single precision"):
        forest.transform(NUMBERS.assign(a=1e39))
    assert forest.transform(NUMBERS.assign(a=np.nan))["prediction"].notna().all()


def test_other_columns_and_types_are_errors():
    model = from_estimator(logistic())
    with pytest.raises(ColumnNotFoundError, match="a"):
        model.transform(FRAME[["b"]])
    with pytest.raises(MmlrsError, match="expected numbers"):
        model.transform(FRAME.assign(a="x"))
    encoded = from_estimator(preprocessing.OneHotEncoder().fit(FRAME[["c"]]))
    with pytest.raises(MmlrsError, match="the stage was fitted on strings"):
        encoded.transform(FRAME.assign(c=1))
    with pytest.raises(MmlrsError, match=r'"q", which did not occur in the fit'):
        encoded.transform(FRAME.assign(c="q"))
    vectors = from_estimator(linear_model.LinearRegression().fit(NUMBERS.to_numpy(), [1, 2, 3, 4]))
    with pytest.raises(MmlrsError, match="vector of size 3; the fitted stage needs 2"):
        vectors.transform(pa.table({"features": [[1.0, 2.0, 3.0]]}))


def test_empty_tables_have_the_columns():
    scored = from_estimator(logistic()).transform(pa.Table.from_pandas(NUMBERS.head(0)))
    assert scored.num_rows == 0
    assert scored.column_names[-3:] == ["probability", "prediction", "predictedLabel"]


def test_strings_are_filled_also_where_a_string_stands_for_missing():
    rows = pd.DataFrame({"c": ["x", "?", "x", "z"]})
    fitted = make_pipeline(
        SimpleImputer(missing_values="?", strategy="most_frequent"),
        preprocessing.OneHotEncoder(sparse_output=False),
    ).fit(rows)
    np.testing.assert_array_equal(columns_of(compiled(fitted), rows)["transformed"], fitted.transform(rows))


_FRESH = """
    import sys

    class Refusing:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in ("sklearn", "lightgbm", "xgboost", "pandas", "pyspark", "scipy"):
                raise ImportError(name)

    sys.meta_path.insert(0, Refusing())
    import pyarrow as pa
    from mmlrs.compiled import CompiledModel

    for folder, column in (("linear", "predictedLabel"), ("trees", "prediction")):
        model = CompiledModel.load(sys.argv[1] + "/" + folder)
        table = model.transform(pa.table({"a": [1.0, 4.0], "b": [0.5, 0.2]}))
        print(table[column].to_pylist())
"""


def test_a_process_without_the_library_scores_a_saved_model(tmp_path):
    fitted = make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()).fit(
        NUMBERS, LABELS
    )
    forest = HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=1).fit(NUMBERS, LABELS)
    from_estimator(fitted).save(tmp_path / "linear")
    from_estimator(forest).save(tmp_path / "trees")
    command = [sys.executable, "-c", textwrap.dedent(_FRESH), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    classes = forest.predict(NUMBERS.iloc[[0, 3]]) == "yes"
    assert done.stdout.splitlines() == ["['no', 'yes']", str(classes.astype(float).tolist())]


@pytest.mark.spark
def test_spark_scores_like_a_table(spark, tmp_path):
    fitted = make_pipeline(
        ColumnTransformer(
            [("c", preprocessing.OneHotEncoder(), ["c"]), ("n", preprocessing.StandardScaler(), ["a", "b"])]
        ),
        linear_model.LogisticRegression(),
    ).fit(FRAME, LABELS)
    model = from_estimator(fitted)
    model.save(tmp_path / "model")
    rows = CompiledModel.load(tmp_path / "model").transform(spark.createDataFrame(FRAME)).collect()
    assert [row["predictedLabel"] for row in rows] == fitted.predict(FRAME).tolist()
    probabilities = np.array([row["probability"].toArray() for row in rows])
    np.testing.assert_allclose(probabilities, fitted.predict_proba(FRAME), rtol=0, atol=1e-9)


def test_labels_and_categories_are_exact_or_refused() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OrdinalEncoder

    rows = np.array([[0.0], [1.0], [2.0], [3.0]])
    labels = np.array([2**60 + 1, 2**60 + 1, 2**60 + 3, 2**60 + 3])
    model = mmlrs.from_estimator(LogisticRegression().fit(rows, labels))
    assert (
        model.transform(pa.table({"features": rows.tolist()}))["predictedLabel"].to_pylist()
        == labels.tolist()
    )
    assert set(model.predict_one({"features": [0.0]})["probabilities"]) == {2**60 + 1, 2**60 + 3}
    with pytest.raises(InvalidParamError, match="beyond 64-bit integers"):
        mmlrs.from_estimator(LogisticRegression().fit(rows, labels.astype(np.uint64) + 2**63))
    ids = pd.DataFrame({"id": [10**17 + 1, 10**17 + 3, 7]})
    with pytest.raises(InvalidParamError, match=r"integers beyond 9007199254740992 as categories"):
        mmlrs.from_estimator(OrdinalEncoder().fit(ids))
