"""Files of camera traps: COCO Camera Traps, results of MegaDetector, and labels in spreadsheets."""

from __future__ import annotations

import json
import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from checks import Broken, answered
from mutate import changed, damaged, text

from mmlrs.camera_traps import (
    match_labels,
    read_coco,
    read_labels,
    read_megadetector,
    write_coco,
    write_csv,
    write_megadetector,
)

BATCH = 32
SHORT = 256

_COCO = {
    "info": {"version": "1.0"},
    "images": [
        {
            "id": "1", "file_name": "a/1.jpg", "width": 1280, "height": 960, "datetime": "2022-12-31 09:52:50", "location": "a",
            "seq_id": "s", "seq_num_frames": 2, "frame_num": 0, "corrupt": False,
        },
        {"id": 2, "file_name": "a/2.jpg", "datetime": "0000-00-00 00:00:00", "location": 7, "corrupt": True},
    ],
    "annotations": [
        {"id": "1", "image_id": "1", "category_id": 1, "bbox": [128, 96, 200.5, 100], "sequence_level_annotation": True},
        {"id": "2", "image_id": "2", "category_id": 0},
        {"id": "3", "image_id": "2", "category_id": 1, "bbox_relative": [0.1, 0.2, 0.3, 0.4]},
    ],
    "categories": [{"id": 0, "name": "empty"}, {"id": 1, "name": "fox"}],
}  # fmt: skip
_MEGADETECTOR = {
    "info": {"format_version": "1.6", "detector_metadata": {"typical_detection_threshold": 0.2}},
    "detection_categories": {"1": "animal", "2": "person"},
    "classification_categories": {"0": "fox", "4": "hare"},
    "classification_category_descriptions": {"0": "vulpes", "4": ""},
    "images": [
        {
            "file": "a\\1.jpg",
            "detections": [{"category": "1", "conf": 0.926, "bbox": [0, 0.3, 0.15, 0.3], "classifications": [["4", 0.9], ["0", 0.1]]}],
        },
        {"file": "a/2.jpg", "detections": [], "failure": None},
        {"file": "a/3.jpg", "detections": None, "failure": "damaged"},
        {
            "file": "v.mp4", "frame_rate": 20, "frames_processed": [0, 20],
            "detections": [{"category": "2", "conf": 1, "bbox": [0.1, 0.2, 0.3, 0.4], "frame_number": 20}],
        },
    ],
}  # fmt: skip
_SHEETS = [
    "file,label\r\na/1.jpg,fox\r\na/2.jpg,\r\n",
    'File Name;Remarks;Species\n1.jpg;"a; b";hare\n\'=2.jpg;;"x ""y"""\n',
    "sep=\t\r\nimage\tclass\r\nD:\\cards\\1.jpg\tfox\r\n",
]
_NAMES = [
    *_COCO["images"][0],
    *_COCO["annotations"][0],
    *_MEGADETECTOR["images"][0],
    "conf",
    "bbox",
    "empty",
    "0",
    "1",
]


def item(rng: random.Random) -> Any:
    """The kind of the file, and its bytes."""
    kind = rng.choice(["coco", "megadetector", "labels"])
    if kind == "labels":
        sheet = text(rng, rng.choice(_SHEETS)).encode(rng.choice(["utf-8", "utf-16", "cp1252"]), "replace")
        return kind, damaged(sheet, rng) if rng.random() < 0.5 else sheet
    value = _COCO if kind == "coco" else _MEGADETECTOR
    content = json.dumps(changed(value, rng, _NAMES)).encode()
    return kind, damaged(content, rng) if rng.random() < 0.2 else content


def check(items: list[Any]) -> None:
    checks = {"coco": _check_coco, "megadetector": _check_megadetector, "labels": _check_labels}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fields that are not read
        for kind, content in items:
            path = Path(name) / "given"
            path.write_bytes(content)
            answered(lambda kind=kind, path=path: checks[kind](path))


def _written(path: Path, write: Callable[[pa.Table, Path], None], table: pa.Table) -> Path | None:
    """The file that is written, or None after an error, which must not leave one."""
    target = path.with_name("written")
    target.unlink(missing_ok=True)

    def work() -> Path:
        write(table, target)
        return target

    made = answered(work)
    if {file.name for file in path.parent.iterdir()} - {"given", "written"} or (
        made is None and target.exists()
    ):
        raise Broken("a file remains of one that was not written")
    return made


def _check_coco(path: Path) -> None:
    table = read_coco(path)
    again = _written(path, write_coco, table)
    if again is not None and not read_coco(again).equals(table):
        raise Broken("a table of COCO is another after it was written")
    _written(path, write_csv, table)


def _check_megadetector(path: Path) -> None:
    table = read_megadetector(path)
    if any(
        (found is None) != (why is not None)
        for found, why in zip(*map(_column(table), ("detections", "failure")))
    ):
        raise Broken("a failed picture has detections, or one that did not fail has none")
    again = _written(path, write_megadetector, table)
    if again is not None:
        found = read_megadetector(again)
        if not found["detections"].is_null().equals(table["detections"].is_null()):
            raise Broken("a failed picture is an empty one after it was written, or the other way round")
    _written(path, write_csv, table)


def _column(table: pa.Table) -> Callable[[str], list[Any]]:
    return lambda name: table[name].to_pylist()


def _check_labels(path: Path) -> None:
    table = read_labels(path)
    again = _written(path, write_csv, table)
    if again is not None and read_labels(again).num_rows != table.num_rows:
        raise Broken("a spreadsheet has another number of rows after it was written")
    match_labels(table, ["a/1.jpg", "a/2.jpg"])
