"""Spaces of hyper-parameters, and the trials that they give."""

from __future__ import annotations

import math

import numpy as np
import pytest
from searches import space_of, tuner, values_of

from mmlrs.automl import (
    DiscreteHyperParam,
    FloatRangeHyperParam,
    GridSpace,
    HyperparamBuilder,
    IntRangeHyperParam,
    ParamSpace,
    RandomSpace,
    RangeHyperParam,
    TuneHyperparameters,
)
from mmlrs.automl.trials import configured, trials
from mmlrs.base import stage_spec
from mmlrs.errors import InvalidParamError
from mmlrs.text import TextFeaturizer
from mmlrs.train import TrainClassifier
from mmlrs.train.statistics import METRICS


@pytest.mark.parametrize(
    ("values", "low", "high", "kind"),
    [
        (IntRangeHyperParam(2, 5), 2, 5, int),
        (FloatRangeHyperParam(-1.5, 2.5), -1.5, 2.5, float),
        (FloatRangeHyperParam(1e-4, 1.0, log=True), 1e-4, 1.0, float),
        (RangeHyperParam(1, 3), 1, 3, int),
        (RangeHyperParam(1.0, 3), 1, 3, float),
        (RangeHyperParam(1, 100, log=True), 1, 100, float),
    ],
)
def test_a_range_draws_values_inside_it(values, low, high, kind):
    random = np.random.default_rng(0)
    drawn = [values.draw(random) for _ in range(500)]
    assert all(low <= v < high and type(v) is kind for v in drawn)
    assert len(set(drawn)) > 1


def test_a_logarithmic_range_draws_as_many_values_from_each_decade():
    values, random = FloatRangeHyperParam(1e-4, 1.0, log=True), np.random.default_rng(0)
    decades = np.histogram(np.log10([values.draw(random) for _ in range(4000)]), bins=4, range=(-4, 0))[0]
    assert decades.min() > 850


def test_an_integer_range_reaches_all_its_values():
    random = np.random.default_rng(0)
    assert {IntRangeHyperParam(2, 5).draw(random) for _ in range(200)} == {2, 3, 4}


def test_a_grid_is_every_combination():
    text = TextFeaturizer(inputCol="t")
    space = space_of(
        GridSpace,
        (text, "numFeatures", DiscreteHyperParam([16, 32])),
        (text, text.minDocFreq, IntRangeHyperParam(1, 4)),
    )
    found = trials(tuner([text], space), [text], space)
    assert values_of(found) == [(16, 1), (16, 2), (16, 3), (32, 1), (32, 2), (32, 3)]
    assert found[0].parameters() == {"TextFeaturizer.numFeatures": 16, "TextFeaturizer.minDocFreq": 1}
    some = trials(tuner([text], space, numRuns=4), [text], space)
    assert len(some) == 4
    assert set(values_of(some)) < set(values_of(found))
    assert len(trials(tuner([text], space, numRuns=40), [text], space)) == 6


def test_a_grid_of_more_points_than_fit_into_memory_is_drawn_from_and_never_listed():
    text = TextFeaturizer(inputCol="t")
    space = space_of(
        GridSpace,
        (text, "numFeatures", IntRangeHyperParam(1, 2_000_000_000)),
        (text, "minDocFreq", IntRangeHyperParam(1, 1_000_000)),
    )
    few = values_of(trials(tuner([text], space, numRuns=5), [text], space))
    assert len(set(few)) == 5
    assert all(1 <= slots < 2_000_000_000 and 1 <= least < 1_000_000 for slots, least in few)
    with pytest.raises(
        InvalidParamError, match=r"TuneHyperparameters: param `paramSpace`: the grid has \d+ points"
    ):
        trials(tuner([text], space), [text], space)


def test_each_model_gets_its_own_params_alone():
    a, b, plain = TextFeaturizer(inputCol="t"), TextFeaturizer(inputCol="u"), TextFeaturizer(inputCol="v")
    space = space_of(
        GridSpace,
        (a, "numFeatures", DiscreteHyperParam([16, 32])),
        (b, "minDocFreq", DiscreteHyperParam([1, 2, 3])),
    )
    models = [a, b, plain]
    found = trials(tuner(models, space), models, space)
    assert [t.model.uid for t in found] == [a.uid] * 2 + [b.uid] * 3 + [plain.uid]
    assert values_of(found)[2:] == [(1,), (2,), (3,), ()]


def test_a_random_space_draws_points_that_differ_and_the_same_ones_for_the_same_seed():
    text = TextFeaturizer(inputCol="t")
    space = space_of(RandomSpace, (text, "numFeatures", IntRangeHyperParam(1, 1000)))

    def drawn(seed, **params):
        return values_of(trials(tuner([text], space, seed=seed, **params), [text], space))

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(3, numRuns=30))) == 30
    small = space_of(RandomSpace, (text, "numFeatures", DiscreteHyperParam([1, 2, 3])))
    assert sorted(values_of(trials(tuner([text], small, numRuns=50), [text], small))) == [(1,), (2,), (3,)]


def test_the_seed_of_a_hyper_parameter_changes_what_is_drawn():
    text = TextFeaturizer(inputCol="t")
    one, two = (
        values_of(trials(tuner([text], space), [text], space))
        for space in (
            space_of(RandomSpace, (text, "numFeatures", IntRangeHyperParam(1, 1000, seed))) for seed in (0, 1)
        )
    )
    assert one != two


def test_a_trial_configures_copies_of_the_stages_inside():
    inner = TextFeaturizer(inputCol="t", numFeatures=8)
    trainer = TrainClassifier(model=inner, labelCol="y")
    space = space_of(
        GridSpace,
        (inner, "numFeatures", DiscreteHyperParam([16])),
        (trainer, "numFeatures", DiscreteHyperParam([32])),
    )
    [trial] = trials(tuner([trainer], space), [trainer], space)
    made = configured(trainer, trial.point)
    assert (made.getModel().getNumFeatures(), made.getNumFeatures()) == (16, 32)
    assert (inner.getNumFeatures(), trainer.getModel()) == (8, inner)


def test_two_stages_of_one_class_are_told_by_their_uids():
    a, b = TextFeaturizer(inputCol="t"), TextFeaturizer(inputCol="u")
    trainer = TrainClassifier(model=a, labelCol="y")
    space = space_of(GridSpace, *((s, "numFeatures", DiscreteHyperParam([16])) for s in (a, b)))
    both = tuner([trainer, b], space)
    found = trials(both, [trainer, b], space)
    assert [list(t.parameters()) for t in found] == [["TextFeaturizer.numFeatures"]] * 2
    inside = TuneHyperparameters(models=[a, b])
    found = trials(tuner([inside], space), [inside], space)
    assert list(found[0].parameters()) == [f"{a.uid}.numFeatures", f"{b.uid}.numFeatures"]


SEEDS = {"kind": "FloatRangeHyperParam", "min": 0.1, "max": 1.0}


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"kind": ["DiscreteHyperParam"], "values": [1]},
        {"kind": "ParamSpace", "values": [1]},
        {"kind": "DiscreteHyperParam"},
        {"kind": "DiscreteHyperParam", "values": {"a": 1}},
        {"kind": "DiscreteHyperParam", "values": None},
        {"kind": "DiscreteHyperParam", "values": [1], "self": 1},
        {"kind": "IntRangeHyperParam", "min": 0, "max": 10**30},
        {"kind": "IntRangeHyperParam", "min": [], "max": 1},
        *({**SEEDS, "seed": seed} for seed in ("x", math.nan, 1.5, None, [])),
        *({**SEEDS, "log": log} for log in ("yes", [], 1)),
        {**SEEDS, "max": math.inf},
    ],
    ids=str,
)
def test_a_stored_distribution_that_was_changed_is_one_clear_error(values):
    tuned = {"stage": "s_1", "owner": "S", "param": "p", "values": values}
    with pytest.raises(InvalidParamError, match=r"^(HyperParam|\w+HyperParam): "):
        ParamSpace.from_json({"kind": "random", "params": [tuned]})


@pytest.mark.parametrize(
    "space",
    [
        {"kind": ["grid"], "params": []},
        {"kind": "grid", "params": {}},
        {"kind": "grid", "params": None},
        {"kind": "grid", "params": [5]},
        {"kind": "grid", "params": [{"stage": 5, "owner": "S", "param": "p", "values": {}}]},
        {"kind": "grid", "params": [{"stage": "s", "param": "p", "values": {}}]},
        {"kind": "grid", "params": [], "self": 1},
    ],
    ids=str,
)
def test_a_stored_space_that_was_changed_is_one_clear_error(space):
    with pytest.raises((InvalidParamError, TypeError), match=r"must (be|have) "):
        ParamSpace.from_json(space)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: DiscreteHyperParam([]), "`values` must not be empty"),
        (lambda: IntRangeHyperParam(3, 3), "IntRangeHyperParam: `min` must be less than `max`, got 3 and 3"),
        (lambda: FloatRangeHyperParam(0.0, 1.0, log=True), "with `log`, `min` must be greater than 0"),
        (
            lambda: HyperparamBuilder().addHyperparam(TextFeaturizer(), "regParam", DiscreteHyperParam([1])),
            "TextFeaturizer: there is no param `regParam`",
        ),
        (
            lambda: HyperparamBuilder().addHyperparam(TextFeaturizer(), "numFeatures", [1, 2]),
            "the values of TextFeaturizer.numFeatures must be a HyperParam .* got a list",
        ),
        (
            lambda: space_of(GridSpace, (TextFeaturizer(), "numFeatures", FloatRangeHyperParam(0, 1))),
            "GridSpace: the values of TextFeaturizer.numFeatures cannot be listed",
        ),
        (lambda: GridSpace(["numFeatures"]), "expected the result of HyperparamBuilder.build, got a str"),
        (
            lambda: TuneHyperparameters(paramSpace={"numFeatures": [1]}),
            "param `paramSpace` must be a GridSpace",
        ),
        (lambda: TuneHyperparameters(paramSpace={"kind": "x"}), 'must be a space of kind "grid" or "random"'),
        (lambda: TuneHyperparameters(models=[TextFeaturizer(), 3]), "one of them must be a stage, got 3"),
    ],
)
def test_a_space_that_cannot_be_is_one_clear_error(work, message):
    with pytest.raises(InvalidParamError, match=message):
        work()


def test_a_param_of_a_stage_that_no_model_holds_is_refused():
    text, other = TextFeaturizer(inputCol="t"), TextFeaturizer(inputCol="t")
    space = space_of(GridSpace, (other, "numFeatures", DiscreteHyperParam([1])))
    with pytest.raises(
        InvalidParamError,
        match=f"TuneHyperparameters: param `paramSpace`: names `numFeatures` of {other.uid}, but no model is",
    ):
        trials(tuner([text], space), [text], space)


def test_the_metrics_are_those_that_statistics_know():
    choices = next(p for p in stage_spec("FindBestModel")["params"] if p["name"] == "evaluationMetric")
    assert all(f'"{name}"' in choices["constraint"] for name in METRICS)
    assert choices["constraint"].count('"') == 2 * len(METRICS)
