"""`CompiledModel.to_onnx` of estimators of other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from exported import check, model_of, one, vectors
from sklearn import preprocessing as pre
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

import mmlrs
from mmlrs.compiled._definition import floats, ints
from mmlrs.errors import InvalidParamError

NAN, INF = float("nan"), float("inf")
HARD = np.array([[1.0, NAN, 2], [0, -0.0, 0.5], [INF, 1e39, -3], [-1, 0.5, -INF], [2, 3, 0], [0.25, 2, 1]])
TABLE = pa.table(
    {
        "v": vectors(HARD),
        "x": HARD[:, 1],
        "city": ["Oslo", "Rome", "", "Bern", "Oslo", "Kyiv"],
    }
)


@pytest.mark.parametrize("policy", ["error", "skip", "keep"])
@pytest.mark.parametrize("accepts", [(True, True, False), (True, False, False), (False, False, False),
                                     (True, False, True), (False, True, True)])  # fmt: skip
def test_stacks_accept_the_numbers_that_the_model_accepts(policy: str, accepts: tuple[bool, ...]) -> None:
    nan, infinite, single = accepts
    parts = [
        {"kind": "numbers"},
        {"kind": "vectors", "size": 3},
        {"kind": "slots", "size": 3, "slots": ints([2, 0])},
    ]
    stack = one(
        "stack",
        ["x", "v", "v"],
        ["s"],
        handleInvalid=policy,
        parts=parts,
        nan=nan,
        infinite=infinite,
        single=single,
    )
    check(model_of(stack), TABLE)


def operation(op: str) -> dict[str, Any]:
    if op == "bin":
        return {"op": op, "borders": [floats([0, 0.5, 0.5, 2]), floats([]), floats([1.0])]}
    return {"op": op, "size": 3} if op == "single" else {"op": op, "values": floats([0.5, -2, 2])}


OPERATIONS = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "at_least",
    "at_most",
    "above",
    "erase",
    "single",
    "bin",
]


@pytest.mark.parametrize("op", OPERATIONS)
def test_operations(op: str) -> None:
    parts = [{"kind": "vectors", "size": 3}]
    stack = one("stack", ["v"], ["s"], parts=parts, nan=True, infinite=True, single=False,
                operations=[operation(op), operation("add")])  # fmt: skip
    check(model_of(stack), TABLE)


@pytest.mark.parametrize("missing", [None, 1.0])
@pytest.mark.parametrize("unknown", [None, 0.0, -1.0])
@pytest.mark.parametrize("indicators", [False, True])
def test_codes_of_categories(missing: float | None, unknown: float | None, indicators: bool) -> None:
    others = {
        name: floats([code])
        for name, code in (("missing", missing), ("unknown", unknown))
        if code is not None
    }
    for numbers in ([0.0, 0.5, 3.0], [2.0, NAN, 0.5]):
        features = [
            {"column": 0, "known": {"strings": ["Rome", "Oslo"]}, "codes": floats([1, 0]), "width": 3},
            {"column": 1, "known": {"numbers": floats(numbers)}, "codes": floats([2, 0, 1]), "width": 3},
            {
                "column": 2,
                "slot": 2,
                "known": {"numbers": floats([2.0, 0.5])},
                "codes": floats([0, 1]),
                "width": 2,
            },
        ]
        given = [{**feature, **others} for feature in features]
        encode = one("encode", ["city", "x", "v"], ["e"], features=given, indicators=indicators)
        check(model_of(encode), TABLE, inputs={"v": 3})


def test_filled_and_multiplied_slots() -> None:
    for missing in (NAN, 0.0):
        for kept, indicators in (([0, 2], [1, 0]), ([1], []), ([], [2])):
            fill = one("fill", ["v"], ["f"], missing=floats([missing]), values=floats([7, 8, 9]), kept=ints(kept),
                       indicators=ints(indicators))  # fmt: skip
            check(model_of(fill), TABLE)
    products = one(
        "products", ["v"], ["p"], counts=ints([0, 1, 3, 2]), slots=ints([2, 0, 1, 1, 1, 2]), size=3
    )
    check(model_of(products), TABLE)
    for missing in (None, "Oslo"):
        filled = one("fill_text", ["city"], ["label"], missing=missing, values=["Paris"])
        check(model_of(filled), TABLE)


def test_a_struct_of_probabilities_is_no_output() -> None:
    named = one("name_slots", ["v"], ["p"], names=["a", "b", "c"])
    with pytest.raises(InvalidParamError, match="an output of ONNX is no struct; choose the column"):
        model_of(named).to_onnx()


@pytest.fixture(scope="module")
def people() -> Any:
    pandas = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    table = pandas.DataFrame(
        {
            "city": random.choice(["Oslo", "Rome", "Bern", "Kyiv"], 150).astype(object),
            "age": np.round(random.normal(40, 12, 150), 1),
            "rooms": random.integers(1, 6, 150).astype(float),
        }
    )
    table.loc[::7, "age"] = np.nan
    score = table["rooms"] + 2 * (table["city"] == "Rome") + random.normal(size=150)
    return table, np.select([score > 5, score > 3], ["dear", "fair"], "cheap")


@pytest.mark.parametrize(
    "learner",
    [
        LogisticRegression(max_iter=2000),
        RandomForestClassifier(20, max_depth=4, random_state=0, n_jobs=1),
        HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=7, random_state=0),
        MLPClassifier((6,), activation="tanh", max_iter=20, random_state=0),
    ],
    ids=lambda learner: type(learner).__name__,
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_pipelines_of_scikit_learn(people: Any, learner: Any) -> None:
    table, answers = people
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), pre.StandardScaler()), ["age"]),
        (pre.OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist"), ["city"]),
        (pre.PolynomialFeatures(2), ["rooms"]),
    )
    fitted = make_pipeline(columns, learner).fit(table, answers)
    model = mmlrs.from_estimator(fitted)
    data = pa.Table.from_pandas(table, preserve_index=False)
    data = pa.concat_tables([data, data.slice(0, 1).set_column(0, "city", pa.array(["Lima"]))])
    got = check(model, data)
    assert list(got) == ["probability", "prediction", "predictedLabel"]
    # The session needs nothing but the file.
    session = onnxruntime.InferenceSession(model.to_onnx())
    row = {"city": np.array([["Rome"]], object), "age": np.array([[NAN]]), "rooms": np.array([[3.0]])}
    answer = dict(zip([o.name for o in session.get_outputs()], session.run(None, row), strict=True))
    expected = fitted.predict(table.iloc[:1].assign(city="Rome", age=np.nan, rooms=3.0))
    assert answer["predictedLabel"].ravel().tolist() == expected.tolist()


@pytest.fixture(scope="module")
def flats() -> Any:
    pandas = pytest.importorskip("pandas")
    random = np.random.default_rng(1)
    table = pandas.DataFrame(
        {
            "x": np.where(random.random(200) < 0.3, 0.0, np.round(random.normal(size=200), 2)),
            "y": np.where(random.random(200) < 0.2, np.nan, random.normal(size=200)),
            "city": pandas.Categorical(random.choice(list("abcdefg"), 200)),
        }
    )
    score = (
        table["x"] + table["y"].fillna(-1) + 2 * table["city"].isin(["b", "e"]) + random.normal(size=200) / 5
    )
    return table, np.digitize(score, [0, 1])


def in_onnx(fitted: Any, table: Any) -> dict[str, Any]:
    data = pa.Table.from_pandas(table.astype({"city": object}), preserve_index=False)
    return check(mmlrs.from_estimator(fitted), data)


@pytest.mark.filterwarnings("ignore::UserWarning:lightgbm")
@pytest.mark.parametrize("zeros", [False, True])
def test_lightgbm(flats: Any, zeros: bool) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    table, answers = flats
    options = {"n_estimators": 4, "num_leaves": 7, "verbose": -1, "n_jobs": 1, "min_data_per_group": 5}
    fitted = lightgbm.LGBMClassifier(**options, zero_as_missing=zeros).fit(table, answers)
    got = in_onnx(fitted, table)
    np.testing.assert_allclose(got["probability"], fitted.predict_proba(table), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::UserWarning:xgboost")
def test_xgboost(flats: Any) -> None:
    xgboost = pytest.importorskip("xgboost")
    table, answers = flats
    options = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1, "enable_categorical": True}
    for learner, labels in ((xgboost.XGBClassifier, answers), (xgboost.XGBRegressor, answers / 3)):
        got = in_onnx(learner(**options).fit(table, labels), table)
        assert not np.isnan(got["prediction"]).any()
