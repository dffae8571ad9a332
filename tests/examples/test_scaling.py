"""The scaling example: the fit finds the terms of synthetic jobs, predictions follow from them, and a small set runs end to end."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

from mmlrs.errors import InvalidParamError, IoError
from mmlrs.examples.scaling import Request, Run, ScalingModel, Task, events, fit, measure
from mmlrs.examples.scaling.__main__ import main
from mmlrs.examples.scaling.comparing import compare
from mmlrs.examples.scaling.job import partition_bytes
from mmlrs.examples.scaling.least_squares import non_negative
from mmlrs.examples.scaling.master import conf_for
from mmlrs.examples.scaling.model import Costs
from mmlrs.examples.scaling.schedule import makespan
from mmlrs.testing import sample_image

#: Multiples of the tasks, so that all tasks of a job have as many pictures.
SIZES = (160, 320, 640)
PER_SLOT = 4


def simulated(
    costs: Costs, executors: int, pictures: int, rng: np.random.Generator, kind="warm", together=1, repeat=0
) -> Run:
    """A job with these costs, as Spark would log it: each free slot gets the next task."""
    count = PER_SLOT * executors
    share = costs.reading if kind == "read" else costs.reading + costs.compute
    mean = costs.task + share * pictures / count
    factor = 1.0 if kind == "read" else costs.contention[together]
    free = [(0.0, slot) for slot in range(executors)]
    tasks = []
    start = costs.fixed / 2
    for seconds in mean * factor * np.exp(costs.spread * rng.standard_normal(count) - costs.spread**2 / 2):
        at, slot = min(free)
        free.remove((at, slot))
        free.append((at + seconds, slot))
        tasks.append(Task(str(slot), pictures // count, start + at, start + at + seconds))
    seconds = max(task.finished for task in tasks) + costs.fixed / 2 + costs.planning * pictures
    seconds += costs.start if kind == "first" else 0.0
    return Run(
        kind, executors, 1, together, repeat, pictures, 200_000 * pictures, float(seconds), tuple(tasks)
    )


def jobs(costs: Costs, executors: int, sizes, seed: int, repeats: int = 3) -> list[Run]:
    rng = np.random.default_rng(seed)
    plan = [("warm", 1), ("warm", 2), ("read", 1)]
    return [simulated(costs, executors, sizes[0], rng, "first")] + [
        simulated(costs, executors, size, rng, kind, together, repeat)
        for repeat in range(repeats)
        for kind, together in plan
        for size in sizes
    ]


def drawn(seed: int, spread: float) -> Costs:
    """Random but plausible costs."""
    rng = np.random.default_rng([seed, 1])

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return Costs(
        fixed=between(0.05, 0.4),
        planning=between(0.0, 2e-4),
        task=between(0.01, 0.1),
        reading=between(2e-4, 2e-3),
        compute=between(3e-3, 2e-2),
        spread=spread,
        start=between(1.0, 5.0),
        listing=1e-4,
        contention={1: 1.0, 2: between(1.05, 1.5)},
    )


# -- the fit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_the_fit_finds_the_terms_of_jobs_without_noise(seed):
    costs = drawn(seed, 0.0)
    found = fit(jobs(costs, 1, SIZES, seed), listing=costs.listing).costs
    for term in ("fixed", "planning", "start", "listing"):
        assert getattr(found, term) == pytest.approx(getattr(costs, term), rel=1e-3, abs=1e-6), term
    for term in ("task", "reading", "compute"):
        assert getattr(found, term) == pytest.approx(getattr(costs, term), rel=1e-3), term
    assert found.spread < 1e-6
    assert found.contention[2] == pytest.approx(costs.contention[2], rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_fit_of_noisy_jobs_of_one_worker_predicts_two_workers_and_four_times_as_many_pictures(seed):
    costs = drawn(seed, 0.08)
    model = fit(jobs(costs, 1, SIZES, seed))
    assert model.costs.spread == pytest.approx(0.08, rel=0.5)
    rng = np.random.default_rng([seed, 2])
    busy = {**costs.contention, 1: costs.contention[2]}
    for executors, per_machine, real in ((1, 1, costs), (2, 2, replace(costs, contention=busy))):
        times = [simulated(real, executors, 2560, rng).seconds for _ in range(15)]
        predicted = model.predict(executors, 2560, per_machine=per_machine)
        assert predicted.seconds == pytest.approx(float(np.median(times)), rel=0.1)
        assert predicted.low <= predicted.seconds <= predicted.high
        assert predicted.rate == pytest.approx(2560 / predicted.seconds)


def test_the_fit_does_not_look_at_more_executors():
    costs = drawn(3, 0.05)
    ours = jobs(costs, 1, SIZES, 3)
    theirs = jobs(replace(costs, compute=9.0), 2, SIZES, 4)
    assert fit(ours + theirs) == fit(ours)


def test_noise_widens_the_intervals():
    def width(spread: float) -> float:
        predicted = fit(jobs(drawn(5, spread), 1, SIZES, 5)).predict(20, 20_000)
        return (predicted.high - predicted.low) / predicted.seconds

    assert width(0.2) > 1.5 * width(0.02)


def test_one_size_cannot_be_fitted():
    with pytest.raises(InvalidParamError, match=r"scaling: param `runs` must have at least two sizes of 1"):
        fit(jobs(drawn(0, 0.0), 1, [200], 0))


@pytest.mark.parametrize("seed", range(20))
def test_least_squares_without_negative_coefficients_equal_scipys(seed):
    from scipy.optimize import nnls

    rng = np.random.default_rng(seed)
    matrix, target = rng.standard_normal((12, 3)), rng.standard_normal(12)
    np.testing.assert_allclose(non_negative(matrix, target), nnls(matrix, target)[0], atol=1e-9)


# -- predictions --------------------------------------------------------------------------------------------------------


def model_of(**changed) -> ScalingModel:
    plain = dict.fromkeys(
        ("fixed", "planning", "task", "reading", "compute", "spread", "start", "listing"), 0.0
    )
    costs = Costs(**{**plain, "contention": {1: 1.0, 2: 1.3}, "compute": 0.01, **changed})
    return ScalingModel(costs, (costs,) * 20, 1, PER_SLOT, 0, 2e5, {"executors": 1, "sizes": [1000]})


def test_without_other_costs_the_rate_is_proportional_to_the_executors():
    model = model_of()
    for executors in (1, 2, 10):
        assert model.predict(executors, 100_000).rate == pytest.approx(100 * executors, rel=0.01)


def test_executors_that_share_a_machine_are_slower_by_what_was_measured():
    model = model_of()
    assert model.predict(2, 10_000, per_machine=2).seconds == pytest.approx(65.0, rel=0.01)
    with pytest.raises(InvalidParamError, match=r"`per_machine` must be one of 1, 2.*--together 3"):
        model.predict(2, 10_000, per_machine=3)


@pytest.mark.parametrize(
    ("changed", "limit"), [({"fixed": 2.0}, 2.0), ({"planning": 0.001}, 10.0), ({"task": 0.25}, 1.0)]
)
def test_what_does_not_shrink_limits_the_rate(changed, limit):
    many = model_of(**changed).predict(10_000, 10_000)
    assert many.seconds >= limit
    assert many.seconds < model_of(**changed).predict(10, 10_000).seconds


def test_stragglers_cost_more_the_more_tasks_run_at_once():
    def lost(executors: int) -> float:
        return model_of(spread=0.3).predict(executors, 100 * executors).seconds / 1.0

    assert 1.0 <= lost(1) < 1.2 < lost(100) < lost(1000)


def test_only_the_first_job_lists_starts_workers_and_sends_the_network():
    model = replace(model_of(start=3.0, listing=1e-4), model_bytes=125_000_000)
    later, first = (model.predict(11, 10_000, first=first) for first in (False, True))
    assert first.seconds - later.seconds == pytest.approx(3.0 + 1.0 + 1.0, rel=1e-3)
    # One worker does not show the network, so the interval has its range.
    assert first.high - first.low > later.high - later.low + 1.0


def test_a_saved_model_predicts_the_same(tmp_path):
    model = fit(jobs(drawn(1, 0.1), 1, SIZES, 1), origin={"master": "x"})
    model.save(tmp_path / "model.json")
    again = ScalingModel.load(tmp_path / "model.json")
    assert again == model
    assert again.predict(7, 5000) == model.predict(7, 5000)


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"format": "mmlrs-scaling-1", "costs": {}}', '{"format": 2}']
)
def test_a_file_that_is_no_model_is_one_error(tmp_path, content):
    path = tmp_path / "model.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(IoError, match=r"model\.json is not a saved scaling model"):
        ScalingModel.load(path)


def test_a_comparison_says_what_the_fit_has_seen():
    costs = drawn(2, 0.02)
    runs = jobs(costs, 1, SIZES, 2) + jobs(costs, 1, [2560], 3) + jobs(costs, 2, [600], 4)
    model = fit([run for run in runs if run.executors == 1 and run.pictures != 2560])
    found = {(c.predicted.executors, c.predicted.pictures): c for c in compare(model, runs)}
    assert {key for key, c in found.items() if c.fitted} == {(1, size) for size in SIZES}
    assert abs(found[1, 2560].error) < 0.05
    assert abs(found[2, 600].error) < 0.05


# -- the schedule and the partitions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_the_makespan_is_between_its_bounds(seed):
    rng = np.random.default_rng(seed)
    tasks, slots = rng.exponential(size=rng.integers(1, 60)).tolist(), int(rng.integers(1, 12))
    found = makespan(tasks, slots)
    assert max(max(tasks), sum(tasks) / slots) <= found + 1e-9
    assert found <= sum(tasks) / slots + max(tasks) + 1e-9  # Graham's bound for list scheduling


@pytest.mark.parametrize(("tasks", "made"), [(1, 1), (3, 3), (8, 8), (60, 50)])
def test_partitions_are_as_many_as_asked_for_and_about_equal(tasks, made):
    sizes = np.random.default_rng(tasks).integers(100_000, 300_000, 50).tolist()
    limit = partition_bytes(sizes, tasks)
    parts = [[0]]
    for size in sorted(sizes, reverse=True):  # as Spark does
        if sum(parts[-1]) and sum(parts[-1]) + size > limit:
            parts.append([])
        parts[-1].append(size)
    assert len(parts) == made
    assert max(map(sum, parts)) <= 1.2 * max(sum(sizes) / tasks, max(sizes))


def test_the_log_that_is_still_being_written_is_read_up_to_its_last_line(tmp_path):
    lines = [
        {"Event": "SparkListenerExecutorAdded", "Executor ID": "0", "Executor Info": {"Total Cores": 2}},
        {"Event": "SparkListenerExecutorAdded", "Executor ID": "1", "Executor Info": {"Total Cores": 4}},
        {"Event": "SparkListenerExecutorRemoved", "Executor ID": "0"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "app").write_text(text + '{"Event": "SparkListenerExec')
    (tmp_path / ".app.crc").write_bytes(b"\xff\n")
    assert events.cores(tmp_path) == {"1": 4}
    assert events.cores(tmp_path / "absent") == {}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        (folder / f"{number}.jpg").write_bytes(sample_image("jpeg"))
    (folder / "labels.csv").write_text("file,label\n")
    return folder


# -- bad requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"executors": [0]}, "`executors` must be a whole number between 1 and"),
        ({"executors": []}, "`executors` must be a list of whole numbers"),
        ({"executors": [2, 1]}, "`executors` must be in ascending order"),
        ({"executors": [1, 4096]}, r"`executors` must be at most \d+, the cores that local\[\*\] has"),
        ({"executors": [True]}, "`executors` must be a whole number"),
        ({"sizes": [200, 100]}, "`sizes` must be in ascending order"),
        ({"sizes": [100, 100]}, "`sizes` must be in ascending order, without repeats"),
        ({"sizes": [100]}, "`sizes` must be at least two numbers.*one size cannot tell"),
        ({"sizes": [0, 5]}, "`sizes` must be a whole number between 1"),
        ({"repeats": 0}, "`repeats` must be a whole number"),
        ({"cores": 2}, r"`cores` must be 1 with the master local\[\*\]"),
        ({"together": 4096}, "`together` must be at most"),
        ({"tasks_per_slot": 0.5}, "`tasks_per_slot` must be a whole number"),
        ({"wait": 0}, "`wait` must be a number of seconds greater than 0"),
        ({"wait": float("nan")}, "`wait` must be a number of seconds greater than 0"),
        ({"model": ""}, "`model` must be the name or path"),
        ({"images": 7}, "`images` must be a path"),
        ({"master": "sc://host"}, "`master` must be the URL of a cluster.*Spark Connect"),
        ({"master": "mesos://host"}, "`master` must be local"),
        ({"master": None}, "`master` must be a URL"),
    ],
)
def test_a_bad_param_is_one_error(changed, message):
    plain = {"master": "local[*]", "images": "photos", "executors": [1]}
    with pytest.raises(InvalidParamError, match=f"^scaling: param {message}"):
        Request(**{**plain, **changed})


def test_a_local_master_has_as_many_executors_as_it_says():
    with pytest.raises(InvalidParamError, match=r"`executors` must be at most 1, the cores that local has"):
        Request("local", "photos", executors=[1, 2])


def test_every_kind_of_cluster_is_told_how_many_executors_to_give():
    assert conf_for("local[8]", 2, 1) == {"spark.master": "local[2]"}
    conf = conf_for("spark://host:7077", 3, 4)
    assert conf["spark.cores.max"] == "12"
    assert conf["spark.executor.instances"] == "3"
    assert conf["spark.executor.cores"] == "4"
    assert conf["spark.dynamicAllocation.enabled"] == "false"


@pytest.mark.parametrize(
    "make", [lambda path: None, lambda path: (path / "notes.txt").write_text("no picture")]
)
def test_a_folder_without_pictures_is_one_error_before_spark_starts(tmp_path, make):
    make(tmp_path)
    with pytest.raises(IoError, match="contains no pictures"):
        measure(Request("local[1]", str(tmp_path), executors=[1]))
    with pytest.raises(IoError, match="is not a folder; name one"):
        measure(Request("local[1]", str(tmp_path / "absent"), executors=[1]))


def test_more_pictures_than_the_folder_has_is_one_error_before_spark_starts(pictures):
    with pytest.raises(
        IoError, match=r"asks for 13 pictures, and .* contains 12; choose smaller sizes or add"
    ):
        measure(Request("local[1]", str(pictures), executors=[1], sizes=[8, 13]))


def test_the_command_line_ends_with_the_error(tmp_path):
    wrong = ["--master", "local[1]", "--images", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="contains no pictures"):
        main([*wrong, "--executors", "1"])
    with pytest.raises(SystemExit, match="`conf` must be like"):
        main([*wrong, "--executors", "1", "--conf", "spark.executor.memory"])


# -- end to end ---------------------------------------------------------------------------------------------------------


def run_command(pictures: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["--master", "local[1]", "--images", str(pictures), "--out", str(out), "--executors", "1"]
    return subprocess.run(
        [sys.executable, "-m", "mmlrs.examples.scaling", *command, *more],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.spark
def test_twelve_pictures_are_measured_fitted_and_drawn(pictures, tmp_path):
    done = run_command(pictures, tmp_path, "--repeats", "1", "--sizes", "8,12")
    assert done.returncode == 0, done.stderr
    assert "fitted" in done.stdout
    with (tmp_path / "measurements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kinds = [(row["kind"], int(row["pictures"])) for row in rows]
    assert kinds == [("first", 8), ("warm", 8), ("warm", 12), ("read", 8), ("read", 12)]
    assert all(row["tasks"] == "4" for row in rows)
    with (tmp_path / "tasks.csv").open(newline="") as file:
        tasks = list(csv.DictReader(file))
    for number, row in enumerate(rows, 1):
        assert sum(int(task["pictures"]) for task in tasks if task["run"] == str(number)) == int(
            row["pictures"]
        )
    model = ScalingModel.load(tmp_path / "model.json")
    assert model.origin == {
        "master": "local[1]",
        "model": "efficientnet-lite0",
        "executors": 1,
        "sizes": [8, 12],
    }
    assert model.model_bytes > 10_000_000
    assert model.picture_bytes == len(sample_image("jpeg"))
    assert model.predict(1, 12).seconds > 0
    assert (tmp_path / "scaling.svg").read_text().count("<svg") == 1
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
