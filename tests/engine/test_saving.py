"""A stage is saved whole or not at all, and what is on its way is removed."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

import mmlrs._places as places
from mmlrs.engine import artifacts
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.image import write_images
from mmlrs.onnx import ONNXModel
from mmlrs.stages import MultiColumnAdapter, SelectColumns, Timer
from mmlrs.testing import sample_image, sample_model
from mmlrs.text import UnicodeNormalize


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes, as on a disk that is full.

    Only for the save itself: the limit holds for the whole process, so also for the file that the tests' own output goes to.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def nested(column: str) -> Timer:
    return Timer(stage=MultiColumnAdapter(baseStage=UnicodeNormalize(), inputCols=[column], outputCols=["b"]))


def failing_after(monkeypatch, writes: int, error: BaseException | None = None) -> None:
    """Let the writing of metadata fail after some of them."""
    import mmlrs.persistence as persistence

    write, left = persistence._write_metadata, [writes]

    def limited(*args):
        left[0] -= 1
        if left[0] < 0:
            raise error or OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*args)

    monkeypatch.setattr(persistence, "_write_metadata", limited)


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_save_that_fails_leaves_nothing_and_tells_the_path_and_the_space(
    writes, tmp_path, monkeypatch, no_session
):
    failing_after(monkeypatch, writes)
    path = tmp_path / "folder" / "stage"
    with pytest.raises(
        IoError,
        match=rf"^{path}: the Timer cannot be saved: No space left on device; [\d,]+ of [\d,]+ bytes are free at /",
    ):
        nested("a").save(path)
    assert [p for p in tmp_path.rglob("*") if p.name != "folder"] == []


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_an_overwrite_that_fails_leaves_the_older_stage(writes, tmp_path, monkeypatch, no_session):
    path = tmp_path / "stage"
    nested("old").save(path)
    with monkeypatch.context() as patch:
        failing_after(patch, writes)
        with pytest.raises(IoError, match="No space left on device"):
            nested("new").write().overwrite().save(path)
    assert Timer.load(path).getStage().getInputCols() == ["old"]
    assert os.listdir(tmp_path) == ["stage"]
    nested("new").write().overwrite().save(path)
    assert Timer.load(path).getStage().getInputCols() == ["new"]
    assert os.listdir(tmp_path) == ["stage"]


@pytest.mark.parametrize("at", [0, 1])
def test_a_rename_that_fails_brings_the_older_stage_back(at, tmp_path, monkeypatch, no_session):
    path = tmp_path / "stage"
    SelectColumns(cols=["old"]).save(path)
    rename, calls = os.rename, []

    def failing(old, new):
        calls.append(new)
        if len(calls) == at + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        rename(old, new)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(IoError, match=f"{path}: the SelectColumns cannot be saved: Input/output error"):
        SelectColumns(cols=["new"]).write().overwrite().save(path)
    assert SelectColumns.load(path).getCols() == ["old"]
    assert os.listdir(tmp_path) == ["stage"]


def test_an_interrupted_save_leaves_nothing(tmp_path, monkeypatch, no_session):
    failing_after(monkeypatch, 1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        nested("a").save(tmp_path / "stage")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_while_models_are_written(tmp_path, no_session):
    path = tmp_path / "stage"
    stage = ONNXModel(model=sample_model())
    with (
        pytest.raises(
            IoError, match=rf"{path}: the ONNXModel cannot be saved: .*File too large.* bytes are free"
        ),
        full_disk(),
    ):
        stage.save(path)
    assert os.listdir(tmp_path) == []


def test_a_killed_save_is_no_stage(tmp_path):
    program = textwrap.dedent(
        """
        import os, sys
        import mmlrs.persistence as persistence
        from mmlrs.onnx import ONNXModel
        from mmlrs.stages import Timer
        from mmlrs.testing import sample_model
        path = sys.argv[1]
        Timer(stage=ONNXModel(model=sample_model())).save(path)
        write = persistence._write_metadata
        def killed(spark, folder, text):
            if "/stages/" not in folder:
                os._exit(9)
            write(spark, folder, text)
        persistence._write_metadata = killed
        Timer(stage=ONNXModel(model=sample_model()), disableMaterialization=True).write().overwrite().save(path)
        """
    )
    path = tmp_path / "stage"
    done = subprocess.run([sys.executable, "-c", program, path], check=False)
    assert done.returncode == 9
    assert Timer.load(path).getDisableMaterialization() is False
    [part] = [p for p in tmp_path.iterdir() if p != path]
    assert (part / "stages" / "stage" / "models").exists()
    with pytest.raises(IoError, match=rf"{part}: .*incomplete: saved by a process that did not finish"):
        Timer.load(part)


def test_a_stage_without_its_metadata_is_incomplete(tmp_path, no_session):
    path = tmp_path / "stage"
    nested("a").save(path)
    inner = path / "stages" / "stage"
    for part in (inner / "metadata").iterdir():
        part.unlink()
    with pytest.raises(
        IoError, match=rf"{inner}/metadata: is empty; the stage is incomplete: saved by a process"
    ):
        Timer.load(path)


def test_a_folder_that_holds_something_is_replaced_only_when_asked(tmp_path, no_session):
    path = tmp_path / "stage"
    path.mkdir()
    SelectColumns(cols=["a"]).save(path)
    with pytest.raises(IoError, match=rf"{path}: already exists; use write\(\)\.overwrite\(\)"):
        SelectColumns(cols=["b"]).save(f"{path}/")
    link = tmp_path / "link"
    link.symlink_to(path)
    SelectColumns(cols=["b"]).write().overwrite().save(link)
    assert link.is_symlink()
    assert SelectColumns.load(path).getCols() == ["b"]
    assert sorted(os.listdir(tmp_path)) == ["link", "stage"]


def test_no_path_at_all_is_refused(no_session):
    with pytest.raises(InvalidParamError, match="SelectColumns: the path to save to must not be empty"):
        SelectColumns(cols=["a"]).save("")


# -- on Spark ---------------------------------------------------------------------------------------------------------


@pytest.mark.spark
@pytest.mark.parametrize("way", ["local", "hadoop"])
def test_on_spark_a_save_is_whole_or_nothing(way, spark, tmp_path, monkeypatch):
    if way == "hadoop":  # as where this machine does not see the files
        monkeypatch.setattr(places, "_Local", lambda: places._Hadoop(spark))
    path = tmp_path / "stage"
    nested("old").save(path)
    with monkeypatch.context() as patch:
        failing_after(patch, 2)
        with pytest.raises(IoError, match=rf"{path}: the Timer cannot be saved: No space left on device; "):
            nested("new").write().overwrite().save(path)
    assert Timer.load(path).getStage().getInputCols() == ["old"]
    with pytest.raises(IoError, match="already exists"):
        nested("new").save(path)
    SelectColumns(cols=["new"]).write().overwrite().save(path)
    assert SelectColumns.load(path).getCols() == ["new"]
    assert [name for name in os.listdir(tmp_path) if not name.endswith(".crc")] == ["stage"]
    assert not (path / "stages").exists()


@pytest.mark.spark
def test_on_spark_a_stage_without_metadata_is_incomplete(spark, tmp_path):
    (tmp_path / "stage" / "models").mkdir(parents=True)
    with pytest.raises(
        IoError, match=r"has no metadata .*incomplete: saved by a process that did not finish"
    ):
        SelectColumns.load(tmp_path / "stage")


@pytest.mark.spark
def test_where_nothing_can_be_renamed_the_older_content_stays_until_the_metadata_are_written(
    spark, tmp_path, monkeypatch
):
    monkeypatch.setattr(places, "_has_parent", lambda path: False)
    path = tmp_path / "stage"
    Timer(stage=ONNXModel(model=sample_model())).save(path)
    with monkeypatch.context() as patch:
        failing_after(patch, 1)
        with pytest.raises(IoError, match="No space left on device"):
            nested("new").write().overwrite().save(path)
    assert isinstance(Timer.load(path).getStage(), ONNXModel)
    nested("new").write().overwrite().save(path)
    assert Timer.load(path).getStage().getInputCols() == ["new"]
    assert len([name for name in os.listdir(path) if name.startswith("content-")]) == 1
    part = next((path / "metadata").glob("part-*"))
    part.write_text(json.dumps(json.loads(part.read_text()) | {"content": "../../elsewhere"}))
    part.with_name(f".{part.name}.crc").unlink()
    with pytest.raises(IoError, match=r"names '\.\./\.\./elsewhere' as the folder of the content"):
        Timer.load(path)


# -- other files ------------------------------------------------------------------------------------------------------


def picture_table() -> pa.Table:
    from mmlrs.image import ImageTransformer

    made = ImageTransformer(inputCol="image", outputCol="image2").transform(
        pa.table({"image": [sample_image("png")] * 2})
    )
    return pa.table({"image": made["image2"], "name": ["a", "b"]})


def test_written_images_leave_no_other_file(tmp_path):
    assert write_images(picture_table(), tmp_path / "out", name_col="name") == 2
    assert sorted(os.listdir(tmp_path / "out")) == ["a.png", "b.png"]


def test_images_that_cannot_be_written_leave_no_part_and_tell_the_space(tmp_path):
    pictures = picture_table()
    with (
        pytest.raises(
            IoError, match=rf"write_images: {tmp_path}/out: cannot be written: .* bytes are free at"
        ),
        full_disk(),
    ):
        write_images(pictures, tmp_path / "out", name_col="name")
    assert os.listdir(tmp_path / "out") == []


def test_a_model_on_its_way_leaves_no_part_and_tells_the_space():
    data = b"x" * 10_000
    folder = Path(artifacts._folder(os.getpid()))
    with (
        pytest.raises(IoError, match=r"a model of 10,000 bytes cannot be written .* bytes are free at"),
        full_disk(),
    ):
        artifacts._file("0" * 64, data)
    assert not list(folder.glob("*" + "0" * 64 + "*"))
