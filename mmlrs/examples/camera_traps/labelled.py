"""Labelled pictures of a folder: what each shows, at which camera, and to which burst it belongs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import counted, shown
from mmlrs.camera_traps import match_labels, read_coco, read_labels
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, IoError
from mmlrs.examples.camera_traps.visits import with_visits

__all__ = ["Labelled", "labelled"]

NAME = "camera_traps"
#: What a picture without animals is called.
EMPTY = "empty"
#: Files of labels that are found without `labels`, in this order.
_USUAL = ("labels.csv", "coco.json")
#: Labels that an error lists.
_LISTED = 20


@dataclass(frozen=True)
class Labelled:
    """The pictures of a study.

    Parameters
    ----------
    table : pyarrow.Table
        A row per labelled picture: `file` (below the folder), `label` (as people read it), `target` (1.0 if the picture shows the
        target, else 0.0), `location`, `sequence`, and `split` ("train", "test" or null).
    source : str
        The file of labels.
    visits : str
        How bursts were found.
    without_picture, without_label : tuple of str
        Files of labels without a picture, and pictures without a label.
    of_sequence : int
        Pictures whose label is known for their sequence only.
    """

    table: pa.Table
    source: str
    visits: str
    without_picture: tuple[str, ...]
    without_label: tuple[str, ...]
    of_sequence: int


def labelled(images: Path, labels: Path | None, target: str) -> Labelled:
    """Return the labelled pictures of a folder.

    Raises
    ------
    InvalidParamError
        No label names the target, no label belongs to a picture, or a label fits several pictures.
    IoError, DecodeError, ColumnNotFoundError
        A file or folder cannot be read.
    """
    if not images.is_dir():
        raise IoError(f"{NAME}: param `images`: {images} is not a folder; pass the folder of the pictures")
    path = labels or _usual(images)
    rows = _coco(path) if path.suffix.casefold() == ".json" else _sheet(path)
    numbered = pa.table({"file": rows["file"], "label": pa.array(map(str, range(rows.num_rows)))})
    found = match_labels(numbered, images)
    if not found.table.num_rows:
        raise InvalidParamError(
            f"{NAME}: param `labels`: none of the {counted(rows.num_rows, 'label')} of {path} belongs to a picture in {images}, for "
            f"instance {shown(found.without_picture[0])}; pass the folder to which the paths of the labels refer"
        )
    rows = rows.take(found.table["label"].cast(pa.int64())).set_column(0, "file", found.table["file"])
    unknown = tuple(rows.filter(pc.is_null(rows["labels"]))["file"].to_pylist())
    rows = rows.filter(pc.is_valid(rows["labels"]))
    name = _target(path, rows, target)
    table, visits = with_visits(images, _located(rows))
    columns = {
        "file": table["file"],
        "label": pa.array([", ".join(names) or EMPTY for names in table["labels"].to_pylist()], pa.string()),
        "target": pa.array([float(name in names) for names in table["labels"].to_pylist()], pa.float64()),
        **{column: table[column] for column in ("location", "sequence", "split")},
    }
    missing = (*found.without_label, *unknown)
    of_sequence = int(pc.sum(table["of_sequence"]).as_py() or 0)
    return Labelled(pa.table(columns), path.name, visits, found.without_picture, missing, of_sequence)


def _usual(images: Path) -> Path:
    for name in _USUAL:
        if (images / name).is_file():
            return images / name
    raise IoError(
        f"{NAME}: param `labels`: {images} has no {' and no '.join(_USUAL)}; pass a JSON file of COCO Camera Traps, or a CSV file with "
        "the columns file and label"
    )


def _coco(path: Path) -> pa.Table:
    """Return the columns of labels from a file of COCO Camera Traps."""
    rows = read_coco(path)
    return pa.table(
        {
            **{name: rows[name] for name in ("file", "labels", "location", "sequence", "time")},
            "split": pa.nulls(rows.num_rows, pa.string()),
            "of_sequence": pc.is_valid(rows["sequence_labels"]),
        }
    )


def _sheet(path: Path) -> pa.Table:
    """Return the columns of labels from a spreadsheet, which may also have a location, a sequence and a split."""
    rows = read_labels(path)
    names = [
        None if label is None else [] if label.casefold() == EMPTY else [label]
        for label in rows["label"].to_pylist()
    ]
    count = rows.num_rows
    columns = {"file": rows["file"], "labels": pa.array(names, pa.list_(pa.string()))}
    for name in ("location", "sequence", "split"):
        try:
            columns[name] = read_labels(path, label_col=name)["label"]
        except ColumnNotFoundError:
            columns[name] = pa.nulls(count, pa.string())
    columns["time"] = pa.nulls(count, pa.timestamp("us"))
    columns["of_sequence"] = pa.array([False] * count)
    return pa.table(columns)


def _target(path: Path, rows: pa.Table, target: str) -> str:
    """Return the label of the target as the file spells it."""
    counts = Counter(name for names in rows["labels"].to_pylist() for name in names)
    if not rows.num_rows:
        raise DecodeError(f"{NAME}: param `labels`: {path} has no label for any picture; label some first")
    fitting = [name for name in counts if name == target] or [
        name for name in counts if name.casefold() == target.casefold()
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common(_LISTED))
    more = f" and {len(counts) - _LISTED:,} more" if len(counts) > _LISTED else ""
    raise InvalidParamError(
        f"{NAME}: param `target`: no picture has the label {shown(target)}; the labels of {path} are {listed or 'all empty'}{more}"
    )


def _located(rows: pa.Table) -> pa.Table:
    """Return the rows with a location: that of the labels, else the first folder of the path."""
    folders = [file.partition("/")[0] if "/" in file else "" for file in rows["file"].to_pylist()]
    place = rows.column_names.index("location")
    return rows.set_column(place, "location", pc.coalesce(rows["location"], pa.array(folders, pa.string())))
