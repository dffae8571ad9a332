"""Pipelines of scikit-learn transform and predict the same when compiled."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fitted import assert_same, columns_of, compiled, one_thread, original  # noqa: F401 - used by all tests
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import preprocessing as pre
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union

from mmlrs import to_numpy


def frame(rows=120, seed=0):
    """Return a random table with strings, numbers, booleans and missing values."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "city": random.choice(["Oslo", "Rome", "Bern", "Kyiv"], rows, p=[0.5, 0.3, 0.15, 0.05]).astype(
                object
            ),
            "age": np.round(random.normal(40, 12, rows), 1),
            "rooms": random.integers(1, 6, rows),
            "price": np.round(np.exp(random.normal(size=rows)), 2),
            "new": random.random(rows) < 0.4,
        }
    )
    table.loc[random.random(rows) < 0.15, "age"] = np.nan
    table.loc[random.random(rows) < 0.1, "city"] = np.nan
    score = table["price"] + (table["city"] == "Rome") + random.normal(size=rows) * 0.3
    return table, np.where(score > 1.4, "dear", "cheap")


def matrix(rows=60, features=4, seed=0):
    return np.round(np.random.default_rng(seed).normal(size=(rows, features)), 2)


def assert_transforms_same(transformer, rows):
    """Compare a compiled transformer with its original, on rows that it was fitted to and on others."""
    model = compiled(transformer)
    expected = original(
        lambda X: getattr(transformer.transform(X), "toarray", lambda: transformer.transform(X))(), rows
    )
    np.testing.assert_allclose(
        columns_of(model, rows)["transformed"], expected.astype(float), rtol=1e-12, atol=1e-12
    )


SCALERS = [
    pre.StandardScaler(),
    pre.StandardScaler(with_mean=False),
    pre.StandardScaler(with_std=False),
    pre.MinMaxScaler((-1, 2)),
    pre.MinMaxScaler(clip=True),
    pre.MaxAbsScaler(),
    pre.RobustScaler(),
    pre.RobustScaler(with_centering=False, unit_variance=True),
    pre.Binarizer(threshold=0.2),
    pre.Normalizer("l1"),
    pre.Normalizer("l2"),
    pre.Normalizer("max"),
    pre.PolynomialFeatures(3),
    pre.PolynomialFeatures((2, 3), interaction_only=True, include_bias=False),
    pre.KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
    pre.KBinsDiscretizer(3, encode="onehot", strategy="uniform"),
    pre.OneHotEncoder(handle_unknown="ignore"),
    pre.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    PCA(2),
    PCA(3, whiten=True),
    TruncatedSVD(2, random_state=0),
    VarianceThreshold(0.3),
    SimpleImputer(strategy="median"),
    SimpleImputer(missing_values=0.5, strategy="mean"),
    FeatureUnion([("a", pre.StandardScaler()), ("b", PCA(2))], transformer_weights={"b": 3.0}),
    make_pipeline(pre.StandardScaler(), pre.PolynomialFeatures(2), "passthrough", pre.MaxAbsScaler()),
]


@pytest.mark.parametrize("transformer", SCALERS, ids=str)
def test_transformers_of_numbers_transform_the_same(transformer):
    X = matrix()
    X[:7, 0], X[3] = 0.5, 0.0
    transformer.fit(X, np.arange(len(X)))
    assert_transforms_same(transformer, np.concatenate([X, 3 * matrix(seed=1)]))


@pytest.mark.parametrize(
    "scaler", [pre.StandardScaler(), pre.MinMaxScaler(clip=True), pre.RobustScaler()], ids=str
)
def test_scalers_pass_missing_values_on(scaler):
    X = matrix()
    X[::5, 1] = np.nan
    assert_transforms_same(scaler.fit(X), X)


def test_selected_features_keep_their_order():
    X = matrix(features=6)
    fitted = make_pipeline(SelectKBest(f_classif, k=3), LogisticRegression()).fit(X, X[:, 4] > 0)
    assert_same(fitted, X)


ENCODERS = [
    pre.OneHotEncoder(),
    pre.OneHotEncoder(drop="first"),
    pre.OneHotEncoder(drop="if_binary"),
    pre.OneHotEncoder(min_frequency=12, handle_unknown="infrequent_if_exist"),
    pre.OneHotEncoder(max_categories=3, drop="first", handle_unknown="infrequent_if_exist"),
    pre.OneHotEncoder(min_frequency=45, drop="first", handle_unknown="infrequent_if_exist"),
    pre.OneHotEncoder(handle_unknown="ignore", drop="first"),
    pre.OneHotEncoder(handle_unknown="warn", max_categories=2),
    pre.OrdinalEncoder(),
    pre.OrdinalEncoder(encoded_missing_value=-5),
    pre.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan),
    pre.OrdinalEncoder(max_categories=3),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_encoders_of_categories_transform_the_same(encoder):
    table, _ = frame()
    columns = table[["city", "rooms", "new"]]
    encoder.fit(columns)
    assert_transforms_same(encoder, columns)
    if encoder.handle_unknown != "error":
        odd = columns.assign(city="Lima", rooms=77).head(3)
        assert_transforms_same(encoder, odd)


@pytest.mark.parametrize(
    "imputer",
    [
        SimpleImputer(),
        SimpleImputer(strategy="most_frequent"),
        SimpleImputer(strategy="constant", fill_value=-3.5),
        SimpleImputer(add_indicator=True),
        SimpleImputer(keep_empty_features=True, strategy="median", add_indicator=True),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Skipping features")
def test_missing_numbers_are_filled(imputer):
    X = matrix()
    X[::4, 0] = np.nan
    X[1::3, 2] = np.nan
    X[:, 3] = np.nan
    imputer.fit(X)
    assert_transforms_same(imputer, X)


PREPARED = {
    "names": ColumnTransformer(
        [
            ("num", make_pipeline(SimpleImputer(add_indicator=True), pre.StandardScaler()), ["age", "price"]),
            (
                "cat",
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"), pre.OneHotEncoder(handle_unknown="ignore")
                ),
                ["city"],
            ),
        ],
        remainder="passthrough",
    ),
    "weights and a slice": ColumnTransformer(
        [
            ("range", pre.MinMaxScaler(), slice("rooms", "new")),
            (
                "city",
                pre.OrdinalEncoder(encoded_missing_value=-1),
                make_column_selector(dtype_include=object),
            ),
            ("none", "drop", ["age"]),
        ],
        transformer_weights={"range": 0.5},
    ),
    "numbers and a mask": ColumnTransformer(
        [
            ("pass", "passthrough", [2, -1]),
            ("city", pre.OneHotEncoder(min_frequency=0.1), [True, False, False, False, False]),
            ("empty", pre.StandardScaler(), []),
        ],
        remainder=SimpleImputer(),
    ),
    "constant strings": make_column_transformer(
        (
            make_pipeline(
                SimpleImputer(strategy="constant", fill_value="none"), pre.OneHotEncoder(drop="first")
            ),
            ["city"],
        ),
        (
            make_union(
                SimpleImputer(),
                make_pipeline(
                    SimpleImputer(),
                    pre.KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"),
                ),
            ),
            ["age"],
        ),
    ),
}


@pytest.mark.parametrize(
    "learner", [LogisticRegression(max_iter=500), RandomForestClassifier(5, random_state=0)], ids=str
)
@pytest.mark.parametrize("prepared", PREPARED.values(), ids=PREPARED)
def test_a_table_is_prepared_and_scored_the_same(prepared, learner, tmp_path):
    table, y = frame()
    fitted = make_pipeline(prepared, learner).fit(table, y)
    model = assert_same(fitted, frame(seed=1)[0])
    model.save(tmp_path / "model")
    again = type(model).load(tmp_path / "model")
    pd.testing.assert_frame_equal(again.transform(table), model.transform(table))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 9999))
def test_random_tables_are_scored_the_same(seed):
    table, y = frame(rows=80, seed=seed)
    y[:2] = ["dear", "cheap"]
    fitted = make_pipeline(PREPARED["names"], LogisticRegression(max_iter=500)).fit(table, y)
    assert_same(fitted, frame(rows=40, seed=seed + 1)[0])


def test_histogram_boosting_reads_categories_of_pandas():
    table, y = frame(rows=300)
    table["city"] = table["city"].astype("category")
    table["rooms"] = table["rooms"].astype("category")
    for learner, target in (
        (HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=5), y),
        (HistGradientBoostingRegressor(max_iter=8, min_samples_leaf=5), (y == "dear") + table["price"]),
    ):
        fitted = learner.fit(table, target)
        assert_same(fitted, table)
        odd = frame(rows=50, seed=3)[0]
        odd["city"] = odd["city"].where(odd["price"] < 1, "Lima").astype("category")
        odd["rooms"] = odd["rooms"].where(odd["price"] < 1, 77).astype("category")
        assert_same(fitted, odd)


def test_histogram_boosting_reads_numbered_categories_in_vectors():
    random = np.random.default_rng(0)
    X = np.column_stack(
        [random.integers(0, 40, 400), random.normal(size=400), random.integers(0, 3, 400)]
    ).astype(float)
    y = np.isin(X[:, 0], [3, 5, 8, 33]) + X[:, 1] * 0.2 + (X[:, 2] == 1)
    X[::9, 0] = np.nan
    fitted = HistGradientBoostingRegressor(max_iter=10, categorical_features=[0, 2], min_samples_leaf=5).fit(
        X, y
    )
    assert_same(fitted, np.concatenate([X, [[99, 0, 0], [np.nan, np.nan, np.nan], [39, 1, 7]]]))


def test_the_columns_may_have_other_names_and_be_a_vector():
    table, _ = frame()
    X, y = table[["rooms", "price"]], table["age"].fillna(0)
    fitted = make_pipeline(pre.StandardScaler(), LinearRegression()).fit(X, y)
    expected = fitted.predict(X)
    renamed = X.set_axis(["a", "b"], axis=1).assign(other=1)
    named = compiled(fitted, inputCols=["a", "b"], predictionCol="age").transform(renamed)
    assert list(named) == ["a", "b", "other", "age"]
    np.testing.assert_allclose(named["age"], expected, rtol=1e-12)
    vectors = pa.table({"v": X.to_numpy(float).tolist()})
    table = compiled(fitted, featuresCol="v").transform(vectors)
    np.testing.assert_allclose(table["prediction"], expected, rtol=1e-12)


def test_steps_that_return_data_frames_are_followed_by_column_names():
    table, y = frame()
    first = ColumnTransformer(
        [
            ("fill", SimpleImputer(), ["age", "price"]),
            ("city", pre.OneHotEncoder(sparse_output=False), ["city"]),
        ],
        verbose_feature_names_out=False,
    )
    second = ColumnTransformer(
        [("scale", pre.StandardScaler(), ["price", "city_Rome"])], remainder="passthrough"
    )
    fitted = make_pipeline(first, second, LogisticRegression()).set_output(transform="pandas").fit(table, y)
    assert_same(fitted, table)


def test_tables_of_polars_and_sparse_vectors_are_scored_the_same():
    polars = pytest.importorskip("polars")
    table, y = frame()
    fitted = make_pipeline(PREPARED["names"], LogisticRegression(max_iter=500)).fit(table, y)
    scored = compiled(fitted).transform(polars.from_pandas(table))
    assert scored["predictedLabel"].to_list() == fitted.predict(table).tolist()
    X = np.where(matrix(features=5) > 0.4, matrix(features=5), 0.0)
    for learner in (
        LogisticRegression(),
        RandomForestClassifier(5, random_state=0),
        pre.PolynomialFeatures(2),
    ):
        learner.fit(X, X[:, 0] > 0)
        model = compiled(learner)
        name = model.getOutputCols()[0]
        sparse = [
            {"type": 0, "size": 5, "indices": np.flatnonzero(row).tolist(), "values": row[row != 0].tolist()}
            for row in X
        ]
        kind = pa.struct(
            {
                "type": pa.int8(),
                "size": pa.int32(),
                "indices": pa.list_(pa.int32()),
                "values": pa.list_(pa.float64()),
            }
        )
        vectors = pa.table({"features": pa.array(sparse, kind)})
        np.testing.assert_array_equal(to_numpy(model.transform(vectors)[name]), columns_of(model, X)[name])
