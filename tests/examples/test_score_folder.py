"""Scoring a folder: every picture is in the result once, whatever happens on the way."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from memory_cards import fill, picture, study_model
from places import ROOT

from mmlrs.camera_traps import read_coco, read_megadetector
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.examples.camera_traps import score as module
from mmlrs.examples.camera_traps import score_folder
from mmlrs.examples.camera_traps.journal import Journal
from mmlrs.examples.camera_traps.saved_study import StudyModel

COUNT, DAMAGED = 400, 9


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    fill(folder, COUNT, DAMAGED)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "model"
    study_model(gap_seconds=3.0).write(folder)
    return folder


def lines(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {row["file"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def command(model: Path, card: Path, out: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "mmlrs.examples.camera_traps.score"]
    return [
        *program,
        "--model",
        str(model),
        "--images",
        str(card),
        "--out",
        str(out),
        "--format",
        "csv",
        *more,
    ]


def kill_after(batches: int, arguments: list[str], journal: Path, pause: float) -> None:
    """Start a process and kill it when it has added so many batches and a moment has passed."""
    before = len(list(journal.glob("batch-*")))
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        while len(list(journal.glob("batch-*"))) < before + batches:
            assert process.poll() is None, "the process ended before it was killed"
            time.sleep(0.001)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_after_two_kills_every_picture_is_in_the_result_once_with_the_scores_of_an_undisturbed_run(
    card, saved, tmp_path
):
    chance = random.Random(7)
    out, journal = tmp_path / "scores.csv", tmp_path / "scores.csv.partial"
    arguments = command(saved, card, out, "--batch-size", "5")
    for _ in range(2):
        kill_after(chance.randint(3, 15), arguments, journal, chance.random() / 100)
    assert not out.exists()
    # The last batch as a loss of power may leave it.
    last = max(journal.glob("batch-*"))
    last.write_bytes(last.read_bytes()[:40])
    kept = len(list(journal.glob("batch-*"))) - 1
    finished = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"{kept * 5:,} done by an earlier run" in finished.stdout
    assert not journal.exists()
    undisturbed = tmp_path / "undisturbed.csv"
    done = score_folder(saved, card, "csv", undisturbed)
    assert (done.scored, done.failed, done.resumed) == (COUNT - DAMAGED, DAMAGED, 0)
    assert out.read_bytes() == undisturbed.read_bytes()
    rows = lines(out)
    assert sorted(rows) == sorted(str(path.relative_to(card)) for path in card.rglob("*.jpg"))
    failed = {file for file, row in rows.items() if row["failure"]}
    assert failed == {f"south/{number:05}.jpg" for number in range(COUNT - DAMAGED, COUNT)}
    assert all((row["score"] == "") == (row["failure"] != "") for row in rows.values())


def test_a_burst_has_the_mean_of_its_scores_and_failed_pictures_take_no_part(tmp_path):
    folder = tmp_path / "card"
    contents = {
        "north/1.jpg": picture(1, "2024:05:01 10:00:00"),
        "north/2.jpg": picture(2, "2024:05:01 10:00:02"),
        "north/3.jpg": b"",
        "north/4.jpg": picture(4, "2024:05:01 11:00:00"),
        "south/5.jpg": picture(5, "2024:05:01 10:00:01"),
        "south/6.jpg": picture(6),
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    names = list(contents)
    own = study_model().score(pa.table({"file": names, "image": pa.array(contents.values(), pa.binary())}))
    first, second, _, fourth, fifth, sixth = own["probability"].to_pylist()
    score_folder(study_model(gap_seconds=60), folder, "csv", tmp_path / "a.csv")
    scores = {file: row["score"] for file, row in lines(tmp_path / "a.csv").items()}
    mean = (first + second) / 2
    expected = [mean, mean, None, fourth, fifth, sixth]
    for name, value in zip(names, expected, strict=True):
        assert scores[name] == "" if value is None else float(scores[name]) == pytest.approx(value, abs=1e-12)
    done = score_folder(study_model(gap_seconds=60, threshold=mean), folder, "coco", tmp_path / "a.json")
    read = read_coco(tmp_path / "a.json")
    assert read["frames"].to_pylist()[:2] == [2, 2]
    assert read["frame"].to_pylist()[:2] == [0, 1]
    assert read["sequence"][0].as_py() == "north@2024-05-01T10:00:00"
    assert done.above == 3


def test_the_formats_hold_scores_labels_and_reasons(tmp_path):
    fill(tmp_path / "card", 6, 2)
    files = [str(path.relative_to(tmp_path / "card")) for path in sorted((tmp_path / "card").rglob("*.jpg"))]
    model = study_model(threshold=0.12345, variant="RN2")
    score_folder(model, tmp_path / "card", "csv", tmp_path / "a.csv")
    rows = lines(tmp_path / "a.csv")
    assert [rows[file]["label"] for file in files] == ["no cat", "cat", "no cat", "cat", "", ""]
    assert rows[files[1]]["location"] == "north"
    assert rows[files[1]]["time"] == "2024-05-01 10:00:01"

    score_folder(model, tmp_path / "card", "megadetector", tmp_path / "a.json")
    table = read_megadetector(tmp_path / "a.json")
    assert table["file"].to_pylist() == files
    for row in table.to_pylist()[:4]:
        [found] = row["detections"]
        assert (found["label"], found["x"], found["y"], found["width"], found["height"]) == (
            "cat",
            0,
            0,
            1,
            1,
        )
        assert found["score"] == round(float(rows[row["file"]]["score"]), 3)
    assert table["detections"].is_null().to_pylist() == [False] * 4 + [True] * 2
    assert table["failure"].to_pylist()[4:] == [rows[file]["failure"] for file in files[4:]]
    info = json.loads((tmp_path / "a.json").read_text())["info"]
    assert info["detector"] == "mmlrs cat RN2"
    assert info["detector_metadata"]["typical_detection_threshold"] == 0.123

    score_folder(model, tmp_path / "card", "coco", tmp_path / "b.json")
    coco = read_coco(tmp_path / "b.json")
    assert coco["labels"].to_pylist() == [["no cat"], ["cat"], ["no cat"], ["cat"], None, None]
    assert coco["corrupt"].to_pylist() == [False] * 4 + [True] * 2
    assert coco["width"].to_pylist()[:4] == [24] * 4
    info = json.loads(coco.schema.metadata[b"mmlrs.coco"])["info"]
    assert info["failures"] == {file: rows[file]["failure"] for file in files[4:]}


def test_what_is_in_the_folder_is_scored_failed_or_counted(tmp_path):
    card = tmp_path / "card"
    fill(card, 2)
    good = picture(1)
    for name in (
        "B.JPG",
        "c.JPeG",
        "._a.jpg",
        ".hidden.jpg",
        "film.mp4",
        ".trash/x.jpg",
        "DCIM/100RECNX/1.jpg",
    ):
        (card / name).parent.mkdir(parents=True, exist_ok=True)
        (card / name).write_bytes(good)
    (card / "loop").symlink_to(card)
    (card / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (card / "folder.jpg").mkdir()
    (card / "folder.jpg" / "in.png").write_bytes(b"text")
    os.mkfifo(card / "pipe.jpg")
    (card / os.fsdecode(b"\xfc.jpg")).write_bytes(good)
    done = score_folder(study_model(), card, "csv", tmp_path / "a.csv")
    rows = lines(tmp_path / "a.csv")
    assert {file: row["failure"] for file, row in rows.items() if row["failure"]} == {
        "gone.jpg": "cannot be read: No such file or directory",
        "folder.jpg/in.png": "not an image: 4 bytes that start with 74 65 78 74 are in no known format",
        "pipe.jpg": "cannot be read: it is not a regular file",
    }
    assert sorted(file for file, row in rows.items() if not row["failure"]) == [
        "B.JPG",
        "DCIM/100RECNX/1.jpg",
        "c.JPeG",
        "north/00000.jpg",
        "south/00001.jpg",
        "ü.jpg",
    ]
    assert (done.scored, done.failed, done.hidden, done.others, done.links) == (6, 3, 3, 1, 1)
    assert rows["B.JPG"]["location"] == "card"
    assert rows["DCIM/100RECNX/1.jpg"]["location"] == "card"


def test_a_file_without_permission_is_a_failure_and_is_tried_again(tmp_path, monkeypatch):
    fill(tmp_path / "card", 2)
    opened = open

    def refused(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("00001.jpg"):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(module, "open", refused, raising=False)
    done = score_folder(study_model(), tmp_path / "card", "csv", tmp_path / "a.csv")
    assert (done.scored, done.failed) == (1, 1)
    assert lines(tmp_path / "a.csv")["south/00001.jpg"]["failure"] == "cannot be read: Permission denied"


class Killed(Exception):
    """The process ended."""


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A run that ended before its result was written."""
    fill(tmp_path / "card", 20)

    def end(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "finish", end)
        with pytest.raises(Killed):
            score_folder(study_model(), tmp_path / "card", "csv", tmp_path / "a.csv", batch_size=4)
    return tmp_path


def again(folder: Path, model: StudyModel | None = None, **options: Any) -> Any:
    return score_folder(model or study_model(), folder / "card", "csv", folder / "a.csv", **options)


def test_what_changed_or_vanished_since_is_not_taken_from_the_journal(interrupted):
    changed, gone = (interrupted / "card" / name for name in ("north/00002.jpg", "north/00003.jpg"))
    changed.write_bytes(picture(7))
    gone.unlink()
    (interrupted / "card" / "new.jpg").write_bytes(picture(9))
    done = again(interrupted)
    assert (done.scored, done.resumed) == (20, 18)
    rows = lines(interrupted / "a.csv")
    assert (rows["north/00002.jpg"]["label"], rows["new.jpg"]["label"]) == ("cat", "cat")
    assert "north/00003.jpg" not in rows


def test_a_journal_of_another_model_or_folder_is_refused_or_begun_anew(interrupted):
    with pytest.raises(InvalidParamError, match=r"is of other work: model .* instead of .*restart=True"):
        again(interrupted, study_model(threshold=0.9))
    (interrupted / "card").rename(interrupted / "other")
    with pytest.raises(InvalidParamError, match=r"is of other work: folder .*card instead of .*other"):
        score_folder(study_model(), interrupted / "other", "csv", interrupted / "a.csv")
    (interrupted / "other").rename(interrupted / "card")
    assert again(interrupted, study_model(threshold=0.9), restart=True).resumed == 0


def test_batches_of_another_journal_and_damaged_ones_are_done_again(interrupted):
    journal = interrupted / "a.csv.partial"
    (journal / "header.json").unlink()
    batches = sorted(journal.glob("batch-*"))
    batches[0].write_bytes(b"")
    checksum, _, content = batches[1].read_bytes().partition(b"\n")
    batches[1].write_bytes(checksum + b"\n" + content.replace(b"0.9", b"0.8", 1))
    (journal / ".mmlrs-0123abcd.part").write_bytes(b"half")
    done = again(interrupted)
    assert (done.scored, done.resumed) == (20, 12)
    assert not journal.exists()


def test_two_processes_do_not_write_one_result(interrupted):
    about = {"model": study_model().identity, "folder": os.path.realpath(interrupted / "card")}
    with (
        Journal("test", str(interrupted / "a.csv.partial"), about),
        pytest.raises(IoError, match="in use: another process writes the same result"),
    ):
        again(interrupted)
    assert again(interrupted).resumed == 20


def test_a_folder_of_other_files_is_no_journal(tmp_path):
    fill(tmp_path / "card", 1)
    (tmp_path / "a.csv.partial").mkdir()
    (tmp_path / "a.csv.partial" / "thesis.doc").write_text("x")
    with pytest.raises(IoError, match=r"has other files, such as 'thesis\.doc'"):
        again(tmp_path, restart=True)
    assert (tmp_path / "a.csv.partial" / "thesis.doc").exists()


def test_batches_have_few_pictures_and_few_bytes(tmp_path, monkeypatch):
    fill(tmp_path / "card", 30)
    sizes = []
    score = StudyModel.score

    def counted(model: StudyModel, table: pa.Table) -> pa.Table:
        sizes.append((len(table), sum(map(len, table["image"].to_pylist()))))
        return score(model, table)

    monkeypatch.setattr(StudyModel, "score", counted)
    monkeypatch.setattr(module, "BATCH_BYTES", 5000)
    score_folder(study_model(), tmp_path / "card", "csv", tmp_path / "a.csv", batch_size=8)
    assert sum(count for count, _ in sizes) == 30
    assert max(count for count, _ in sizes) <= 8
    assert 2000 < max(size for _, size in sizes) <= 5000


def test_the_default_file_is_in_the_folder_and_is_not_a_picture_of_it(tmp_path):
    fill(tmp_path, 2)
    done = score_folder(study_model(), tmp_path)
    assert done.path == os.path.realpath(tmp_path / "mmlrs-scores.json")
    assert str(done).startswith(f"{done.path}: 2 pictures scored, 1 from the threshold on, 0 failed")
    assert score_folder(study_model(), tmp_path).others == 1


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"format": "xml"}, 'param `format` must be one of "megadetector", "csv", "coco", got \'xml\''),
        ({"batch_size": 0}, "param `batch_size` must be a whole number of at least 1, got 0"),
        ({"camera_levels": -1}, "param `camera_levels` must be a whole number of at least 0"),
        ({"folder": "nowhere"}, "param `folder`: nowhere does not exist"),
        ({"folder": "s3://bucket/card"}, "param `folder` must be a local path"),
        ({"output": "no/such/a.csv"}, "cannot be written: there is no folder"),
        ({"output": "."}, "is a folder; pass the path of a file"),
        ({"model": "nowhere"}, "holds no model of a study"),
    ],
)
def test_bad_input_is_one_error_before_any_work(given, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "card", 1)
    with pytest.raises((InvalidParamError, IoError), match=problem):
        score_folder(**{"model": study_model(), "folder": "card", **given})
    assert sorted(os.listdir(tmp_path / "card")) == ["south"]


def test_a_folder_without_pictures_and_names_that_no_result_can_hold_are_errors(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"x")
    with pytest.raises(InvalidParamError, match=r"there are no pictures in .* there is 1 other file"):
        score_folder(study_model(), tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.jpg").write_bytes(b"x")
    (tmp_path / "a\\b.jpg").write_bytes(b"x")
    with pytest.raises(InvalidParamError, match="has the same path as row"):
        score_folder(study_model(), tmp_path)


@pytest.mark.parametrize(
    ("levels", "expected"), [(None, ["site/north", "site/north"]), (1, ["site"] * 2), (0, ["card"] * 2)]
)
def test_the_camera_is_the_folder_without_those_that_cameras_make(levels, expected, tmp_path):
    for name in ("DCIM/100RECNX/1.jpg", "DCIM/101RECNX/1.jpg"):
        path = tmp_path / "card" / "site" / "north" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(picture(1))
    score_folder(study_model(), tmp_path / "card", "csv", tmp_path / "a.csv", camera_levels=levels)
    assert [row["location"] for row in lines(tmp_path / "a.csv").values()] == expected
