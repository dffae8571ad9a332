"""What goes wrong during a training: killed workers, executors and drivers, interrupts, divergence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from places import ROOT, TESTS
from trainings import Hanging, Killed, Waiting, classes, frame, is_same, network

from mmlrs.ann import _spark, _table
from mmlrs.errors import ExecutionError

AGAIN = r"Classifier: a job failed and is run again from its beginning \(1 of at most 3 times\): "


def program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(TESTS / "ann" / f"{name}.py"), *arguments]


ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TESTS)])}


@pytest.fixture(autouse=True)
def _short_jobs(monkeypatch):
    """One iteration in each job on Spark, however fast the machine is."""
    monkeypatch.setattr(_spark._Runner, "seconds", 0.0)


@pytest.fixture(scope="module")
def undisturbed(spark):
    return network(maxIter=3).fit(frame(spark))


# -- workers ----------------------------------------------------------------------------------------------------------


@pytest.mark.spark
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Killed, "Python worker exited unexpectedly"),
        (Hanging, "PeerLostError: task 0 on .* closed the connection"),
    ],
)
def test_a_worker_that_dies_or_hangs_in_the_middle_of_an_iteration_changes_nothing(
    kind, reason, spark, undisturbed, tmp_path, monkeypatch
):
    flag = tmp_path / "happened"
    monkeypatch.setattr(_spark, "TrainingWork", partial(kind, flag=str(flag)))
    with pytest.warns(UserWarning, match=AGAIN + ".*" + reason):
        model = network(maxIter=3).fit(frame(spark))
    assert is_same(model, undisturbed)
    assert flag.read_text() == "xxx", "the second job ran twice, the third one once"


@pytest.mark.slow
@pytest.mark.spark
def test_an_executor_of_a_standalone_cluster_that_is_killed_changes_nothing(undisturbed, tmp_path):
    done = subprocess.run(
        program("executor_killed", str(tmp_path)),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    [warning] = result["warnings"]
    assert "ExecutorLostFailure" in warning
    assert result["weights"] == undisturbed.weights.tolist()


# -- the driver -------------------------------------------------------------------------------------------------------


def kill_driver(place: str, folder: Path, params: dict) -> int:
    """Kill a driver that has written a checkpoint; return the number of iterations that it has."""
    with subprocess.Popen(
        program("driver_killed", place, str(folder), json.dumps(params)), env=ENVIRONMENT
    ) as driver:
        while not (found := list(folder.glob("*/checkpoint"))):
            assert driver.poll() is None, "the driver ended before it was killed"
            time.sleep(0.001)
        driver.send_signal(signal.SIGKILL)
    assert driver.returncode == -signal.SIGKILL
    header = json.loads(found[0].read_bytes().partition(b"\n")[0])
    return header["lines"][-1]["iteration"]


def test_a_killed_driver_goes_on_with_a_table(tmp_path):
    params = {"solver": "gd", "maxIter": 20_000}
    done = kill_driver("table", tmp_path, params)
    assert done < 20_000
    with pytest.warns(UserWarning, match=f"goes on after iteration {done}, from the checkpoint"):
        model = network(**params, checkpointDir=str(tmp_path)).fit(classes())
    assert is_same(model, network(**params).fit(classes()))
    assert not list(tmp_path.iterdir()), "neither the checkpoint nor unfinished files are left"


@pytest.mark.slow
@pytest.mark.spark
def test_a_killed_driver_goes_on_with_spark(spark, undisturbed, tmp_path):
    done = kill_driver("spark", tmp_path, {"maxIter": 3})
    assert done < 3
    with pytest.warns(UserWarning, match=f"goes on after iteration {done}, from the checkpoint"):
        model = network(maxIter=3, checkpointDir=str(tmp_path)).fit(frame(spark))
    assert is_same(model, undisturbed)


def interrupt_when(condition) -> threading.Thread:
    """Press Ctrl-C when a condition is met."""

    def press() -> None:
        while not condition():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    return thread


def test_ctrl_c_ends_a_training_on_a_table_whose_checkpoint_remains(tmp_path):
    thread = interrupt_when(lambda: list(tmp_path.glob("*/checkpoint")))
    with pytest.raises(KeyboardInterrupt):
        network(solver="gd", maxIter=1_000_000, checkpointDir=str(tmp_path)).fit(classes())
    thread.join()
    assert len(list(tmp_path.glob("*/*"))) == 1
    assert network(maxIter=3).fit(classes()).finish == "iterations", "the next training works"


@pytest.mark.spark
def test_ctrl_c_ends_a_training_on_spark_and_nothing_is_left(spark, tmp_path, monkeypatch):
    cached = spark.sparkContext._jsc.getPersistentRDDs().size()
    flag = tmp_path / "running"
    monkeypatch.setattr(_spark, "TrainingWork", partial(Waiting, flag=str(flag)))
    thread = interrupt_when(flag.exists)
    with pytest.raises(KeyboardInterrupt):
        network(maxIter=3).fit(frame(spark))
    thread.join()
    tracker = spark.sparkContext.statusTracker()
    until = time.monotonic() + 30
    while tracker.getActiveJobsIds() and time.monotonic() < until:
        time.sleep(0.01)
    assert not tracker.getActiveJobsIds()
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == cached


# -- divergence -------------------------------------------------------------------------------------------------------

DIVERGING = {
    "sgd": {"solver": "sgd", "stepSize": 500.0, "epochs": 300},
    "gd": {"solver": "gd", "stepSize": 5000.0, "maxIter": 30},
    "early stopping": {
        "solver": "sgd",
        "stepSize": 500.0,
        "epochs": 300,
        "validationFraction": 0.2,
        "earlyStopping": 300,
    },
}


@pytest.mark.parametrize("seconds", [0.0, 2.0])
@pytest.mark.parametrize("what", DIVERGING)
def test_a_training_that_diverges_says_so_and_has_the_last_good_weights(what, seconds, monkeypatch):
    monkeypatch.setattr(_table._Runner, "seconds", seconds)
    params = DIVERGING[what]
    with pytest.warns(
        UserWarning, match=r"the loss is not a finite number after (epoch|iteration) \d+; the model has"
    ) as warned:
        model = network(activation="relu", **params).fit(classes())
    assert model.finish == "diverged"
    done = model.history["iteration"].to_pylist()[-1]
    assert f" {done};" in str(warned[0].message)
    assert np.isfinite(model.weights).all()
    assert np.isfinite(model.history["loss"]).all()
    # A training that ends there is the same.
    name = "maxIter" if what == "gd" else "epochs"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*the training ended with the loss")
        assert is_same(model, network(activation="relu", **{**params, name: done}).fit(classes()))


@pytest.mark.filterwarnings("ignore:.*ended with the loss")
def test_the_loss_of_gradient_descent_is_finite_at_the_last_good_weights(monkeypatch):
    with pytest.warns(UserWarning, match="the loss is not a finite number"):
        model = network(activation="relu", **DIVERGING["gd"]).fit(classes())
    again = network(solver="gd", maxIter=1, activation="relu", stepSize=1e-30, initialWeights=model).fit(
        classes()
    )
    assert np.isfinite(again.history["loss"][0].as_py())


@pytest.mark.parametrize("solver", ["sgd", "adam", "gd"])
def test_a_training_that_diverges_at_once_is_an_error(solver):
    message = r"Classifier: the loss is not a finite number from the first (epoch|iteration) on; scale the features, or use a smaller"
    with pytest.raises(ExecutionError, match=message):
        network(layers=[3, 8, 8, 2], solver=solver, activation="relu", stepSize=1e37).fit(classes())


@pytest.mark.spark
def test_a_training_on_spark_that_diverges_has_the_last_good_weights(spark, monkeypatch):
    monkeypatch.setattr(_spark._Runner, "seconds", 15.0)
    with pytest.warns(UserWarning, match="the loss is not a finite number after epoch"):
        model = network(activation="relu", solver="sgd", stepSize=500.0, epochs=10).fit(frame(spark))
    assert np.isfinite(model.weights).all()
    assert model.finish == "diverged"
