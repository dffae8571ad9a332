"""Boosters of LightGBM and XGBoost predict the same when compiled."""

import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from fitted import assert_same, columns_of, compiled, one_thread, original  # noqa: F401 - used by all tests
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmlrs.compiled import from_estimator
from mmlrs.errors import InvalidParamError, MmlrsError, ModelLoadError

pytestmark = [
    # XGBoost hands its warnings about devices and params to Python.
    pytest.mark.filterwarnings("ignore::UserWarning:xgboost"),
    pytest.mark.filterwarnings("ignore::UserWarning:lightgbm"),
]
#: XGBoost computes in single precision.
SINGLE = 1e-6


def table(rows=200, seed=0):
    """Return numbers with zeros and missing values, and categories of strings and of numbers."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": np.where(random.random(rows) < 0.3, 0.0, np.round(random.normal(size=rows), 2)),
            "y": np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows)),
            "city": pd.Categorical(random.choice(list("abcdefg"), rows)),
            "size": pd.Categorical(random.choice([3, 5, 9], rows)),
        }
    )
    frame.loc[::11, "city"] = None
    score = (
        frame["x"] + frame["y"].fillna(-1) + frame["city"].isin(["b", "e"]) + random.normal(size=rows) * 0.2
    )
    return frame, score.to_numpy()


def classes(score, count):
    return np.digitize(score, np.quantile(score, np.arange(1, count) / count))


LIGHT = {
    "n_estimators": 6,
    "num_leaves": 7,
    "min_child_samples": 4,
    "verbose": -1,
    "n_jobs": 1,
    "min_data_per_group": 5,
}


@pytest.mark.parametrize(
    "objective",
    [
        "regression",
        "regression_l1",
        "huber",
        "fair",
        "poisson",
        "quantile",
        "mape",
        "gamma",
        "tweedie",
        "cross_entropy",
        "cross_entropy_lambda",
    ],
)
def test_lightgbm_regresses_with_every_objective(objective):
    X, score = table()
    y = 1 / (1 + np.exp(-score)) if objective.startswith("cross") else np.exp(score / 2)
    fitted = lgb.LGBMRegressor(objective=objective, **LIGHT).fit(
        X, y, sample_weight=np.linspace(0.5, 2, len(y))
    )
    assert_same(fitted, X)
    np.testing.assert_allclose(
        columns_of(compiled(fitted.booster_), X)["prediction"], fitted.predict(X), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"reg_sqrt": True},
        {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
        {"boosting_type": "dart", "drop_rate": 0.5},
        {"zero_as_missing": True},
        {"use_missing": False},
    ],
    ids=str,
)
def test_lightgbm_regresses_with_every_booster_and_kind_of_missing_value(params):
    X, score = table()
    fitted = lgb.LGBMRegressor(**LIGHT, **params).fit(X, np.exp(score))
    assert_same(fitted, X)
    other, _ = table(seed=1)
    assert_same(fitted, other.assign(x=np.where(other["y"] > 0, np.nan, other["x"]), y=0.0))


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    "params",
    [{}, {"objective": "multiclassova"}, {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}],
    ids=str,
)
def test_lightgbm_classifies(params, count):
    if count == 2:
        params = {**params, "objective": "binary"}
    X, score = table()
    y = np.array(["low", "middle", "high"])[classes(score, count)]
    model = assert_same(lgb.LGBMClassifier(**LIGHT, **params).fit(X, y), X)
    assert model.getLabels() == sorted(set(y))


def test_lightgbm_classifies_with_another_sigmoid():
    X, score = table()
    for count, params in ((2, {"objective": "binary"}), (3, {"objective": "multiclassova"})):
        fitted = lgb.LGBMClassifier(**LIGHT, sigmoid=2.5, **params).fit(X, classes(score, count))
        assert_same(fitted, X)


def test_lightgbm_ranks():
    X, score = table()
    y = classes(score, 4)
    for objective in ("lambdarank", "rank_xendcg"):
        assert_same(lgb.LGBMRanker(objective=objective, **LIGHT).fit(X, y, group=[100, 100]), X)


def test_lightgbm_predicts_with_its_best_round_and_unknown_categories_are_missing():
    X, score = table()
    y, other = classes(score, 2), table(seed=5)
    fitted = lgb.LGBMClassifier(**{**LIGHT, "n_estimators": 60, "learning_rate": 0.9}).fit(
        X, y, eval_X=other[0], eval_y=classes(other[1], 2), callbacks=[lgb.early_stopping(3, verbose=False)]
    )
    assert 0 < fitted.best_iteration_ < 55
    odd = X.assign(city=X["city"].astype(object).where(X["x"] < 0.5, "zz").astype("category"))
    assert_same(fitted, odd)


def test_lightgbm_boosters_know_numbers_only():
    X, score = table()
    y = classes(score, 2)
    booster = lgb.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lgb.Dataset(X, y), 4)
    added = columns_of(compiled(booster), X)
    assert list(added) == ["probability", "prediction"]
    np.testing.assert_allclose(added["probability"][:, 1], booster.predict(X), rtol=1e-12)
    assert (added["prediction"] == (booster.predict(X) > 0.5)).all()


def test_lightgbm_on_a_matrix_reads_vectors_and_numbered_categories():
    random = np.random.default_rng(0)
    X = np.column_stack([random.integers(0, 90, 300), random.normal(size=300)]).astype(float)
    y = np.isin(X[:, 0], [3, 40, 77]) + 0.1 * X[:, 1]
    fitted = lgb.LGBMRegressor(**LIGHT).fit(X, y, categorical_feature=[0])
    assert_same(fitted, np.concatenate([X, [[-3.0, 0], [200, 1], [np.nan, np.nan], [3.7, 2], [-0.5, 1]]]))


def test_lightgbm_in_a_pipeline_and_with_constant_targets():
    X, score = table()
    numbers = X[["x", "y"]]
    assert_same(
        make_pipeline(StandardScaler(), lgb.LGBMClassifier(**LIGHT)).fit(numbers, classes(score, 2)), numbers
    )
    assert_same(lgb.LGBMRegressor(**LIGHT).fit(numbers, np.full(len(X), 2.5)), numbers)


def test_boosters_on_a_matrix_read_vectors_in_pipelines_and_searches_too():
    X, y = table()[0][["x", "y"]].to_numpy(), classes(table()[1], 2)
    for learner, tolerance in (
        (lgb.LGBMClassifier(**LIGHT), 1e-9),
        (xgb.XGBClassifier(n_estimators=3, n_jobs=1), SINGLE),
    ):
        assert_same(make_pipeline(learner).fit(X, y), X, rtol=tolerance)
        assert_same(GridSearchCV(learner, {"max_depth": [2, 3]}, cv=2).fit(X, y), X, rtol=tolerance)


def test_levels_of_categories_may_be_booleans_and_fractions():
    random = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "b": pd.Categorical(random.random(200) < 0.4),
            "f": pd.Categorical(random.choice([0.5, 1.5, -2.0], 200)),
        }
    )
    y = X["b"].astype(bool) + 2 * (X["f"] == 0.5)
    assert_same(lgb.LGBMRegressor(**LIGHT).fit(X, y), X)


def test_a_text_file_of_lightgbm_is_compiled_without_the_library(tmp_path):
    X, score = table()
    fitted = lgb.LGBMRegressor(**LIGHT).fit(X, score)
    path = tmp_path / "model.txt"
    fitted.booster_.save_model(path)
    np.testing.assert_allclose(columns_of(compiled(path), X)["prediction"], fitted.predict(X), rtol=1e-9)


def test_damaged_and_unknown_dumps_of_lightgbm_are_errors(tmp_path):
    X, score = table(60)
    text = lgb.LGBMRegressor(**LIGHT).fit(X, score).booster_.model_to_string()
    damaged = {
        "version=v4": "version=v9",
        "num_tree_per_iteration=1": "",
        "end of trees": "",
        "objective=regression": "objective=mine",
        "leaf_value=": "leaf_value=a ",
        "left_child=": "left_child=99 ",
        "is_linear=0": "is_linear=1",
        "decision_type=": "decisions=",
    }
    path = tmp_path / "model.txt"
    for old, new in damaged.items():
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(MmlrsError):
            from_estimator(path).transform(X)
    path.write_text(text.replace("version=v4", "version=v9"))
    with pytest.raises(ModelLoadError, match="version 'v9'; mmlrs knows v3 and v4"):
        from_estimator(path)
    path.write_text(text.replace("is_linear=0", "is_linear=1"))
    with pytest.raises(
        InvalidParamError, match="its leaves are linear models; train it without `linear_tree`"
    ):
        from_estimator(path)


GRADIENT = {"n_estimators": 8, "max_depth": 4, "n_jobs": 1, "enable_categorical": True, "tree_method": "hist"}


def margins_equal(fitted, X):
    """Check that the sums of trees are those of XGBoost to the last bit."""
    booster = fitted if isinstance(fitted, xgb.Booster) else fitted.get_booster()
    if isinstance(fitted, xgb.Booster):
        margins = booster.predict(xgb.DMatrix(X, enable_categorical=True), output_margin=True)
    else:
        margins = original(lambda rows: fitted.predict(rows, output_margin=True), X)
    raw = columns_of(compiled(fitted, rawPredictionCol="raw"), X)["raw"]
    mine = raw[:, 1] if margins.ndim == 1 else raw
    np.testing.assert_array_equal(mine, margins.astype(float))


@pytest.mark.parametrize(
    "objective",
    [
        "reg:squarederror",
        "reg:logistic",
        "reg:squaredlogerror",
        "reg:pseudohubererror",
        "reg:absoluteerror",
        "reg:quantileerror",
        "reg:gamma",
        "reg:tweedie",
        "count:poisson",
        "survival:cox",
    ],
)
def test_xgboost_regresses_with_every_objective(objective):
    X, score = table()
    y = 1 / (1 + np.exp(-score)) if objective == "reg:logistic" else np.exp(score / 2)
    alpha = {"quantile_alpha": 0.3} if objective == "reg:quantileerror" else {}
    fitted = xgb.XGBRegressor(objective=objective, **GRADIENT, **alpha).fit(X, y)
    assert_same(fitted, X, rtol=SINGLE)
    if objective in ("reg:squarederror", "reg:absoluteerror", "reg:quantileerror"):
        np.testing.assert_array_equal(
            columns_of(compiled(fitted), X)["prediction"], fitted.predict(X).astype(float)
        )


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"booster": "dart", "rate_drop": 0.4},
        {"num_parallel_tree": 3, "subsample": 0.6, "random_state": 1},
        {"max_cat_to_onehot": 1, "base_score": 0.3},
        {"objective": "binary:logitraw"},
        {"objective": "binary:hinge"},
        {"objective": "multi:softmax"},
    ],
    ids=str,
)
def test_xgboost_classifies(params, count):
    X, score = table()
    if params.get("objective", "").startswith("multi" if count == 2 else "binary"):
        params = {}
    fitted = xgb.XGBClassifier(**GRADIENT, **params).fit(X, classes(score, count))
    assert_same(fitted, X, rtol=SINGLE)
    margins_equal(fitted, X)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 9999), missing=st.sampled_from([np.nan, 0.0, -1.0]))
def test_xgboost_compares_in_single_precision(seed, missing):
    random = np.random.default_rng(seed)
    X = np.round(random.normal(size=(100, 3)), 1)
    y = classes(X[:, 0] + random.normal(size=100), 2)
    fitted = xgb.XGBClassifier(n_estimators=4, n_jobs=1, missing=missing).fit(X, y)
    trees = json.loads(fitted.get_booster().save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    edges = np.concatenate([tree["split_conditions"] for tree in trees] + [[0.0, np.nan, -1.0]])
    rows = random.choice(np.concatenate([edges, np.nextafter(edges, 9), np.float32(edges)]), size=(150, 3))
    assert_same(fitted, rows, rtol=SINGLE)
    margins_equal(fitted, rows)


@pytest.mark.parametrize("objective", ["rank:pairwise", "rank:ndcg"])
def test_xgboost_ranks(objective):
    X, score = table()
    fitted = xgb.XGBRanker(objective=objective, **GRADIENT).fit(X, classes(score, 4), group=[100, 100])
    assert_same(fitted, X, rtol=SINGLE)


def test_xgboost_has_linear_boosters():
    X, score = table()
    numbers = X[["x", "y"]]
    for learner, y in (
        (xgb.XGBRegressor, score),
        (xgb.XGBClassifier, classes(score, 2)),
        (xgb.XGBClassifier, classes(score, 3)),
    ):
        assert_same(
            learner(booster="gblinear", n_estimators=5, n_jobs=1).fit(numbers, y), numbers, rtol=SINGLE
        )


def test_xgboost_forests_and_boosters_predict_the_same():
    X, score = table()
    assert_same(xgb.XGBRFRegressor(**{**GRADIENT, "n_estimators": 5}).fit(X, score), X, rtol=SINGLE)
    data = xgb.DMatrix(X, classes(score, 2), enable_categorical=True)
    booster = xgb.train({"objective": "binary:logistic", "nthread": 1}, data, 5)
    margins_equal(booster, X)
    lifetimes = xgb.DMatrix(X, enable_categorical=True)
    lifetimes.set_float_info("label_lower_bound", np.exp(score))
    lifetimes.set_float_info("label_upper_bound", np.exp(score) * 2)
    booster = xgb.train({"objective": "survival:aft", "nthread": 1}, lifetimes, 5)
    expected = booster.predict(lifetimes)
    np.testing.assert_allclose(columns_of(compiled(booster), X)["prediction"], expected, rtol=SINGLE)


def test_xgboost_predicts_with_its_best_round():
    X, score = table()
    y, other = classes(score, 2), table(seed=5)
    fitted = xgb.XGBClassifier(
        **{**GRADIENT, "n_estimators": 60}, learning_rate=0.9, early_stopping_rounds=3
    ).fit(X, y, eval_set=[(other[0], classes(other[1], 2))], verbose=False)
    assert fitted.best_iteration < 55
    margins_equal(fitted, X)


def test_unknown_categories_are_errors_as_in_xgboost():
    X, score = table()
    model = compiled(xgb.XGBRegressor(**GRADIENT).fit(X, score))
    odd = X.assign(city="zz")
    with pytest.raises(MmlrsError, match=r'XGBRegressor.*city.*"zz", which did not occur in the fit'):
        model.transform(odd)


def test_a_json_file_of_xgboost_is_compiled_and_damage_is_named(tmp_path):
    X, score = table()
    fitted = xgb.XGBRegressor(**GRADIENT).fit(X, score)
    path = tmp_path / "model.json"
    fitted.save_model(path)
    np.testing.assert_array_equal(
        columns_of(compiled(path), X)["prediction"], fitted.predict(X).astype(float)
    )
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"version": [9, 0, 0]}))
    with pytest.raises(ModelLoadError, match=r"version 9\.0\.0; mmlrs knows versions 1 to 3"):
        from_estimator(path)
    path.write_text(json.dumps({"version": [3, 0, 0]}))
    with pytest.raises(ModelLoadError, match="damaged"):
        from_estimator(path)
    document["learner"]["objective"]["name"] = "mine"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidParamError, match="does not know its objective 'mine'"):
        from_estimator(path)
    path.write_text("hello")
    with pytest.raises(ModelLoadError, match="neither a text dump of LightGBM nor a JSON model of XGBoost"):
        from_estimator(path)


def test_leaves_with_vectors_and_several_outputs_are_refused():
    X, score = table()
    y = np.column_stack([score, -score])
    numbers = X[["x", "y"]]
    for strategy in ("multi_output_tree", "one_output_per_tree"):
        fitted = xgb.XGBRegressor(n_estimators=2, n_jobs=1, multi_strategy=strategy).fit(numbers, y)
        with pytest.raises(InvalidParamError, match="XGBRegressor cannot be compiled"):
            from_estimator(fitted)
