"""What we write obeys the published rules of MegaDetector's format, version 1.6.

The rules are those of https://lila.science/megadetector-output-format and of the checks that MegaDetector's own validator makes,
in words of our own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.camera_traps import write_megadetector

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".mpeg", ".mpg")


def is_category_id(number: object) -> bool:
    return isinstance(number, str) and re.fullmatch(r"[0-9]+", number) is not None


def broken_rules(document: Any) -> list[str]:
    """Return the rules that a document breaks."""
    broken = []

    def rule(holds: bool, text: str) -> None:
        if not holds:
            broken.append(text)

    info = document.get("info")
    rule(isinstance(info, dict) and isinstance(info.get("format_version"), str), "the version is a text")
    rule(isinstance(info, dict) and info.get("format_version") == "1.6", "the version is 1.6")
    names = document.get("detection_categories")
    rule(isinstance(names, dict), "detection_categories is required")
    classes = document.get("classification_categories", {})
    for categories in (names or {}, classes):
        rule(all(map(is_category_id, categories)), "ids are whole numbers as texts")
        rule(all(isinstance(n, str) and n.strip() for n in categories.values()), "names are not blank")
    rule("0" not in (names or {}), "category 0 is reserved for empty pictures")
    described = document.get("classification_category_descriptions")
    rule(described is None or described.keys() == classes.keys(), "all classes are described, and no others")
    rule(isinstance(document.get("images"), list), "images is required")
    files = [image.get("file") for image in document.get("images", ())]
    rule(len(set(files)) == len(files), "a file is listed once")
    for image in document.get("images", ()):
        _image_rules(image, names or {}, classes, rule)
    return broken


def _image_rules(image: Any, names: Any, classes: Any, rule: Callable[[bool, str], None]) -> None:
    file = image.get("file")
    rule(
        isinstance(file, str) and "\\" not in file and not file.startswith("/"),
        "paths are relative, with slashes",
    )
    failure = image.get("failure")
    detections = image.get("detections")
    if failure is not None:
        rule(isinstance(failure, str) and bool(failure), "a failure is a text")
        rule(detections is None, "a failed picture has no list of detections, not even an empty one")
    else:
        rule(isinstance(detections, list), "a picture that was processed has a list of detections")
    if isinstance(file, str) and file.lower().endswith(VIDEOS):
        rule(failure is not None or image.get("frame_rate", 0) > 0, "a video has a frame rate")
        rule(isinstance(image.get("frames_processed"), list), "a video lists its frames")
        rule(
            all(d.get("frame_number", -1) >= 0 for d in detections or ()),
            "each detection of a video has a frame",
        )
    for detection in detections or ():
        rule(detection.get("category") in names, "a category is one of those that the file names")
        conf = detection.get("conf")
        rule(isinstance(conf, float) and 0 <= conf <= 1, "a confidence is a float from 0 to 1")
        rule(conf == round(conf, 3), "a confidence has 3 decimals")
        box = detection.get("bbox", ())
        rule(
            len(box) == 4 and all(isinstance(v, int | float) and 0 <= v <= 1 for v in box),
            "a box is relative",
        )
        rule(all(v == round(v, 4) for v in box), "a coordinate has 4 decimals")
        rule(box[0] + box[2] <= 1 + 1e-9 and box[1] + box[3] <= 1 + 1e-9, "a box is inside the picture")
        ranked = detection.get("classifications") or []
        rule(all(c[0] in classes for c in ranked), "a class is one of those that the file names")
        scores = [c[1] for c in ranked]
        rule(scores == sorted(scores, reverse=True), "classes are listed best first")


def written(table: pa.Table, path: Path, **options: Any) -> Any:
    write_megadetector(table, path, **options)
    return json.loads(path.read_bytes().decode("ascii"))


SHARE = st.floats(0, 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda name: name.strip() and name.casefold() != "empty"
)


@st.composite
def detections(draw: st.DrawFn) -> dict[str, Any]:
    x, y = draw(SHARE), draw(SHARE)
    ranked = draw(st.none() | st.lists(st.fixed_dictionaries({"label": NAMES, "score": SHARE}), max_size=3))
    return {
        "label": draw(NAMES), "score": draw(SHARE), "x": x, "y": y, "width": draw(SHARE) * (1 - x),
        "height": draw(SHARE) * (1 - y), "classifications": ranked,
    }  # fmt: skip


CLASS = pa.struct([("label", pa.string()), ("score", pa.float64())])
DETECTION = pa.struct(
    [("label", pa.string()), *((n, pa.float64()) for n in ("score", "x", "y", "width", "height")),
     ("classifications", pa.list_(CLASS))]
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.lists(st.none() | st.lists(detections(), max_size=3), max_size=5))
    failures = [None if found is not None else draw(NAMES) for found in rows]
    files = [
        draw(st.sampled_from(["a/{}.jpg", "a\\b\\{}.JPG", "./{}.png", "é/{}.jpg"])).format(i)
        for i in range(len(rows))
    ]
    return pa.table(
        {
            "file": pa.array(files, pa.string()),
            "detections": pa.array(rows, pa.list_(DETECTION)),
            "failure": pa.array(failures, pa.string()),
        }
    )


@settings(max_examples=60, deadline=None)
@given(table=tables())
def test_what_is_written_obeys_the_rules(table, tmp_path_factory):
    document = written(table, tmp_path_factory.mktemp("rules") / "results.json")
    assert broken_rules(document) == []
    assert len(document["images"]) == table.num_rows
    assert [image.get("failure") for image in document["images"]] == table["failure"].to_pylist()


def test_a_video_obeys_the_rules(tmp_path):
    person = {
        "label": "person",
        "score": 0.871,
        "x": 0.1,
        "y": 0.2,
        "width": 0.3,
        "height": 0.4,
        "frame_number": 20,
    }
    table = pa.table(
        {"file": ["v.mp4"], "detections": [[person]], "frame_rate": [20.0], "frames_processed": [[0, 20, 40]]}
    )
    assert broken_rules(written(table, tmp_path / "v.json")) == []


GOOD: dict[str, Any] = {
    "info": {"format_version": "1.6"},
    "detection_categories": {"1": "animal"},
    "images": [
        {"file": "1.jpg", "detections": [{"category": "1", "conf": 0.5, "bbox": [0.1, 0.1, 0.2, 0.2]}]}
    ],
}


def changed(**members: Any) -> Any:
    return {**GOOD, **members}


def with_image(**members: Any) -> Any:
    return changed(images=[{**GOOD["images"][0], **members}])


def with_detection(**members: Any) -> Any:
    return with_image(detections=[{**GOOD["images"][0]["detections"][0], **members}])


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (changed(info={"format_version": 1.6}), "the version is a text"),
        (changed(detection_categories={"0": "empty", "1": "animal"}), "category 0 is reserved"),
        (changed(detection_categories={"one": "x", "1": "animal"}), "ids are whole numbers"),
        (with_image(failure="damaged", detections=[]), "not even an empty one"),
        (with_image(detections=None), "has a list of detections"),
        (with_image(file="a\\1.jpg"), "with slashes"),
        (with_image(file="/1.jpg"), "paths are relative"),
        (with_image(file="1.mp4"), "a video has a frame rate"),
        (with_detection(conf=1), "a float"),
        (with_detection(conf=0.12345), "3 decimals"),
        (with_detection(category="7"), "one of those that the file names"),
        (with_detection(bbox=[0.9, 0.1, 0.2, 0.2]), "inside the picture"),
        (with_detection(classifications=[["1", 0.5]]), "a class is one of those"),
    ],
)  # fmt: skip
def test_the_rules_find_what_breaks_them(document, rule):
    assert broken_rules(GOOD) == []
    assert any(rule in text for text in broken_rules(document))
