"""The camera-trap study: its figures are right, no camera is on both sides, and bad input is one clear error."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mmlrs.errors import DecodeError, InvalidParamError, IoError, MmlrsError
from mmlrs.examples.camera_traps import __main__ as program
from mmlrs.examples.camera_traps import seeds
from mmlrs.examples.camera_traps.cameras import Split, split_by_camera
from mmlrs.examples.camera_traps.charts import effort
from mmlrs.examples.camera_traps.figures import figures, threshold_of
from mmlrs.examples.camera_traps.labelled import labelled
from mmlrs.examples.camera_traps.learning import learn
from mmlrs.examples.camera_traps.page import percent
from mmlrs.examples.camera_traps.saved_study import StudyModel
from mmlrs.examples.camera_traps.study import run
from mmlrs.examples.camera_traps.variants import VARIANTS, Settings, features_of, pipeline, spatial_pooling
from mmlrs.testing import sample_image

DAMAGED = {"C01/0001/01.jpg": b"no picture", "C02/0001/01.jpg": b""}
NAMES = [variant.name for variant in VARIANTS]


def with_spark(monkeypatch, spark):
    """Let the program use the session of the tests."""

    @contextlib.contextmanager
    def session(log, conf):
        yield spark

    monkeypatch.setattr(program, "spark_session", session)


@pytest.fixture(scope="module")
def finished(spark, tmp_path_factory):
    """A study by the command line, on 80 generated pictures of which two are damaged."""
    out = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        with_spark(patch, spark)
        for name, value in {"FRAMES": 80, "SIZE": (160, 120), "CAMERAS": 6, "ITERATIONS": 4}.items():
            patch.setattr(program, f"QUICK_{name}", value)
        images = program.generated(out, "cat", seed=1)
        for file, content in DAMAGED.items():
            (images / file).write_bytes(content)
        patch.setattr(sys, "argv", ["", "--quick", "--out", str(out), "--seed", "1"])
        spark.conf.set(
            "spark.sql.codegen.wholeStage", "false"
        )  # as in the program, for queries that run once
        found = []
        patch.setattr(program, "run", lambda *args, **params: found.append(run(*args, **params)))
        try:
            program.main()
        finally:
            spark.conf.unset("spark.sql.codegen.wholeStage")
    metrics = json.loads((out / "metrics.json").read_text())
    with (out / "scores.csv").open(newline="") as file:
        scores = list(csv.DictReader(file))
    return SimpleNamespace(out=out, images=images, metrics=metrics, scores=scores, study=found[0])


# -- a whole study ------------------------------------------------------------------------------------------------------


def test_every_readable_picture_of_a_test_camera_is_scored_by_every_variant(finished):
    test = set(finished.metrics["split"]["test"])
    assert test
    assert not test & set(finished.metrics["split"]["folds"])
    files = [row["file"] for row in finished.scores]
    assert sorted(files) == sorted(
        path.relative_to(finished.images).as_posix()
        for path in finished.images.rglob("*.jpg")
        if path.parts[-3] in test and path.relative_to(finished.images).as_posix() not in DAMAGED
    )
    for row in finished.scores:
        assert all(0 <= float(row[name]) <= 1 for name in NAMES)


def test_damaged_pictures_are_left_out_and_listed(finished):
    assert set(finished.metrics["failures"]) == set(DAMAGED)
    report = (finished.out / "report.html").read_text()
    assert "2 pictures could not be read and were left out" in report
    assert all(file in report for file in DAMAGED)
    counts = finished.metrics["variants"]["RN1"]
    assert counts["train"]["frames"] + counts["test"]["frames"] == 78


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_of_a_study_are_those_of_scikit_learn(finished, name):
    from sklearn import metrics

    told = finished.metrics["variants"][name]["test"]
    truth = [int(row["target"]) for row in finished.scores]
    scores = np.array([float(row[name]) for row in finished.scores])
    assert told["auc"] == pytest.approx(
        metrics.roc_auc_score(truth, scores), abs=0.02
    )  # six decimals may tie
    kept = (scores >= told["threshold"] - 1e-6).astype(int)
    assert told["confusion"] == metrics.confusion_matrix(truth, kept, labels=[0, 1]).tolist()


def test_bursts_are_averaged_and_single_scores_are_not(finished):
    by_burst: dict[str, list[dict[str, str]]] = {}
    for row in finished.scores:
        by_burst.setdefault(row["sequence"], []).append(row)
    assert any(len({row["RN2+A"] for row in rows}) > 1 for rows in by_burst.values())
    for rows in by_burst.values():
        mean = np.mean([float(row["RN2+A"]) for row in rows])
        assert {row["RN2+A+E"] for row in rows} == {rows[0]["RN2+A+E"]}
        assert float(rows[0]["RN2+A+E"]) == pytest.approx(mean, abs=2e-6)


def test_the_threshold_finds_the_stated_share_of_the_training_cameras(finished):
    for told in finished.metrics["variants"].values():
        assert told["train"]["recall"] >= 0.95
        assert told["test"]["threshold"] == told["train"]["threshold"]


def test_the_report_is_one_file_that_loads_nothing(finished):
    report = (finished.out / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", report)
    assert not re.search(r"https?://|@import|url\(|<script", report)
    assert report.count("<polyline") == 2 * len(NAMES)
    assert report.count('class="matrix"') == len(NAMES)
    for camera in finished.metrics["split"]["test"]:
        assert f"<h3>{camera}</h3>" in report
    assert re.search(r'<img loading="lazy" src="data:image/jpeg;base64,/9j/', report)


def test_the_saved_model_gives_the_scores_of_the_study_with_and_without_spark(finished, spark):
    from pyspark.ml import PipelineModel
    from pyspark.ml.functions import vector_to_array

    model = StudyModel.read(finished.out)
    chosen = finished.metrics["chosen"]
    assert (model.variant, model.target) == (chosen, "cat")
    assert model.threshold == finished.metrics["variants"][chosen]["test"]["threshold"]
    single = chosen.removesuffix("+E")
    expected = {row["file"]: float(row[single]) for row in finished.scores[:8]}
    contents = [(finished.images / file).read_bytes() for file in expected]
    scored = model.score(pa.table({"file": list(expected), "image": pa.array(contents, pa.binary())}))
    assert scored["probability"].to_pylist() == pytest.approx(list(expected.values()), abs=2e-6)
    loaded = PipelineModel.load(str(finished.out / "model" / "pipeline"))
    frame = spark.createDataFrame([(0, bytearray(contents[0]))], "id int, image binary")
    [row] = loaded.transform(frame).select(vector_to_array("probability").alias("p")).collect()
    alone = StudyModel(model.model, "cat").score(pa.table({"file": ["1"], "image": [contents[0]]}))
    assert alone["probability"].to_pylist() == pytest.approx([row.p[1]], rel=1e-9)


@pytest.mark.parametrize("name", ["RN2", "RN2+A"])
def test_the_study_learns_what_the_pipeline_of_a_variant_learns_from_pictures(spark, finished, name):
    study = finished.study
    outcome = study.outcomes[NAMES.index(name)]
    rows = [
        (bytearray((finished.images / row["file"]).read_bytes()), row["target"])
        for row in study.trained.to_pylist()
    ]
    frame = spark.createDataFrame(rows, "image binary, target double").coalesce(2)
    fitted = pipeline(outcome.variant, study.settings).fit(frame)
    ours, theirs, plain = (
        model.stages[-1].coefficients.toArray()
        for model in (outcome.model, fitted, study.outcomes[NAMES.index("RN2")].model)
    )
    if name == "RN2":
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-7)
    else:  # the augmenter decodes colours completely, and a network that reads a file decodes what it needs
        assert np.corrcoef(ours, theirs)[0, 1] > max(0.9, np.corrcoef(ours, plain)[0, 1])


# -- features and learning ----------------------------------------------------------------------------------------------


def test_rn2_keeps_where_something_is_and_is_not_rn1_again():
    table = pa.table({"image": pa.array([sample_image("jpeg")], pa.binary())})

    def made(kind, pooling):
        [stage] = features_of(kind, Settings(pooling=pooling), "image", "features")
        stage = stage.copy({"outputType": "array"})
        return np.array(stage.transform(table)["features"][0].as_py())

    pooled, spatial, grid = made("pooled", "grid"), made("spatial", "none"), made("spatial", "grid")
    maps = spatial.reshape(len(pooled), -1)
    np.testing.assert_allclose(maps.mean(axis=1), pooled, atol=1e-4)  # RN1 is its mean
    assert maps.std(axis=1).mean() > 0.5 * pooled.mean()  # and it says more
    assert len(grid) == 4 * len(pooled)
    parts = [grid[i::4] for i in range(4)], [grid[i * len(pooled) : (i + 1) * len(pooled)] for i in range(4)]
    assert not any(np.allclose(part, pooled, atol=1e-3) for way in parts for part in way)


@pytest.mark.parametrize(("rows", "pooling"), [(1, "none"), (100, "none"), (1000, "grid")])
def test_the_size_of_the_training_matrix_decides_how_rn2_is_pooled(rows, pooling):
    assert spatial_pooling("efficientnet-lite0", sample_image("jpeg"), rows)[0] == pooling


def test_training_cameras_are_scored_by_models_that_have_not_seen_them(spark):
    from pyspark.ml.linalg import Vectors

    # What identifies a camera says nothing about the target of another camera, but all about that of its own.
    cameras = [f"c{i}" for i in range(6)]
    rows = [
        (f"{camera}/{j}", float(i % 2), camera, Vectors.dense(np.eye(6)[i]))
        for i, camera in enumerate(cameras)
        for j in range(3)
    ]
    frame = spark.createDataFrame(rows, ["file", "target", "location", "pooled"])
    split = Split({camera: i // 2 for i, camera in enumerate(cameras[:4])}, ("c4", "c5"), "")
    learnt = learn(frame, VARIANTS[1], split, Settings(iterations=20))
    assert sorted(learnt.train["file"].to_pylist()) == sorted(row[0] for row in rows[:12])
    assert len(learnt.test) == 6
    known = (
        learnt.model.transform(frame.withColumnRenamed("pooled", "features"))
        .select("target", "prediction")
        .limit(12)
        .collect()
    )
    assert all(row.target == row.prediction for row in known)
    assert np.ptp(learnt.train["probability"].to_numpy()) < 1e-6


# -- figures ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [3, 20, 10**6])
def test_figures_with_ties_are_those_of_scikit_learn(levels):
    from sklearn import metrics

    rng = np.random.default_rng(levels)
    truth = (rng.random(300) < 0.1).astype(float)
    scores = np.clip(rng.integers(0, levels, 300) / levels * 0.7 + 0.3 * truth * rng.random(300), 0, 1)
    threshold = threshold_of(truth, scores, 0.9)
    own = figures(truth, scores, threshold)
    kept = scores >= threshold
    assert own.auc == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-12)
    assert own.average_precision == pytest.approx(metrics.average_precision_score(truth, scores), abs=1e-12)
    assert own.precision == pytest.approx(metrics.precision_score(truth, kept))
    assert own.recall == pytest.approx(metrics.recall_score(truth, kept))
    assert own.recall >= 0.9
    assert own.macro_f1 == pytest.approx(metrics.f1_score(truth, kept, average="macro"))
    assert own.confusion == metrics.confusion_matrix(truth, kept).tolist()
    higher = np.nextafter(threshold, 2)
    assert (truth[scores >= higher]).sum() < 0.9 * truth.sum()  # no larger threshold would do


def test_removing_the_emptiest_counts_what_is_missed_and_saved():
    scores = np.arange(10) / 10
    targets = np.zeros(10)
    targets[[2, 6, 9]] = 1
    removals = figures(targets, scores, 0.55).removals
    assert [(r.share, r.removed, r.missed, r.hours) for r in removals] == [
        (0.5, 5, 1, 10_000.0), (0.7, 7, 2, 14_000.0), (0.9, 9, 2, 18_000.0),
    ]  # fmt: skip
    assert figures(targets, scores, 0.55).hours == 12_000.0


@pytest.mark.parametrize(("targets", "empty"), [([0.0, 0.0], "recall"), ([1.0, 1.0], "auc")])
def test_figures_that_are_not_defined_are_none(targets, empty):
    own = figures(np.array(targets), np.array([0.1, 0.9]), 0.5)
    assert own.auc is None
    assert getattr(own, empty) is None
    assert own.curve == []


def test_the_curve_of_effort_ends_where_all_is_found():
    points = effort(np.array([1.0, 0.0, 0.0, 1.0]), np.array([0.9, 0.1, 0.2, 0.8]))
    assert points == [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 1.0), (1.0, 1.0)]


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.001, "&lt;1%"), (0.5, "50%"), (0.999, "&gt;99%"), (1.0, "100%"), (None, "–")],
)
def test_only_nothing_is_0_percent_and_only_all_is_100(share, text):
    assert percent(share) == text


# -- cameras ------------------------------------------------------------------------------------------------------------


def cameras(**targets: str) -> pa.Table:
    """Return a table of pictures, one for each letter: "t" shows the target, "." does not."""
    places = [name for name, frames in targets.items() for _ in frames]
    shows = [float(frame == "t") for frames in targets.values() for frame in frames]
    return pa.table({"location": places, "target": shows, "split": pa.nulls(len(places), pa.string())})


def test_both_sides_and_all_but_one_part_have_the_target_and_something_else():
    table = cameras(**{f"c{i}": "tt.." if i % 3 == 0 else "...." for i in range(20)})
    splits = [split_by_camera(table, "cat", seed) for seed in range(20)]
    assert len({split.test for split in splits}) > 5
    for split in splits:
        assert len(split.test) == 4
        assert sum(name in ("c0", "c3", "c6", "c9", "c12", "c15", "c18") for name in split.test) == 1
        assert sorted((*split.folds, *split.test)) == sorted(set(table["location"].to_pylist()))
    assert splits[3] == split_by_camera(table, "cat", 3)


def test_a_split_of_the_labels_counts_if_it_is_by_camera():
    table = cameras(a="t.", b="t.", c="t.", d="t.")
    given = table.set_column(2, "split", pa.array(["train"] * 6 + ["test"] * 2))
    assert split_by_camera(given, "cat", 0).test == ("d",)
    mixed = table.set_column(2, "split", pa.array(["train", "test"] * 4))
    assert "drawn" in split_by_camera(mixed, "cat", 0).how


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (cameras(a="t.t."), "all pictures are of one camera"),
        (cameras(a="t.", b="..", c=".."), "1 camera (a) of 3 shows 'cat', but three are needed"),
        (cameras(a="t.", b="t.", c=".."), "2 cameras (a, b) of 3 shows 'cat', but three are needed"),
        (cameras(a="t", b="t", c="t"), "every picture shows 'cat'"),
        (cameras(a="t", b="t", c="t", d="..."), "no split of the 4 cameras"),
    ],
)
def test_cameras_without_a_possible_split_are_one_error(table, reason):
    with pytest.raises(InvalidParamError, match=re.escape(reason)):
        split_by_camera(table, "cat", 0)


# -- labels -------------------------------------------------------------------------------------------------------------


def picture(path: Path, time: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (16, 12))
    exif = Image.Exif()
    if time is not None:
        exif[306] = time
    image.save(path, exif=exif)


@pytest.fixture
def cards(tmp_path):
    """Pictures of two cards by time, one without a time and some of a camera that never knew it."""
    times = {
        "A/DCIM/1.jpg": "2024:05:01 10:00:00",
        "A/DCIM/2.jpg": "2024:05:01 10:00:40",
        "A/DCIM/3.jpg": "2024:05:01 10:05:00",
        "A/DCIM/4.jpg": None,
        "B/7/1.jpg": "0000:00:00 00:00:00",
        "B/7/2.jpg": "0000:00:00 00:00:00",
        "B/8/3.jpg": "2099:01:01 00:00:00",
    }
    for file, time in times.items():
        picture(tmp_path / file, time)
    labels = "".join(f"{file},{'cat' if 'A' in file else 'empty'}\n" for file in times)
    (tmp_path / "labels.csv").write_text("file,label\n" + labels)
    return tmp_path


def test_location_and_burst_come_from_folders_and_exif(cards):
    table = labelled(cards, None, "Cat").table
    rows = {row["file"]: row for row in table.to_pylist()}
    assert {row["location"] for row in rows.values()} == {"A", "B"}
    bursts = {file: row["sequence"] for file, row in rows.items()}
    assert bursts["A/DCIM/1.jpg"] == bursts["A/DCIM/2.jpg"] != bursts["A/DCIM/3.jpg"]
    assert bursts["A/DCIM/4.jpg"] not in (bursts["A/DCIM/1.jpg"], bursts["A/DCIM/3.jpg"], None)
    assert bursts["B/7/1.jpg"] == bursts["B/7/2.jpg"] == "B/7"
    assert bursts["B/8/3.jpg"] not in ("B/7", None)
    assert table["target"].to_pylist() == [1.0] * 4 + [0.0] * 3


def test_coco_gives_labels_locations_and_sequences(cards):
    images = [
        {"id": "1", "file_name": "A/DCIM/1.jpg", "location": "north", "seq_id": "s"},
        {"id": "2", "file_name": "A/DCIM/2.jpg", "location": "north", "seq_id": "s"},
        {"id": "3", "file_name": "B/7/1.jpg", "location": "south", "seq_id": "u"},
        {"id": "4", "file_name": "lost.jpg", "location": "south", "seq_id": "u"},
    ]
    annotations = [
        {"id": "1", "image_id": "1", "category_id": 1},
        {"id": "3", "image_id": "3", "category_id": 0, "sequence_level_annotation": True},
        {"id": "4", "image_id": "4", "category_id": 1},
    ]
    content = {
        "info": {"version": "1"}, "images": images, "annotations": annotations,
        "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "cat"}],
    }  # fmt: skip
    (cards / "traps.json").write_text(json.dumps(content))
    found = labelled(cards, cards / "traps.json", "cat")
    assert [(r["file"], r["label"], r["location"], r["sequence"]) for r in found.table.to_pylist()] == [
        ("A/DCIM/1.jpg", "cat", "north", "s"),
        ("B/7/1.jpg", "empty", "south", "u"),
    ]
    assert found.without_picture == ("lost.jpg",)
    assert "A/DCIM/2.jpg" in found.without_label
    assert len(found.without_label) == 5
    assert found.of_sequence == 1


@pytest.mark.parametrize(
    ("content", "target", "error", "reason"),
    [
        ("file,label\nA/DCIM/1.jpg,fox\nB/7/1.jpg,hare\n", "cat", InvalidParamError, "fox (1), hare (1)"),
        ("file,label\n9.jpg,cat\n", "cat", InvalidParamError, "none of the 1 label of"),
        ("file,label\nA/DCIM/1.jpg,\n", "cat", DecodeError, "has no label for any picture"),
        ("file,label\nA/DCIM/1.jpg,cat\nA/DCIM/1.jpg,fox\n", "cat", DecodeError, "1 file with two labels"),
        ("file,label\n1.jpg,cat\n", "cat", InvalidParamError, "1.jpg fits"),
    ],
)
def test_labels_that_cannot_be_used_are_one_error(cards, content, target, error, reason):
    (cards / "labels.csv").write_text(content)
    with pytest.raises(error, match=re.escape(reason)):
        labelled(cards, None, target)


def test_folders_that_cannot_be_used_are_one_error(tmp_path):
    with pytest.raises(IoError, match="is not a folder"):
        labelled(tmp_path / "nowhere", None, "cat")
    with pytest.raises(IoError, match=r"has no labels\.csv and no coco\.json; pass"):
        labelled(tmp_path, None, "cat")
    (tmp_path / "labels.csv").write_text("file,label\n1.jpg,cat\n")
    with pytest.raises(InvalidParamError, match="there are no pictures in"):
        labelled(tmp_path, None, "cat")


# -- params and programs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"target": " "}, "param `target` must be a label"),
        ({"recall": 0}, "param `recall` must be a number above 0"),
        ({"recall": 1.5}, "param `recall` must be a number above 0"),
        ({"seed": -1}, "param `seed` must be a whole number"),
        ({"iterations": True}, "param `iterations` must be a whole number"),
        ({"images": "s3://bucket/cards"}, "param `images` must be a local path"),
        ({"out": 3}, "param `out` must be a path"),
    ],
)
def test_a_bad_param_is_one_error_before_any_work(tmp_path, params, reason):
    given = {"images": tmp_path, "out": tmp_path / "out", **params}
    with pytest.raises(InvalidParamError, match=re.escape(reason)):
        run(None, **given)
    assert not (tmp_path / "out").exists()


def test_the_program_says_what_is_missing(monkeypatch, tmp_path, spark):
    with_spark(monkeypatch, spark)
    for arguments, reason in (
        (["--out", str(tmp_path)], "param `images` is missing; pass --images DIR, or --quick"),
        (["--out", str(tmp_path), "--images", str(tmp_path / "none")], "is not a folder"),
    ):
        monkeypatch.setattr(sys, "argv", ["", *arguments])
        with pytest.raises(SystemExit, match=re.escape(reason)):
            program.main()


def test_no_readable_picture_is_one_error(spark, tmp_path):
    for camera in "abcd":
        folder = tmp_path / camera
        folder.mkdir()
        for number in (1, 2):
            (folder / f"{number}.jpg").write_bytes(b"no picture")
    lines = [
        f"{camera}/{number}.jpg,{'cat' if number == 1 else 'empty'}" for camera in "abcd" for number in (1, 2)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *lines]) + "\n")
    with pytest.raises(DecodeError, match=r"no picture can be read; a/1\.jpg: "):
        run(spark, tmp_path, tmp_path / "out")


def test_the_spread_over_seeds_counts_how_often_the_order_holds():
    def study(*areas):
        tests = ({"auc": area, "average_precision": area} for area in areas)
        return {"variants": {name: {"test": test} for name, test in zip(NAMES, tests, strict=True)}}

    told = seeds.lines([study(0.5, 0.6, 0.7, 0.7, 0.8), study(0.6, 0.5, 0.7, 0.6, 0.9)])
    assert told[0] == "LR120     AUC 0.550 (sd 0.071), average precision 0.550 (sd 0.071)"
    assert told[5:] == [
        "LR120 below RN1: in 1 of 2 seeds, mean difference +0.000",
        "LR120 below RN2: in 2 of 2 seeds, mean difference +0.150",
        "RN2 not above RN2+A: in 1 of 2 seeds, mean difference -0.050",
        "RN2+A below RN2+A+E: in 2 of 2 seeds, mean difference +0.200",
    ]
    with pytest.raises(MmlrsError, match="param `studies` is empty"):
        seeds.lines([])
