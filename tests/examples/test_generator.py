"""The generator of camera-trap pictures keeps what it promises."""

from __future__ import annotations

import csv
import datetime as dt
import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from places import ROOT

from mmlrs.demo import stamps
from mmlrs.errors import InvalidParamError, IoError, MissingPackageError
from mmlrs.examples.camera_traps import bursts, sprites, textures
from mmlrs.examples.camera_traps.generate import generate
from mmlrs.examples.camera_traps.species import SPECIES

SIZE = (80, 60)
CAMERAS = 10


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("traps")
    generate(folder, frames=400, size=SIZE, cameras=CAMERAS, seed=3)
    return folder


@pytest.fixture
def bare(monkeypatch):
    """Neither Tux Paint nor scikit-image."""
    monkeypatch.setattr(stamps, "INSTALLED", Path("/nowhere"))
    monkeypatch.delenv(stamps.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "skimage", None)
    monkeypatch.setitem(sys.modules, "skimage.data", None)


# -- the files ----------------------------------------------------------------------------------------------------------


def test_every_line_has_its_picture_and_every_picture_its_line(made):
    rows = lines(made)
    assert len(rows) == 400
    assert [row["file"] for row in rows] == sorted(
        str(path.relative_to(made).as_posix()) for path in made.rglob("*.jpg")
    )
    for row in rows:
        camera, burst, frame = row["file"].removesuffix(".jpg").split("/")
        assert (camera, f"{camera}-{burst}", int(frame)) == (
            row["location"],
            row["sequence"],
            int(row["frame"]),
        )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        generate(tmp_path / name, frames=20, size=SIZE, cameras=3, seed=seed)
    a, b, c = (files(tmp_path / name) for name in "abc")
    assert a == b
    assert a["labels.csv"] != c["labels.csv"]
    assert a["C01/0001/01.jpg"] != c["C01/0001/01.jpg"]


def test_the_counts_are_those_of_the_labels(tmp_path):
    counts = generate(tmp_path, frames=30, size=SIZE, cameras=4, target="deer")
    assert counts == dict(sorted(Counter(row["label"] for row in lines(tmp_path)).items()))
    assert counts["deer"] > 0


def test_exif_says_when_and_by_which_camera_a_picture_was_taken(made):
    serials = defaultdict(set)
    for row in lines(made)[::3]:
        with Image.open(made / row["file"]) as picture:
            assert picture.size == SIZE
            exif = picture.getexif()
        block = exif.get_ifd(0x8769)
        assert block[0x9003] == block[0x9004] == row["time"].replace("-", ":")
        assert exif[0x0112] == 1
        assert (exif[0x010F], exif[0x0110]) in bursts.MAKES
        serials[row["location"]].add(block[0xA431])
    assert {len(found) for found in serials.values()} == {1}
    assert len({serial for found in serials.values() for serial in found}) == len(serials) == CAMERAS


def test_coco_has_the_same_pictures_and_boxes_inside_of_them(made):
    coco = json.loads((made / "coco.json").read_text())
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert names[0] == "empty"
    assert set(names.values()) == {"empty", *SPECIES}
    rows = {row["file"]: row for row in lines(made)}
    lengths = Counter(row["sequence"] for row in rows.values())
    assert [image["id"] for image in coco["images"]] == list(rows)
    for image in coco["images"]:
        row = rows[image["file_name"]]
        assert (image["width"], image["height"]) == SIZE
        assert (image["datetime"], image["seq_id"], image["location"]) == (
            row["time"],
            row["sequence"],
            row["location"],
        )
        assert (image["frame_num"], image["seq_num_frames"]) == (
            int(row["frame"]) - 1,
            lengths[row["sequence"]],
        )
    labels = {}
    for annotation in coco["annotations"]:
        label = labels[annotation["image_id"]] = names[annotation["category_id"]]
        assert ("bbox" in annotation) == (label != "empty")
        if "bbox" in annotation:
            left, top, width, height = annotation["bbox"]
            assert min(left, top) >= 0
            assert min(width, height) >= 1
            assert left + width <= SIZE[0]
            assert top + height <= SIZE[1]
    assert labels == {file: row["label"] for file, row in rows.items()}
    assert len({annotation["id"] for annotation in coco["annotations"]}) == len(coco["annotations"])


# -- shares, places and times -------------------------------------------------------------------------------------------


def test_a_tenth_shows_the_target_and_a_twentieth_has_colors(made):
    rows = lines(made)
    target = sum(row["label"] == "cat" for row in rows)
    assert 0.08 <= target / len(rows) <= 0.12
    colored = 0
    for row in rows:
        with Image.open(made / row["file"]) as picture:
            colored += picture.mode == "RGB"
    assert 0.03 <= colored / len(rows) <= 0.07
    assert sum(row["label"] == "empty" for row in rows) > len(rows) / 3


@pytest.mark.parametrize("seed", range(5))
def test_most_cameras_see_the_target_but_not_equally_often(seed):
    plan = bursts.cameras(np.random.default_rng(seed), 2000, 20, "cat")
    seen = [sum(burst.shown for burst in camera.bursts if burst.label == "cat") for camera in plan]
    assert 150 <= sum(seen) <= 250
    assert 10 <= sum(count > 0 for count in seen) < 20
    assert max(seen) >= 2 * min(count for count in seen if count)
    for split in ("train", "test"):
        assert any(count for count, camera in zip(seen, plan) if camera.split == split)
    mixes = [{burst.label for burst in camera.bursts} - {"cat", "empty"} for camera in plan]
    assert len({frozenset(mix) for mix in mixes}) > 10


@pytest.mark.parametrize(("cameras", "test"), [(2, 1), (3, 1), (10, 2), (20, 4)])
def test_a_fifth_of_the_cameras_is_kept_for_testing(cameras, test):
    plan = bursts.cameras(np.random.default_rng(1), 300, cameras, "cat")
    assert Counter(camera.split for camera in plan) == {"test": test, "train": cameras - test}


def test_a_camera_is_in_one_part_only(made):
    splits = defaultdict(set)
    for row in lines(made):
        splits[row["location"]].add(row["split"])
    assert len(splits) == CAMERAS
    assert Counter(next(iter(split)) for split in splits.values()) == {"train": 8, "test": 2}
    assert all(len(split) == 1 for split in splits.values())


def test_the_frames_of_a_burst_follow_one_another_and_bursts_are_a_minute_apart(made):
    times = defaultdict(list)
    for row in lines(made):
        times[row["location"], row["sequence"]].append(dt.datetime.fromisoformat(row["time"]))
    last: dict[str, dt.datetime] = {}
    for (location, _), burst in times.items():
        gaps = np.diff(burst) / dt.timedelta(seconds=1)
        assert 3 <= len(burst) <= 10 or len([key for key in times if key[0] == location]) == 1
        assert ((gaps >= 1) & (gaps <= 10)).all()
        if location in last:
            assert (burst[0] - last[location]).total_seconds() > 60
        last[location] = burst[-1]


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6, 7, 11, 12, 13, 29, 500])
def test_bursts_have_three_to_ten_frames_and_together_all(frames):
    lengths = bursts._lengths(np.random.default_rng(frames), frames)
    assert sum(lengths) == frames
    assert all(3 <= length <= 10 for length in lengths) or lengths == [frames]


# -- the pictures -------------------------------------------------------------------------------------------------------


def test_frames_of_a_burst_show_one_place_with_noise_of_their_own(made):
    by_place = defaultdict(list)
    for row in lines(made):
        if row["label"] == "empty" and row["frame"] in {"1", "2"}:
            with Image.open(made / row["file"]) as picture:
                by_place[row["sequence"]].append(np.asarray(picture.convert("L"), np.float32))
    pairs = [pair for pair in by_place.values() if len(pair) == 2]
    within = [float(np.abs(first - second).mean()) for first, second in pairs]
    between = [float(np.abs(a[0] - b[0]).mean()) for a, b in pairwise(pairs)]
    assert min(within) > 0.5
    assert np.median(within) < np.median(between) / 2


def test_an_animal_is_where_its_box_says(tmp_path, monkeypatch):
    """Without noise, wind and changes of light, a frame with the animal differs from one without in the box alone."""
    from mmlrs.examples.camera_traps import frames, light, noise, scene, view

    monkeypatch.setattr(frames, "FLICKER", 0.0)
    monkeypatch.setattr(frames.weather, "SHARE", 0.0)
    rng = np.random.default_rng(4)
    size = (320, 240)
    place = scene.scene(rng, view.view(rng, size))
    place = replace(place, layers=tuple(layer for layer in place.layers if layer.sway == 0))
    camera = light.optics(rng)
    grain = np.zeros_like(noise.grain(rng, size))
    shown, gone = list(frames.frames(rng, place, camera, grain, size, ("gray", "bear", 2, 1)))
    assert len(shown[1]) >= 1
    assert gone[1] == []
    changed = np.abs(np.asarray(shown[0], int) - np.asarray(gone[0], int)) > 12
    inside = np.zeros_like(changed)
    for left, top, width, height in shown[1]:
        # Its shadow is around its feet.
        inside[max(top - 4, 0) : top + height + height // 5 + 4, max(left - 6, 0) : left + width + 6] = True
    assert changed.any()
    assert not (changed & ~inside).any()


@pytest.mark.parametrize("label", SPECIES)
def test_every_species_is_drawn_where_no_photographs_are_installed(bare, label):
    made = [sprites.sprite(np.random.default_rng(seed), label) for seed in range(2)]
    for animal in made:
        alpha = np.asarray(animal.picture.getchannel("A"))
        assert 0.1 < (alpha > 128).mean() < 0.95
        assert 0.1 < animal.metres < 3
    assert made[0].picture.tobytes() != made[1].picture.tobytes()


def test_an_animal_that_walks_faces_right(tmp_path, monkeypatch):
    """The photographs that face left are mirrored. Here the head is red and at the left."""
    for name in stamps.CLASSES.values():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv(stamps.VARIABLE, str(tmp_path))
    pixels = np.full((40, 60, 4), (0, 0, 200, 255), np.uint8)
    pixels[:, :20] = 200, 0, 0, 255
    path = tmp_path / "animals/mammals/cats/lion-2.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(pixels).save(path)
    for seed in range(3):
        animal = sprites.sprite(np.random.default_rng(seed), "cat")
        red = np.asarray(animal.picture.convert("RGB"), int)[10:-10, :, 0].mean(0)
        assert animal.walks
        assert red[-8:-4].min() > 100 > red[4:8].max()


@pytest.mark.parametrize("name", ["grass", "gravel"])
def test_the_ground_has_a_texture_without_photographs(bare, name):
    assert textures.photograph(name) is None
    texture = textures.surface(np.random.default_rng(0), name)
    assert texture.shape == (textures.SIDE, textures.SIDE)
    assert texture.std() > 0.1


def test_a_set_needs_neither_tux_paint_nor_scikit_image(bare, tmp_path):
    counts = generate(tmp_path, frames=20, size=SIZE, cameras=2)
    assert counts["cat"] > 0


# -- the command line, and bad input ------------------------------------------------------------------------------------


def test_it_runs_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "mmlrs.examples.camera_traps.generate", "--out", str(tmp_path / "set")]
    command += ["--frames", "8", "--size", "64x48", "--seed", "2", "--cameras", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert len(lines(tmp_path / "set")) == 8
    assert "cat" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert again.returncode == 1
    assert again.stderr.startswith("camera_traps.generate: param `folder`:")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"frames": 0}, "param `frames` must be a whole number between 1 and"),
        ({"frames": 10.0}, "param `frames` must be a whole number"),
        ({"frames": 19}, r"param `frames` must be at least `cameras` \(20\)"),
        ({"cameras": 1}, r"param `cameras` .* \(with one camera no split by camera is possible\), got 1"),
        ({"cameras": True}, "param `cameras` must be a whole number"),
        ({"size": (47, 600)}, "param `size` must be a whole number between 48 and 8,192 .* got 47"),
        ({"size": (10**6, 600)}, "param `size` .* got 1000000"),
        ({"size": 640}, r"param `size` must be \(width, height\) in pixels, got 640"),
        ({"seed": -1}, "param `seed` must be a whole number between 0"),
        ({"target": "unicorn"}, "param `target` must be one of badger, .* got 'unicorn'"),
        ({"target": ["cat"]}, "param `target` must be one of"),
        ({"folder": 3}, "param `folder` must be a path"),
    ],
)
def test_a_bad_param_is_named_and_nothing_is_written(tmp_path, params, message):
    folder = tmp_path / "set"
    with pytest.raises(InvalidParamError, match=f"^camera_traps.generate: {message}"):
        generate(**{"folder": folder} | params)
    assert not folder.exists()


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(IoError, match="is not an empty folder"):
        generate(tmp_path)
    with pytest.raises(IoError, match="is not an empty folder"):
        generate(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(IoError, match=r"param `folder`: .* cannot be written"):
        generate(tmp_path / "file" / "set", frames=4, cameras=2, size=SIZE)


def test_a_damaged_photograph_is_named(tmp_path, monkeypatch):
    for name in stamps.CLASSES.values():
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv(stamps.VARIABLE, str(tmp_path))
    for photograph in SPECIES["cat"].photographs:
        path = tmp_path / f"{photograph.path}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture")
    with pytest.raises(IoError, match=r"camera_traps.generate: .*\.png cannot be read as a picture"):
        generate(tmp_path / "set", frames=12, cameras=2, size=SIZE)


def test_pillow_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingPackageError, match=r'pip install "Pillow>=10\.1"'):
        generate(tmp_path)


def test_importing_mmlrs_or_the_generator_needs_no_pillow():
    code = (
        "import sys, mmlrs, mmlrs.examples.camera_traps.generate;"
        "sys.exit(', '.join({'PIL', 'skimage'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
