"""The files that say what the pictures show: labels.csv and coco.json."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmlrs.examples.camera_traps.bursts import EMPTY
from mmlrs.examples.camera_traps.species import SPECIES


@dataclass(frozen=True)
class Row:
    """One picture."""

    #: Path below the folder of the data set, with slashes.
    file: str
    label: str
    location: str
    sequence: str
    #: Number in its sequence, from 1, and the number of frames of the sequence.
    frame: int
    frames: int
    time: dt.datetime
    split: str
    #: Boxes of the animals: left, top, width and height in pixels.
    boxes: tuple[tuple[int, int, int, int], ...]


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write a line per picture."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "label", "location", "sequence", "frame", "time", "split"))
        writer.writerows((r.file, r.label, r.location, r.sequence, r.frame, r.time, r.split) for r in rows)


def write_coco(path: Path, rows: Sequence[Row], size: tuple[int, int]) -> None:
    """Write COCO Camera Traps. An empty picture has an annotation without a box, of category 0."""
    names = [EMPTY, *sorted(SPECIES)]
    images = [
        {
            "id": row.file, "file_name": row.file, "width": size[0], "height": size[1], "datetime": str(row.time),
            "seq_id": row.sequence, "seq_num_frames": row.frames, "frame_num": row.frame - 1, "location": row.location,
        }
        for row in rows
    ]  # fmt: skip
    annotations = [
        {"id": f"{row.file}#{number}", "image_id": row.file, "category_id": names.index(row.label)}
        | ({"bbox": list(box)} if box else {})
        for row in rows
        for number, box in enumerate(row.boxes or (None,))
    ]
    content = {
        "info": {"version": "1", "description": "Drawn camera-trap pictures"},
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
        "images": images,
        "annotations": annotations,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
