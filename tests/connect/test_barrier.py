"""Chains of barrier jobs on Spark Connect."""

from __future__ import annotations

import pytest
from barrier_works import Killed, Refusing, Sum, total

from mmlrs.engine import barrier, slots
from mmlrs.engine.barrier import Chain, default_workers
from mmlrs.errors import DecodeError, InvalidParamError

pytestmark = pytest.mark.spark


def chain(spark, rows: int = 100, **options) -> Chain:
    return Chain(spark.range(0, rows, 1, 3), ["id"], 2, owner="Net", **options)


def test_a_state_of_any_size_goes_through_all_jobs(spark, monkeypatch):
    """9 MiB: first none, then the file that rank 0 kept, then one from the client, then in the function."""
    padding = 9 << 20
    sent = []
    send = barrier.send_chunks
    monkeypatch.setattr(barrier, "send_chunks", lambda *args: (sent.append(args[1]), send(*args)))
    with chain(spark) as jobs:
        state, _ = jobs.run(Sum(padding))
        state, reports = jobs.run(Sum(padding), state)
        assert (total(state), sent) == (2 * 4950, [])
        assert sum(report["rows"] for report in reports) == 100
        state, _ = jobs.run(Sum(padding), [bytes(piece) for piece in state])
        assert (total(state), len(sent)) == (3 * 4950, 1)
        monkeypatch.setattr(barrier, "INLINE_BYTES", 1 << 26)
        state, _ = jobs.run(Sum(padding), state)
        assert (total(state), len(sent)) == (4 * 4950, 1)
        data = jobs._data
        assert data.storageLevel.useMemory
    assert not data.storageLevel.useMemory


def test_a_killed_worker_costs_one_job_and_changes_nothing(spark, tmp_path):
    with chain(spark, rows=1) as jobs:
        state, _ = jobs.run(Sum())
        with pytest.warns(UserWarning, match=r"run again .*Python worker exited unexpectedly"):
            state, _ = jobs.run(Killed(flag=str(tmp_path / "killed")), state)
    assert total(state) == 0


def test_what_the_work_raises_reaches_the_user_once(spark, tmp_path):
    flag = tmp_path / "raised"
    with pytest.raises(DecodeError) as raised, chain(spark) as jobs:
        jobs.run(Refusing(flag=str(flag)))
    assert str(raised.value) == "Net: column `x`: row 7: has NaN"
    assert flag.read_text() == "x", "it was run once"


def test_too_many_workers_are_refused_before_anything_runs(spark):
    assert default_workers(spark.range(1)) == 2
    message = r"Net: param `numWorkers` is 3, so 3 tasks .* can run 2; reduce"
    with pytest.raises(InvalidParamError, match=message), Chain(spark.range(9), ["id"], 3, owner="Net"):
        pass


def test_a_cluster_whose_slots_are_unknown_is_tried(spark, monkeypatch):
    monkeypatch.setattr(slots, "_is_local", lambda session: False)
    slots.check_slots(spark, 2, "Net", 30.0)
    monkeypatch.setattr(slots, "slots", lambda session: 3)
    with pytest.raises(InvalidParamError, match=r"they did not start within 1 s \(about 3 can\)"):
        slots.check_slots(spark, 3, "Net", 1.0)
