"""Chains of barrier jobs: sums over all tasks, states of any size, and what goes wrong in between."""

from __future__ import annotations

import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from barrier_works import Faulty, Killed, KilledFirst, Late, Refusing, Sum, Waiting, total

from mmlrs.engine import barrier, slots
from mmlrs.engine.barrier import Chain, default_workers
from mmlrs.errors import DecodeError, ExecutionError, InvalidParamError

pytestmark = pytest.mark.spark


def chain(spark, rows: int = 100, **options) -> Chain:
    df = spark.range(0, rows, 1, 3).withColumnRenamed("id", "x")
    return Chain(df, ["x"], 2, owner="Net", **options)


def files() -> list[str]:
    """The files of states that this machine has; a local master has one folder for all."""
    return [path.name for path in folder().glob("mmlrs-state-*") if path.stat().st_size]


def folder() -> Path:
    from pyspark import SparkFiles

    return Path(SparkFiles.getRootDirectory())


def test_the_state_goes_through_all_jobs(spark):
    before = spark.sparkContext._jsc.getPersistentRDDs().size()
    with chain(spark) as jobs:
        assert jobs.rows == 100
        assert spark.sparkContext._jsc.getPersistentRDDs().size() == before + 1
        state, reports = jobs.run(Sum())
        assert total(state) == 4950
        assert [report["after"] for report in reports] == [4950, 4950]
        assert [report["root"] for report in reports] == [-1, -1]
        assert sum(report["rows"] for report in reports) == 100
        assert min(report["rows"] for report in reports) > 40, "the rows are divided evenly"
        state, reports = jobs.run(Sum(), state)
        assert [report["root"] for report in reports] == [0, 0]
        assert total(state) == 2 * 4950
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == before
    assert not files()


def test_a_worker_without_rows_takes_part(spark):
    with chain(spark, rows=1) as jobs:
        _, reports = jobs.run(Sum())
    assert sorted(report["rows"] for report in reports) == [0, 1]


def test_no_rows_are_an_error_and_nothing_stays_cached(spark):
    before = spark.sparkContext._jsc.getPersistentRDDs().size()
    with pytest.raises(DecodeError, match="Net: the dataset has no rows"), chain(spark, rows=0):
        pass
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == before


def test_a_large_state_is_kept_by_the_executor_or_sent_as_a_file(spark, monkeypatch):
    """9 MiB in three pieces: first none, then the file that rank 0 kept, then one from the driver."""
    padding = 9 << 20
    sent = []
    send = barrier.send_chunks
    monkeypatch.setattr(barrier, "send_chunks", lambda *args: (sent.append(args[1]), send(*args)))
    with chain(spark) as jobs:
        state, _ = jobs.run(Sum(padding))
        assert len(files()) == 1
        state, _ = jobs.run(Sum(padding), state)
        assert (total(state), sent) == (2 * 4950, [])
        assert len(files()) == 2, "the states before and after the last job"
        state, _ = jobs.run(Sum(padding), [bytes(piece) for piece in state])
        assert (total(state), len(sent)) == (3 * 4950, 1)
        state, _ = jobs.run(Sum(padding), state)
        for name in files():
            (folder() / name).unlink()
        state, reports = jobs.run(Sum(padding), state)
        assert (total(state), len(sent)) == (5 * 4950, 2), "a lost file is sent"
        assert [report["root"] for report in reports] == [0, 0]
    assert not files()


def test_a_killed_worker_costs_one_job_and_changes_nothing(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(barrier, "INLINE_BYTES", 0)
    flag = tmp_path / "killed"
    with chain(spark) as jobs:
        state, _ = jobs.run(Killed(1000, str(flag)))
        with pytest.warns(
            UserWarning, match=r"Net: a job failed and is run again .*\(1 of at most 3 times\)"
        ):
            state, _ = jobs.run(Killed(1000, str(flag)), state)
        assert total(state) == 2 * 4950
    assert flag.read_text() == "xx", "it was killed once"


def test_a_worker_that_always_dies_ends_the_chain(spark, tmp_path):
    message = r"Net: a job failed for the last time \(attempt 1 of 1\): .*Python worker exited unexpectedly"
    with pytest.raises(ExecutionError, match=message), chain(spark, retries=0) as jobs:
        jobs.run(KilledFirst(flag=str(tmp_path / "killed")))


def test_a_silent_worker_is_replaced(spark, tmp_path):
    message = "run again .*: not all tasks of the job were there within 2 s"
    with chain(spark, silence=2.0) as jobs, pytest.warns(UserWarning, match=message):
        state, _ = jobs.run(Late(flag=str(tmp_path / "silent")))
    assert total(state) == 4950


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (Refusing, DecodeError, "Net: column `x`: row 7: has NaN"),
        (Faulty, ExecutionError, "Net: failed in a worker: ValueError: shapes do not fit"),
    ],
)
def test_what_the_work_raises_reaches_the_user_once(spark, tmp_path, kind, error, message):
    flag = tmp_path / "raised"
    with warnings.catch_warnings(), chain(spark) as jobs:
        warnings.simplefilter("error", UserWarning)
        with pytest.raises(error) as raised:
            jobs.run(kind(flag=str(flag)))
    assert str(raised.value) == message
    assert flag.read_text() == "x", "it was run once"


def test_a_cancelled_job_is_not_run_again(spark, tmp_path):
    flag, errors = tmp_path / "waiting", []

    def train() -> None:
        spark.sparkContext.addJobTag("mine")
        try:
            with chain(spark) as jobs:
                jobs.run(Waiting(flag=str(flag)))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    while not flag.exists():
        time.sleep(0.02)
    spark.sparkContext.cancelJobsWithTag("mine")
    thread.join(60)
    assert not thread.is_alive()
    assert "cancelled" in str(errors[0])
    assert flag.read_text() == "x", "it was run once"


def test_too_many_workers_are_refused_before_anything_runs(spark):
    assert default_workers(spark.range(1)) == 2
    with (
        pytest.raises(
            InvalidParamError, match=r"Net: param `numWorkers` is 3, so 3 tasks .* can run 2; reduce"
        ),
        Chain(spark.range(9), ["id"], 3, owner="Net"),
    ):
        pass


def test_dynamic_allocation_is_refused():
    settings = {"spark.dynamicAllocation.enabled": "true", "spark.master": "yarn"}
    session = SimpleNamespace(conf=settings)
    with pytest.raises(
        InvalidParamError, match=r"spark.dynamicAllocation.enabled=false and spark.executor.instances=4"
    ):
        slots.check_slots(session, 4, "Net", 1.0)
