"""The demo: its pictures, their folds, and its steps from files to the answers of a saved model."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmlrs.demo import answer, faces, job, sources, stamps
from mmlrs.demo.pictures import Picture, folds, lay_out
from mmlrs.errors import IoError

#: Colours of the parts of the pictures that are not transparent.
COLOURS = {
    "bird": (40, 90, 200),
    "fish": (40, 200, 200),
    "flower": (220, 60, 160),
    "fruit": (230, 150, 30),
    "insect": (30, 120, 30),
    "mammal": (120, 80, 50),
}


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """Return a folder like that of Tux Paint, with four pictures of each class, and drawings."""
    rng = np.random.default_rng(0)
    root = tmp_path / "stamps"
    for label, name in stamps.CLASSES.items():
        for index in range(4):
            pixels = np.zeros((40, 40, 4), np.uint8)
            pixels[8:32, 4:36, :3] = np.clip(COLOURS[label] + rng.normal(0, 12, (24, 32, 3)), 0, 255)
            pixels[8:32, 4:36, 3] = 255
            target = root / name / ("kinds" if index == 3 else "") / f"{label}{index}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(target)
    for drawing in ("cartoon/tux.png", "bird0_mirror.png"):
        target = root / stamps.CLASSES["bird"] / drawing
        target.parent.mkdir(exist_ok=True)
        Image.new("RGBA", (8, 8)).save(target)
    monkeypatch.setenv(stamps.VARIABLE, str(root))
    return root


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_photographs_are_used_without_drawings_and_mirrored_copies(installed):
    found = list(stamps.pictures())
    assert Counter(picture.label for picture in found) == dict.fromkeys(stamps.CLASSES, 4)
    assert [picture.name for picture in found[:4]] == ["bird0", "bird1", "bird2", "kinds-bird3"]


def test_tux_paint_is_used_where_it_is_installed_and_faces_elsewhere(installed, tmp_path, monkeypatch):
    assert sources.chosen() is sources.SOURCES["tuxpaint"]
    assert sources.chosen("faces") is sources.SOURCES["faces"]
    monkeypatch.delenv(stamps.VARIABLE)
    monkeypatch.setattr(stamps, "INSTALLED", tmp_path / "nothing")
    assert list(stamps.pictures()) == []
    assert sources.chosen() is sources.SOURCES["faces"]
    with pytest.raises(IoError, match=r"mmlrs\.demo: .*nothing does not have .*: install Debian's package"):
        sources.chosen("tuxpaint")


def test_a_folder_without_the_pictures_is_an_error_and_not_silently_another_source(tmp_path, monkeypatch):
    monkeypatch.setenv(stamps.VARIABLE, str(tmp_path))
    with pytest.raises(IoError, match=f"`{stamps.VARIABLE}`: .* has no folder animals/birds"):
        sources.chosen()


def test_files_become_links_in_labelled_folders(installed, tmp_path):
    counts = lay_out(tmp_path / "pictures", folds(stamps.pictures(), 2, seed=1))
    assert counts == dict.fromkeys(stamps.CLASSES, 4)
    files = sorted((tmp_path / "pictures").glob("fold=*/label=*/*.png"))
    assert len(files) == 24
    assert all(file.is_symlink() and installed in file.resolve().parents for file in files)


def test_a_second_layout_replaces_the_first_one_and_leaves_the_linked_files_alone(installed, tmp_path):
    for seed in (1, 2):
        lay_out(tmp_path / "pictures", folds(stamps.pictures(), 2, seed=seed))
    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 24
    assert len(list(installed.rglob("*.png"))) == 26


def test_pixels_are_written_in_both_formats(tmp_path):
    some = list(faces.pictures())[:6]
    lay_out(tmp_path, ((0, picture) for picture in some))
    files = list((tmp_path / "fold=0" / "label=face").iterdir())
    assert Counter(Image.open(file).format for file in files) == {"JPEG": 3, "PNG": 3}


def test_the_faces_have_names_of_their_own_and_formats_that_do_not_tell_the_label(tmp_path):
    pictures = [picture for _, picture in folds(faces.pictures(), 5, seed=7)]
    assert len({(picture.label, picture.name) for picture in pictures}) == len(pictures)
    for label in ("face", "other"):
        is_jpeg = [index % 2 == 0 for index, picture in enumerate(pictures) if picture.label == label]
        assert 0.4 < np.mean(is_jpeg) < 0.6


def test_every_class_is_dealt_to_the_folds_equally_and_a_group_is_in_one_fold():
    pictures = [Picture("a", f"a{i}", Path("a.png")) for i in range(11)]
    pictures += [Picture("b", f"b{i}", Path("b.png"), group=f"g{i // 3}") for i in range(30)]
    dealt = list(folds(pictures, 5, seed=3))
    assert sorted(picture.name for _, picture in dealt) == sorted(picture.name for picture in pictures)
    assert sorted(Counter(fold for fold, picture in dealt if picture.label == "a").values()) == [
        2,
        2,
        2,
        2,
        3,
    ]
    places = {(picture.group, fold) for fold, picture in dealt if picture.label == "b"}
    assert len(places) == 10
    assert Counter(fold for _, fold in places) == dict.fromkeys(range(5), 2)
    assert dealt != list(folds(pictures, 5, seed=4))


# -- the job ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(installed, tmp_path) -> Path:
    lay_out(tmp_path / "pictures", folds(stamps.pictures(), 2, seed=1))
    return tmp_path / "pictures"


@pytest.mark.slow
@pytest.mark.spark
def test_every_picture_is_judged_once_by_name_and_drawn(spark, folder, tmp_path, monkeypatch, capsys):
    answers, draw = [], job.draw
    monkeypatch.setattr(job, "FOLDS", 2)
    monkeypatch.setattr(
        job, "draw", lambda rows, output: (answers.append(rows.toPandas()), draw(rows, output))
    )
    job.compare(spark, folder, tmp_path)
    [table] = answers
    assert sorted(Path(path).name for path in table.path) == sorted(p.name for p in folder.rglob("*.png"))
    assert set(table.answer) <= set(stamps.CLASSES)
    assert table.certainty.between(1 / 6, 1).all()
    right = (table.label == table.answer).mean()
    assert right > 0.5  # the colours differ; chance is 1/6
    assert (
        f"{right:.1%} of 24, each judged by a model trained on the other 1 of 2 folds"
        in capsys.readouterr().out
    )
    for name in ("confusion-matrix.png", "pictures.png"):
        with Image.open(tmp_path / name) as drawn:
            assert min(drawn.size) > 200


@pytest.mark.spark
def test_the_saved_model_answers_with_names_and_probabilities(spark, folder, tmp_path):
    job.train_and_save(spark, folder, tmp_path / "model")
    files = sorted((folder / "fold=1").rglob("*.png"))
    found = list(answer.answers(spark, tmp_path / "model", files))
    assert [path.name for path, _, _ in found] == [file.name for file in files]
    assert all(label in stamps.CLASSES and 1 / 6 <= share <= 1 for _, label, share in found)
    assert np.mean([label in path.name for path, label, _ in found]) > 0.9  # of these it was trained


def test_a_new_process_gets_some_pictures_and_its_lines_are_reported(folder, tmp_path, monkeypatch, capsys):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nshift 3\nfor picture; do echo "seen $(basename $picture)"; done\n')
    python.chmod(0o755)
    monkeypatch.setattr(job.sys, "executable", str(python))
    job.ask(tmp_path / "model", folder / "fold=0", tmp_path / "log")
    seen = [line.split()[1] for line in capsys.readouterr().out.splitlines() if "seen" in line]
    assert len(set(seen)) == len(seen) == job.QUESTIONS
    assert set(seen) <= {file.name for file in (folder / "fold=0").rglob("*.png")}


def test_the_failure_of_the_new_process_is_an_error_that_names_its_log(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(job.sys, "executable", "false")
    with pytest.raises(RuntimeError, match=r"failed; its errors are in .*answer\.log"):
        job.ask(tmp_path / "model", folder / "fold=0", tmp_path / "answer.log")


def test_a_folder_that_the_demo_did_not_write_is_not_deleted(tmp_path):
    mine = tmp_path / "pictures" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep")
    with pytest.raises(IoError, match="was not written by the demo; choose another --output"):
        job.run(sources.SOURCES["faces"], tmp_path)
    assert mine.read_text() == "keep"
    mine.parent.rename(tmp_path / "model")
    with pytest.raises(IoError, match="is not a model of the demo"):
        job.run(sources.SOURCES["faces"], tmp_path)
    assert (tmp_path / "model" / "mine.txt").exists()
