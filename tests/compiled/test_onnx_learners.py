"""`CompiledModel.to_onnx`: learners give what the native core gives, on random and on hard rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from exported import check, expected_rows, model_of, one, vectors
from random_trees import random_forest, rows

from mmlrs.compiled._definition import floats

NAN, INF = float("nan"), float("inf")
RNG = np.random.default_rng(3)

DENSE = np.round(RNG.normal(size=(40, 4)), 1)
HARD = np.array(
    [[1, NAN, 2, 0], [INF, 0, 1, 2], [0, 0, 0, 0], [-0.0, 1, 0, -1], [0.5, -INF, 0, 1], [900, 900, 900, -900]]
)
COUNTS = (RNG.random((30, 4)) < 0.5) * (np.arange(30)[:, None] % 3.0)
TABLES = [
    pa.table({"v": vectors(part), "z": np.resize([1.0, NAN, 0.0, -0.0, INF, -2.0, 0.5], len(part))})
    for part in (DENSE, HARD, COUNTS)
]
each_table = pytest.mark.parametrize("table", TABLES, ids=["random", "hard", "counts"])

THREE = {
    "kind": "linear",
    "coefficients": floats(RNG.normal(size=(3, 4))),
    "intercepts": floats([0, 1, -1]),
    "size": 4,
}
ONE = {"kind": "linear", "coefficients": floats(RNG.normal(size=4)), "intercepts": floats([0.0]), "size": 4}
MACHINE = {
    "kind": "factorization",
    "intercept": 0.5,
    "linear": floats([1, 2, 3, 4]),
    "factors": floats(RNG.normal(size=(4, 3))),
    "factor_size": 3,
}
PERCEPTRON = {"kind": "perceptron", "layers": [4, 5, 2, 3], "weights": floats(RNG.normal(size=25 + 12 + 9))}
LARGEST = {"rule": "largest_raw"}


def classify(model: Any, table: pa.Table, probabilities: str, decision: Any, *, margin: bool = False) -> Any:
    step = one(
        "classifier",
        ["v"],
        ["raw", "probability", "prediction"],
        roles=["raw", "probability", "prediction"],
        model=model,
        margin=margin,
        probabilities=probabilities,
        decision=decision,
    )
    return check(model_of(step), table)


@each_table
@pytest.mark.parametrize("probabilities", ["none", "softmax", "normalize", "raw", "one_vs_rest"])
def test_probabilities_and_decisions(table: pa.Table, probabilities: str) -> None:
    scaled = {"rule": "scaled", "thresholds": floats([0.2, 0.5, 0.3])}
    for decision in (LARGEST, {"rule": "largest_raw_or_none"}, {"rule": "largest_probability"}, scaled):
        classify(THREE, table, probabilities, decision)


@each_table
@pytest.mark.parametrize("probabilities", ["logistic", "logistic_twice"])
def test_margins_and_thresholds(table: pa.Table, probabilities: str) -> None:
    for rule, threshold in (("raw_above", 0.0), ("raw_above", -INF), ("probability_above", 0.5)):
        decision = {"rule": rule, "threshold": floats([threshold])}
        classify(ONE, table, probabilities, decision, margin=True)


@each_table
@pytest.mark.parametrize(
    "model",
    [PERCEPTRON, {"kind": "one_vs_rest", "models": [ONE, MACHINE, PERCEPTRON]}],
    ids=["perceptron", "one_vs_rest"],
)
def test_models_of_several_classes(table: pa.Table, model: Any) -> None:
    classify(model, table, "softmax", LARGEST)


@each_table
def test_factorization(table: pa.Table) -> None:
    classify(MACHINE, table, "logistic", LARGEST, margin=True)


@each_table
@pytest.mark.parametrize("variant", ["multinomial", "complement", "bernoulli", "gaussian"])
def test_naive_bayes(table: pa.Table, variant: str) -> None:
    model = {
        "kind": "naive_bayes",
        "variant": variant,
        "pi": floats(np.log([0.2, 0.8])),
        "theta": floats(np.log(RNG.random((2, 4)))),
        "sigma": floats(RNG.random((2, 4)) if variant == "gaussian" else []),
        "size": 4,
    }
    got = classify(model, table, "softmax", LARGEST)
    if variant == "bernoulli" and table is TABLES[2]:
        # Rows with another value than 0 and 1 are refused.
        assert np.isnan(got["prediction"].ravel()).tolist() == (COUNTS > 1).any(axis=1).tolist()


LINKS: list[dict[str, Any]] = [
    {"kind": kind}
    for kind in ("identity", "log", "logit", "probit", "c_log_log", "inverse", "sqrt", "softplus")
]
LINKS += [{"kind": "power", "power": p} for p in (0.0, -2.0)] + [{"kind": "sigmoid", "factor": 1.5}]


@pytest.mark.parametrize("link", LINKS, ids=lambda link: "-".join(map(str, link.values())))
def test_links_offsets_and_bounds(link: dict[str, Any]) -> None:
    far = np.linspace(-45, 45, 181)
    table = pa.table({"v": vectors(np.stack([far, 0 * far, 0 * far, 0 * far], axis=1)), "z": np.zeros(181)})
    first = {"kind": "linear", "coefficients": floats([1, 0, 0, 0]), "intercepts": floats([0]), "size": 4}
    for bounds in (None, floats([1e-16, 1.0])):
        for model, data in ((first, table), *((ONE, item) for item in TABLES)):
            step = one(
                "regressor",
                ["v", "z"],
                ["mean", "raw"],
                roles=["prediction", "link_prediction"],
                model=model,
                offset=True,
                link=link,
                bounds=bounds,
            )
            check(model_of(step), data)


@each_table
def test_clusters(table: pa.Table) -> None:
    for cosine in (False, True):
        step = one("cluster", ["v"], ["prediction"], centers=floats(DENSE[:3]), size=4, cosine=cosine)
        check(model_of(step), table)
    step = one(
        "mixture",
        ["v"],
        ["prediction", "shares"],
        roles=["prediction", "probability"],
        weights=floats([0.3, 0.7]),
        means=floats(DENSE[:2]),
        roots=floats(RNG.normal(size=(2, 4, 4))),
        peaks=floats([-1.0, -2.0]),
        size=4,
    )
    check(model_of(step), table)


@each_table
def test_isotonic(table: pa.Table) -> None:
    for boundaries in ([-1.0, 0.0, 0.5, 2.0], [0.5]):
        predictions = floats([0.0, 1.0, 2.0, 4.0][: len(boundaries)])
        for column, slot in (("z", 0), ("v", 2)):
            step = one(
                "isotonic", [column], ["q"], boundaries=floats(boundaries), predictions=predictions, slot=slot
            )
            check(model_of(step), table, inputs={"v": 4} if column == "v" else None)


SPECIAL: list[dict[str, Any]] = [{}, {"missing": True}, {"sets": True}, {"missing": True, "sets": True}]
FORMS: list[dict[str, Any]] = [
    {},
    {"rule": "below", "divisor": 3.0},
    {"single": True},
    {"single_inputs": True},
    {"width": 3, "outputs": 3},
    {"outputs": 4, "targets": True},
    {"width": 2, "outputs": 4, "targets": True, "single": True},
]


@pytest.mark.parametrize("special", SPECIAL, ids=lambda special: "+".join(special) or "plain")
@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(form) or "sum")
def test_forests_are_equal_bit_by_bit(special: dict[str, Any], form: dict[str, Any]) -> None:
    rng = np.random.default_rng(FORMS.index(form) * 10 + SPECIAL.index(special))
    several = form.get("outputs", 1) > 1
    for _ in range(3):
        model = random_forest(rng, trees=int(rng.integers(1, 12)), depth=4, size=3, **special, **form)
        if several:
            step = one("classifier", ["v"], ["raw", "prediction", "leaf"], roles=["raw", "prediction", "leaf"],
                       model=model, probabilities="normalize", decision=LARGEST)  # fmt: skip
        else:
            step = one("regressor", ["v"], ["raw", "leaf", "leaf_number"], roles=["prediction", "leaf", "leaf_number"],
                       model=model)  # fmt: skip
        table = pa.table({"v": vectors(rows(rng, 60, 3))})
        got, expected = check(model_of(step), table), expected_rows(model_of(step), table)
        for values, row in zip(got["raw"], expected, strict=True):
            wanted = row["raw"]["values"] if several else [row["raw"]]
            assert np.array_equal(values, wanted, equal_nan=True)


def test_ties_of_many_trees_are_decided_as_in_the_native_core() -> None:
    rng = np.random.default_rng(0)
    # Sums of thirds in another order differ by rounding, so that another class would win.
    model = random_forest(rng, trees=90, depth=2, size=2, width=2, outputs=2, values=[1 / 3, 2 / 3, 0.1])
    model["base"] = floats([0.0, 0.0])
    table = pa.table({"v": vectors(rows(rng, 400, 2, odd=False))})
    got = classify(model, table, "normalize", LARGEST)
    assert set(got["prediction"].ravel()) == {0.0, 1.0}


def test_vectors_of_unknown_size_in_the_fit_need_their_size() -> None:
    model = random_forest(np.random.default_rng(1), trees=3, depth=3, size=3)
    step = one("regressor", ["v"], ["mean"], roles=["prediction"], model={**model, "size": None})
    table = pa.table({"v": vectors(rows(np.random.default_rng(2), 20, 5))})
    check(model_of(step), table, inputs={"v": 5})
