"""Predictors of scikit-learn predict the same when compiled."""

import numpy as np
import pytest
from fitted import assert_same, one_thread  # noqa: F401 - used by all tests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import (
    cluster,
    discriminant_analysis,
    ensemble,
    isotonic,
    linear_model,
    naive_bayes,
    neural_network,
    svm,
    tree,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(classes=0, rows=160, features=5, seed=0, missing=0.0):
    """Return a random matrix with a target: numbers, or the labels of so many classes."""
    random = np.random.default_rng(seed)
    X = np.round(random.normal(size=(rows, features)), 2)
    score = X[:, 0] - 0.5 * X[:, 1] ** 2 + random.normal(size=rows) * 0.4
    if missing:
        X[random.random(X.shape) < missing] = np.nan
    if not classes:
        return X, score
    return X, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))


REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.LinearRegression(fit_intercept=False),
    linear_model.Ridge(),
    linear_model.RidgeCV(),
    linear_model.Lasso(alpha=0.1),
    linear_model.LassoCV(cv=3),
    linear_model.LassoLars(alpha=0.01),
    linear_model.ElasticNet(alpha=0.1),
    linear_model.ElasticNetCV(cv=3),
    linear_model.BayesianRidge(),
    linear_model.HuberRegressor(max_iter=500),
    linear_model.SGDRegressor(random_state=0),
    linear_model.OrthogonalMatchingPursuit(),
    linear_model.RANSACRegressor(random_state=0),
    svm.LinearSVR(random_state=0),
    neural_network.MLPRegressor(hidden_layer_sizes=(4, 3), activation="tanh", max_iter=20, random_state=0),
]


@pytest.mark.parametrize("estimator", REGRESSORS, ids=str)
def test_linear_regressors_and_perceptrons_predict_the_same(estimator):
    X, y = data()
    assert_same(estimator.fit(X, y), X)


@pytest.mark.parametrize(
    "estimator",
    [
        linear_model.PoissonRegressor(),
        linear_model.GammaRegressor(),
        linear_model.TweedieRegressor(power=1.5),
        linear_model.TweedieRegressor(power=0),
        linear_model.TweedieRegressor(power=0, link="log"),
    ],
    ids=str,
)
def test_generalized_regressors_have_their_link(estimator):
    X, y = data()
    assert_same(estimator.fit(X, np.exp(y / 2)), X)


CLASSIFIERS = [
    linear_model.LogisticRegression(),
    linear_model.LogisticRegressionCV(cv=2, use_legacy_attributes=False, scoring="accuracy", l1_ratios=(0,)),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(loss="hinge", random_state=0),
    linear_model.RidgeClassifier(),
    linear_model.Perceptron(random_state=0),
    svm.LinearSVC(random_state=0),
    discriminant_analysis.LinearDiscriminantAnalysis(),
    naive_bayes.GaussianNB(),
    naive_bayes.BernoulliNB(binarize=0.1),
    neural_network.MLPClassifier((4,), activation="relu", max_iter=20, random_state=0),
    neural_network.MLPClassifier((3, 2), activation="logistic", max_iter=20, random_state=0),
    tree.DecisionTreeClassifier(max_depth=4, random_state=0),
    tree.ExtraTreeClassifier(random_state=0),
    ensemble.RandomForestClassifier(12, random_state=0),
    ensemble.ExtraTreesClassifier(12, class_weight="balanced", random_state=0),
    ensemble.GradientBoostingClassifier(n_estimators=8, subsample=0.8, random_state=0),
    ensemble.GradientBoostingClassifier(n_estimators=4, init="zero", random_state=0),
    ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=0),
]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=str)
def test_classifiers_predict_the_same(estimator, classes):
    X, y = data(classes)
    labels = np.array(["low", "middle", "high"])[y] if classes == 3 else y * 2 + 1
    assert_same(estimator.fit(X, labels), X)


def test_boosting_with_the_exponential_loss_has_its_probabilities():
    X, y = data(2)
    assert_same(ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=5).fit(X, y), X)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "estimator", [naive_bayes.MultinomialNB(), naive_bayes.ComplementNB(), naive_bayes.BernoulliNB()], ids=str
)
def test_naive_bayes_of_counts_predicts_the_same(estimator, classes):
    X, y = data(classes)
    counts = np.floor(np.abs(X) * 3)
    assert_same(estimator.fit(counts, y), counts)


@pytest.mark.parametrize(
    "estimator",
    [
        tree.DecisionTreeRegressor(max_depth=5, random_state=0),
        tree.ExtraTreeRegressor(random_state=0),
        ensemble.RandomForestRegressor(10, random_state=0),
        ensemble.ExtraTreesRegressor(10, random_state=0),
        ensemble.GradientBoostingRegressor(n_estimators=10, loss="huber", random_state=0),
        ensemble.GradientBoostingRegressor(n_estimators=5, loss="quantile", random_state=0),
        ensemble.HistGradientBoostingRegressor(max_iter=10),
        ensemble.HistGradientBoostingRegressor(max_iter=10, loss="absolute_error"),
        ensemble.HistGradientBoostingRegressor(max_iter=10, loss="poisson"),
        ensemble.HistGradientBoostingRegressor(max_iter=10, loss="gamma"),
        ensemble.HistGradientBoostingRegressor(max_iter=10, loss="quantile", quantile=0.7),
    ],
    ids=str,
)
def test_trees_regress_the_same(estimator):
    X, y = data()
    y = np.exp(y / 2)
    assert_same(estimator.fit(X, y, sample_weight=np.linspace(0.5, 2, len(y))), X)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.1, 0.5]), depth=st.integers(1, 6))
def test_missing_values_and_thresholds_go_the_same_way(seed, missing, depth):
    X, y = data(3, rows=60, features=3, seed=seed, missing=missing)
    # Values at the thresholds, beside them in single and in double precision, and missing ones.
    fitted = tree.DecisionTreeClassifier(max_depth=depth, random_state=0).fit(X, y)
    # A split between missing values and all others has an infinite threshold.
    thresholds = fitted.tree_.threshold[(fitted.tree_.feature >= 0) & np.isfinite(fitted.tree_.threshold)]
    edges = np.concatenate([thresholds, np.nextafter(thresholds, 9), np.float32(thresholds), [0.0, np.nan]])
    rows = np.random.default_rng(seed).choice(edges, size=(80, 3))
    assert_same(fitted, rows)
    assert_same(ensemble.RandomForestRegressor(4, max_depth=depth, random_state=seed).fit(X, y), rows)
    boosted = ensemble.HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=3).fit(X, y)
    assert_same(boosted, rows)


def test_clusters_are_those_of_the_original():
    X, _ = data()
    for estimator in (
        cluster.KMeans(4, n_init=1, random_state=0),
        cluster.MiniBatchKMeans(3, n_init=1, random_state=0),
    ):
        assert_same(estimator.fit(X), X)


@pytest.mark.parametrize("outside", ["clip", "nan"])
def test_isotonic_regression_interpolates(outside):
    X, y = data(rows=50)
    x = X[:, :1]
    fitted = isotonic.IsotonicRegression(out_of_bounds=outside).fit(x, y)
    assert_same(fitted, np.concatenate([x, [[-9.0], [9.0]], x + 0.003]))


def test_a_search_is_its_best_estimator():
    from sklearn.model_selection import GridSearchCV

    X, y = data(2)
    search = GridSearchCV(linear_model.LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    assert_same(search, X)
