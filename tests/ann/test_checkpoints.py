"""Checkpoints of trainings: a later fit goes on from them, and the model is that of an undisturbed one."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from trainings import Broken, classes, frame, is_same, network, stopping

from mmlrs.ann import _checkpoints, _spark, _table
from mmlrs.engine.training import Specification
from mmlrs.errors import InvalidParamError, IoError

GOES_ON = "goes on after (iteration|epoch) {}, from the checkpoint .* delete that file to begin anew"


@pytest.fixture(autouse=True)
def _short_jobs(monkeypatch):
    """Jobs of one iteration, each of which writes a checkpoint."""
    monkeypatch.setattr(_table._Runner, "seconds", 0.0)
    monkeypatch.setattr(_checkpoints, "_REST", 0.0)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def interrupted(monkeypatch, folder: Path, jobs: int, table: pa.Table | None = None, **params) -> Path:
    """Run a fit whose driver ends during a job; return the checkpoint of the job before."""
    before = set(files(folder))
    with monkeypatch.context() as patch, pytest.raises(Broken):
        stopping(patch, jobs)
        network(checkpointDir=str(folder), **params).fit(classes() if table is None else table)
    [path] = set(files(folder)) - before
    return path


SOLVERS = {
    "l-bfgs": {"maxIter": 12},
    "gd": {"maxIter": 8, "stepSize": 0.5},
    "sgd": {"epochs": 6, "schedule": "cosine"},
    "adam": {"epochs": 6, "dropout": 0.2, "validationFraction": 0.3, "earlyStopping": 4},
    "adamw": {"epochs": 6, "localSteps": 2},
}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_on_a_table_goes_on_and_its_model_is_the_same(solver, tmp_path, monkeypatch):
    params = {"solver": solver, **SOLVERS[solver]}
    undisturbed = network(**params).fit(classes())
    path = interrupted(monkeypatch, tmp_path, 3, **params)
    assert path.parent.parent == tmp_path
    assert path.parent.name.startswith("MultilayerPerceptronClassifier-")
    with pytest.warns(UserWarning, match=GOES_ON.format(3)):
        model = network(**params, checkpointDir=str(tmp_path)).fit(classes())
    if (
        solver != "adamw"
    ):  # with local steps each worker has moments of its own, which start anew with each job
        assert is_same(model, undisturbed)
    assert model.history.num_rows == undisturbed.history.num_rows
    assert model.finish == undisturbed.finish
    assert not files(tmp_path), "a finished training has no checkpoint"


def test_a_fit_after_a_finished_one_trains_again(tmp_path, recwarn):
    first, second = (network(maxIter=3, checkpointDir=str(tmp_path)).fit(classes()) for _ in range(2))
    assert is_same(first, second)
    assert not recwarn.list
    assert not list(tmp_path.iterdir())


def other_label() -> pa.Table:
    table = classes()
    label = table["label"].to_numpy().copy()
    label[7] = 1 - label[7]
    return table.set_column(1, "label", pa.array(label))


OTHERS = {
    "seed": (classes, {"seed": 8}),
    "iterations": (classes, {"maxIter": 11}),
    "network": (classes, {"layers": [3, 5, 2]}),
    "initial weights": (classes, {"initialWeights": np.ones(3 * 4 + 4 + 4 * 2 + 2)}),
    "regularization": (classes, {"l2": 0.1}),
    "handling of bad rows": (classes, {"handleInvalid": "skip"}),
    "one label": (other_label, {}),
    "one row less": (lambda: classes().slice(1), {}),
    "weights": (lambda: classes().append_column("w", pa.array([2.0] * 120)), {"weightCol": "w"}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_fit_with_another_one_of_these_begins_anew_and_leaves_the_checkpoint_alone(
    what, tmp_path, monkeypatch
):
    path = interrupted(monkeypatch, tmp_path, 3, maxIter=12)
    content = path.read_bytes()
    table, params = OTHERS[what]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = network(**{"maxIter": 12, **params}, checkpointDir=str(tmp_path)).fit(table())
        expected = network(**{"maxIter": 12, **params}).fit(table())
    assert is_same(model, expected)
    assert (files(tmp_path), path.read_bytes()) == ([path], content)


@pytest.mark.parametrize("how", ["chunks", "blockSize", "file URI", "columns that are not read"])
def test_a_fit_that_differs_in_nothing_that_counts_goes_on(how, tmp_path, monkeypatch):
    interrupted(monkeypatch, tmp_path, 3, maxIter=12)
    table, params, folder = classes(), {}, str(tmp_path)
    if how == "chunks":
        table = pa.concat_tables([table.slice(0, 50), table.slice(50, 0), table.slice(50)])
    elif how == "blockSize":
        params = {"blockSize": 64}
    elif how == "file URI":
        folder = f"file://{tmp_path}"
    else:
        table = table.append_column("other", pa.array(range(table.num_rows)))
    with pytest.warns(UserWarning, match=GOES_ON.format(3)):
        network(maxIter=12, **params, checkpointDir=folder).fit(table)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, changed, lambda _: b"", lambda _: b"[1]\n", lambda _: b"\x80" * 50])
def test_a_damaged_checkpoint_is_not_used_and_the_warning_says_so(damage, tmp_path, monkeypatch):
    path = interrupted(monkeypatch, tmp_path, 3, maxIter=6)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match="is damaged") as warned:
        model = network(maxIter=6, checkpointDir=str(tmp_path)).fit(classes())
    [warning] = warned
    assert "MultilayerPerceptronClassifier: the checkpoint" in str(warning.message)
    assert f"{path} is damaged" in str(warning.message)
    assert str(warning.message).endswith("the training begins anew and replaces it")
    assert is_same(model, network(maxIter=6).fit(classes()))


def test_a_checkpoint_of_a_newer_version_is_an_error(tmp_path, monkeypatch):
    path = interrupted(monkeypatch, tmp_path, 3, maxIter=6)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"version": 1', b'"version": 2', 1))
    message = r"MultilayerPerceptronClassifier: the checkpoint .* is from a newer version of mmlrs \(format 2.*or delete the file"
    with pytest.raises(IoError, match=message):
        network(maxIter=6, checkpointDir=str(tmp_path)).fit(classes())
    assert files(tmp_path) == [path], "the version that wrote it can go on"


def test_a_state_of_a_newer_version_is_an_error(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Broken):
        patch.setattr(_table._Runner, "state", lambda _: [b'{"version":2}'])
        stopping(patch, 2)
        network(maxIter=6, checkpointDir=str(tmp_path)).fit(classes())
    with pytest.raises(IoError, match=r"cannot be used: .*newer version.*or delete the file to begin anew"):
        network(maxIter=6, checkpointDir=str(tmp_path)).fit(classes())


@pytest.mark.parametrize("place", ["s3://bucket/folder", "hdfs:///folder", "dbfs:/folder"])
def test_a_folder_elsewhere_is_an_error_before_any_work(place):
    with pytest.raises(
        InvalidParamError, match=r"param `checkpointDir` must be a folder of the driver's file system .* got"
    ):
        network(checkpointDir=place).fit(classes())


def test_a_folder_that_cannot_be_created_is_an_error_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        IoError, match=r"Classifier: param `checkpointDir`: .*file/folder cannot be created: Not a directory"
    ):
        network(checkpointDir=str(tmp_path / "file" / "folder")).fit(classes())


def test_a_checkpoint_that_cannot_be_written_does_not_end_the_training(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.warns(
        UserWarning, match=r"No space left on device; .* bytes are free .*; the training goes on"
    ):
        model = network(maxIter=3, checkpointDir=str(tmp_path)).fit(classes())
    assert is_same(model, network(maxIter=3).fit(classes()))
    assert not files(tmp_path)


def test_a_checkpoint_that_takes_long_is_written_less_often(tmp_path, monkeypatch):
    """Two seconds each, so the next one is due 20 seconds after it; a job takes one."""
    monkeypatch.setattr(_checkpoints, "_REST", 10.0)
    now, written = [0.0], []

    def slowly(state, lines):
        now[0] += 2
        written.append(len(lines))
        return iter([b""])

    monkeypatch.setattr(_checkpoints, "_encoded", slowly)
    specification = Specification("Net", "{}", '{"solver": "gd"}', "{}", None, str(tmp_path))
    made = _checkpoints.Checkpoints(specification, "name", lambda: now[0])
    for job in range(50):
        made.save([b""], [{}] * job)
        now[0] += 1
    assert written == [0, 20, 40]


@pytest.mark.spark
def test_a_fit_on_spark_goes_on_and_its_model_is_the_same(spark, tmp_path, monkeypatch):
    params = {"solver": "adam", "epochs": 3}
    df = frame(spark)
    with monkeypatch.context() as patch, pytest.raises(Broken):
        patch.setattr(_spark._Runner, "seconds", 0.0)
        stopping(patch, 1)
        network(**params, checkpointDir=str(tmp_path)).fit(df)
    assert len(files(tmp_path)) == 1
    with pytest.warns(UserWarning, match=GOES_ON.format(1)):
        model = network(**params, checkpointDir=str(tmp_path)).fit(df)
    assert not files(tmp_path)
    assert is_same(model, network(**params).fit(df))
