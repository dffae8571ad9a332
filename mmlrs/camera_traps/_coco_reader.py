"""Read COCO Camera Traps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs._messages import shown
from mmlrs._paths import PathLike
from mmlrs.camera_traps._documents import Document, column, first_few
from mmlrs.camera_traps._json_files import with_document
from mmlrs.camera_traps._rows import BOX, box_problem
from mmlrs.camera_traps._times import camera_time, written_time

__all__ = ["COCO", "EMPTY", "is_empty", "read_coco"]

#: Metadata key of what the file says about all pictures.
COCO = b"mmlrs.coco"
#: Name of the category of pictures without animals.
EMPTY = "empty"
#: Other names of category 0 that mean the same.
_EMPTY_NAMES = {"blank", "none", "nothing", "false trigger", "misfire", "no animal", "no animals"}

_BOX = pa.struct([("label", pa.string()), *((name, pa.float64()) for name in BOX)])
_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("time", pa.timestamp("us")),
        ("time_text", pa.string()),
        ("location", pa.string()),
        ("sequence", pa.string()),
        ("frame", pa.int32()),
        ("frames", pa.int32()),
        ("corrupt", pa.bool_()),
        ("labels", pa.list_(pa.string())),
        ("sequence_labels", pa.list_(pa.string())),
        ("boxes", pa.list_(_BOX)),
    ]
)
_IMAGE = frozenset(
    [
        "id",
        "file_name",
        "width",
        "height",
        "datetime",
        "location",
        "seq_id",
        "seq_num_frames",
        "frame_num",
        "corrupt",
    ]
)
_ANNOTATION = frozenset(
    ["id", "image_id", "category_id", "bbox", "bbox_relative", "sequence_level_annotation"]
)
_KNOWN = frozenset(("info", "images", "annotations", "categories"))


def is_empty(number: object, name: str) -> bool:
    """Return whether a category means that there is no animal."""
    plain = name.strip().casefold()
    return plain == EMPTY or (number == 0 and plain.replace("_", " ") in _EMPTY_NAMES)


@dataclass
class _Labels:
    """The annotations of a picture."""

    own: set[str] = field(default_factory=set)
    of_sequence: set[str] = field(default_factory=set)
    boxes: list[tuple[str, list[float]]] = field(default_factory=list)

    def lists(self) -> tuple[list[str], list[str] | None, list[tuple[str, list[float]]] | None]:
        """Return the columns `labels`, `sequence_labels` and `boxes`."""
        labels = sorted(self.own | self.of_sequence)
        only_sequence: list[str] | None = sorted(self.of_sequence - self.own) or None
        if labels == [EMPTY] and not self.boxes:
            return [], None if only_sequence is None else [], []
        return labels, only_sequence, self.boxes or None


def read_coco(path: PathLike) -> pa.Table:
    """Read a file of COCO Camera Traps, the JSON format of the data sets of LILA.

    A picture that nobody has labelled is not a picture without animals: the former has null labels, the latter an empty list.

    Parameters
    ----------
    path : path
        Local JSON file.

    Returns
    -------
    pyarrow.Table
        One row per picture, in the order of the file:

        - `file` (string): the file name, as in the file.
        - `width`, `height` (int32): pixels; both null if one of them is missing, 0 or negative.
        - `time` (timestamp[us], without a zone): the time of the camera's clock; null if it is missing or invalid, as for the years
          0000 and 2099. Valid times are from 1990 to a day from now.
        - `time_text` (string): the time as in the file, where `time` does not say the same; else null.
        - `location`, `sequence` (string): null if missing.
        - `frame`, `frames` (int32): the place of the picture in its sequence, from 0, and the pictures of the sequence.
        - `corrupt` (bool): whether the file marks the picture as damaged; false if it does not say.
        - `labels` (list of string): the names of the categories, each once, sorted. Null if the picture has no annotations. An empty
          list if it is annotated as empty. If a picture is annotated as empty and as something else, "empty" is one of the labels.
        - `sequence_labels` (list of string): those of the labels that are known for the sequence only. Null if there are none. An
          empty list if the picture counts as empty because of its sequence.
        - `boxes` (list of struct of `label`, `x`, `y`, `width`, `height`): relative to the picture, from the upper left corner.
          An empty list if the picture is annotated as empty; null if it has no boxes for another reason. They may exceed the
          picture, as people draw them.

        The metadata of the schema hold `info` and `categories` as JSON, under `mmlrs.coco`.

    Raises
    ------
    InvalidParamError
        `path` is not a local path.
    IoError, LimitExceededError
        The file cannot be read, or is too large.
    DecodeError
        The file is not JSON, or not in the format: a field has another type, two pictures have the same id or file name, an
        annotation is of an unknown picture or category, or a box is not finite, has a negative size, or belongs to a picture of
        unknown size.

    Warns
    -----
    UserWarning
        The file has fields that are not read, such as `rights_holder` and `count`.

    Notes
    -----
    The category with the name "empty" means that there is no animal, as does category 0 if it is called blank, none, nothing, false
    trigger, misfire or no animal. Category 0 with any other name is a label. A box is computed from `bbox`, in pixels, unless
    the file has `bbox_relative`. Ids of pictures and annotations are not kept. The whole file is read into memory.

    Examples
    --------
    >>> import json, os, tempfile
    >>> from mmlrs.camera_traps import read_coco
    >>> data = {
    ...     "images": [{"id": "1", "file_name": "north/1.jpg", "width": 100, "height": 50}, {"id": "2", "file_name": "north/2.jpg"}],
    ...     "annotations": [{"id": "1", "image_id": "1", "category_id": 3, "bbox": [10, 10, 20, 25]}],
    ...     "categories": [{"id": 0, "name": "empty"}, {"id": 3, "name": "fox"}],
    ... }
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "traps.json")
    >>> with open(path, "w") as file:
    ...     json.dump(data, file)
    >>> table = read_coco(path)
    >>> table["labels"].to_pylist(), table["boxes"][0].as_py()
    ([['fox'], None], [{'label': 'fox', 'x': 0.1, 'y': 0.2, 'width': 0.2, 'height': 0.5}])
    >>> folder.cleanup()
    """
    document = Document("read_coco", path)
    document.ignore("file", document.root, _KNOWN)
    columns, places = _pictures(document)
    categories = _categories(document)
    labels = _annotations(document, categories, places, columns)
    lists = [(None, None, None) if found is None else found.lists() for found in labels]
    arrays = [column(document, name, columns[name], _SCHEMA.field(name).type) for name in columns]
    for place, name in enumerate(("labels", "sequence_labels")):
        arrays.append(column(document, name, [row[place] for row in lists], _SCHEMA.field(name).type))
    arrays.append(_boxes(document, columns["file"], [row[2] for row in lists]))
    document.warn()
    kept = {
        "info": document.mapping("info"),
        "categories": [{"id": k, "name": v} for k, v in categories.items()],
    }
    return pa.Table.from_arrays(arrays, schema=with_document(_SCHEMA, COCO, kept))


def _pictures(document: Document) -> tuple[dict[str, list[Any]], dict[str, int]]:
    """Return the columns of the pictures, and the rows by their ids."""
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names[:10]}
    places: dict[str, int] = {}
    files: set[str] = set()
    for row, image in enumerate(document.objects("images")):
        owner = f"picture {row}"
        file = document.text(owner, image, "file_name")
        if file is None or not file.strip():
            document.fail(f"{owner} has no `file_name`")
        owner = f"{owner} ({shown(file)})"
        number = document.text(owner, image, "id", numbers=True)
        if number is None:
            document.fail(f"{owner} has no `id`")
        if number in places or file in files:
            document.fail(
                f"{owner}: another picture has the same `{'id' if number in places else 'file_name'}`"
            )
        places[number] = row
        files.add(file)
        _add_picture(document, owner, image, columns, file)
        if not image.keys() <= _IMAGE:
            document.ignore("images", image, _IMAGE)
    return columns, places


def _add_picture(
    document: Document, owner: str, image: dict[str, Any], columns: dict[str, list[Any]], file: str
) -> None:
    text = document.text(owner, image, "datetime")
    time = None if text is None else camera_time(text)
    corrupt = image.get("corrupt")
    if corrupt is not None and not isinstance(corrupt, bool):
        document.fail(f"{owner}: `corrupt` must be true or false, got {shown(corrupt)}")
    columns["file"].append(file)
    sides = [document.whole(owner, image, name) or 0 for name in ("width", "height")]
    for name, pixels in zip(("width", "height"), sides, strict=True):
        columns[name].append(pixels if min(sides) > 0 else None)
    columns["time"].append(time)
    columns["time_text"].append(text if time is None or written_time(time) != text else None)
    columns["location"].append(document.text(owner, image, "location", numbers=True))
    columns["sequence"].append(document.text(owner, image, "seq_id", numbers=True))
    columns["frame"].append(document.whole(owner, image, "frame_num"))
    columns["frames"].append(document.whole(owner, image, "seq_num_frames"))
    columns["corrupt"].append(bool(corrupt))


def _categories(document: Document) -> dict[int, str]:
    """Return the names of the categories by their ids."""
    names: dict[int, str] = {}
    for place, category in enumerate(document.objects("categories")):
        owner = f"category {place}"
        number = document.whole(owner, category, "id")
        name = document.text(owner, category, "name")
        if number is None or name is None or not name.strip():
            document.fail(f"{owner} must have an `id` and a `name`, got {shown(category)}")
        if number in names:
            document.fail(f"{owner}: another category has the id {number}")
        names[number] = name
    return names


def _annotations(
    document: Document, categories: dict[int, str], places: dict[str, int], columns: dict[str, list[Any]]
) -> list[_Labels | None]:
    """Return the annotations of each picture, None without any."""
    names = {number: EMPTY if is_empty(number, name) else name for number, name in categories.items()}
    labels: list[_Labels | None] = [None] * len(places)
    unknown = []
    for place, item in enumerate(document.objects("annotations")):
        owner = f"annotation {place}"
        picture = document.text(owner, item, "image_id", numbers=True)
        row = None if picture is None else places.get(picture)
        if row is None:
            unknown.append(item.get("image_id"))
            continue
        number = document.whole(owner, item, "category_id")
        if number not in names:
            document.fail(
                f"{owner}: `categories` has no category with the id {shown(item.get('category_id'))}"
            )
        found = labels[row]
        if found is None:
            found = labels[row] = _Labels()
        whole = item.get("sequence_level_annotation")
        if whole is not None and not isinstance(whole, bool):
            document.fail(f"{owner}: `sequence_level_annotation` must be true or false, got {shown(whole)}")
        (found.of_sequence if whole else found.own).add(names[number])
        if item.get("bbox") is not None or item.get("bbox_relative") is not None:
            found.boxes.append((names[number], _box(document, owner, item, columns, row)))
        if not item.keys() <= _ANNOTATION:
            document.ignore("annotations", item, _ANNOTATION)
    if unknown:
        document.fail(f"annotations are of pictures that the file does not have: {first_few(unknown)}")
    return labels


def _box(
    document: Document, owner: str, item: dict[str, Any], columns: dict[str, list[Any]], row: int
) -> list[float]:
    """Return a box relative to its picture."""
    relative = item.get("bbox_relative")
    if relative is not None:
        return document.numbers(owner, "bbox_relative", relative, 4)
    x, y, w, h = document.numbers(owner, "bbox", item["bbox"], 4)
    width, height = columns["width"][row], columns["height"][row]
    if width is None or height is None:
        document.fail(
            f"{owner}: a box in pixels needs the `width` and `height` of its picture, {shown(columns['file'][row])}"
        )
    return [x / width, y / height, w / width, h / height]


def _boxes(document: Document, files: list[str], rows: list[Any]) -> pa.Array:
    """Return the column `boxes`."""
    offsets, labels, boxes, owners = [0], [], [], []
    for row, found in enumerate(rows):
        for label, box in found or ():
            labels.append(label)
            boxes.append(box)
            owners.append(row)
        offsets.append(len(labels))
    values = np.array(boxes, float).reshape(-1, 4)
    problem = box_problem(values, tolerance=None)
    if problem is not None:
        row = owners[problem[0]]
        document.fail(f"picture {row} ({shown(files[row])}): {problem[1]}")
    structs = pa.StructArray.from_arrays(
        [column(document, "boxes", labels, pa.string()), *(pa.array(values[:, i]) for i in range(4))],
        fields=list(_BOX),
    )
    mask = pa.array([found is None for found in rows], pa.bool_())
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), structs, type=_SCHEMA.field("boxes").type, mask=mask
    )
