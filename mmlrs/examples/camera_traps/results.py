"""Files of scores: a spreadsheet, MegaDetector's format for Timelapse and AddaxAI, and COCO Camera Traps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.camera_traps import write_coco, write_csv, write_megadetector
from mmlrs.examples.camera_traps.saved_study import StudyModel

__all__ = ["FORMATS"]


def _labels(table: pa.Table, model: StudyModel) -> pa.Array:
    """Return the label of each picture. One without the target may show something else, so it is not called empty."""
    is_target = pc.greater_equal(table.column("score"), model.threshold)
    return pc.if_else(is_target, model.target, f"no {model.target}").combine_chunks()


def _as_csv(table: pa.Table, model: StudyModel, path: str) -> None:
    columns = table.select(["file", "location", "time", "score", "failure"])
    write_csv(columns.append_column("label", _labels(table, model)), path)


def _as_coco(table: pa.Table, model: StudyModel, path: str) -> None:
    labels = _labels(table, model)
    lists = pa.array(
        [None if label is None else [label] for label in labels.to_pylist()], pa.list_(pa.string())
    )
    failed = table.filter(table.column("failure").is_valid())
    info = {
        "version": "1.0",
        "description": f"Pictures of camera traps; labels of a model, {_name(model)}, from the score {model.threshold:.4g}",
        "failures": dict(
            zip(failed.column("file").to_pylist(), failed.column("failure").to_pylist(), strict=True)
        ),
    }
    columns = table.append_column("labels", lists).append_column(
        "corrupt", table.column("failure").is_valid()
    )
    write_coco(columns, path, info=info)


def _as_megadetector(table: pa.Table, model: StudyModel, path: str) -> None:
    # The score is the whole picture's, and so is its box. The category is the target: "animal" would say that others are none.
    valid = table.column("score").is_valid().combine_chunks()
    scores = table.column("score").combine_chunks().drop_null()
    count = len(scores)
    members = {"label": pa.array([model.target] * count, pa.string()), "score": scores}
    members |= {
        name: pa.array(np.full(count, value))
        for name, value in (("x", 0.0), ("y", 0.0), ("width", 1.0), ("height", 1.0))
    }
    offsets = np.append(0, np.cumsum(valid.to_numpy(zero_copy_only=False))).astype(np.int32)
    structs = pa.StructArray.from_arrays(list(members.values()), names=list(members))
    lists = pa.ListArray.from_arrays(pa.array(offsets), structs, mask=pc.invert(valid))
    write_megadetector(
        table.select(["file", "failure"]).append_column("detections", lists),
        path,
        categories=[model.target],
        detector=_name(model),
        # Rounded down as scores are rounded to the nearest, so that no picture falls below.
        typical_threshold=math.floor(model.threshold * 1000) / 1000,
    )


def _name(model: StudyModel) -> str:
    return " ".join(part for part in ("mmlrs", model.target, model.variant, model.network) if part)


#: How to write each format, and the ending of its files.
FORMATS: dict[str, tuple[Callable[[pa.Table, Any, str], None], str]] = {
    "megadetector": (_as_megadetector, ".json"),
    "csv": (_as_csv, ".csv"),
    "coco": (_as_coco, ".coco.json"),
}
