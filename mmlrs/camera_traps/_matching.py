"""Which label belongs to which picture of a folder."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._messages import counted, shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs.camera_traps._documents import first_few
from mmlrs.camera_traps._folders import walk_pictures
from mmlrs.camera_traps._paths_of_pictures import forward
from mmlrs.camera_traps._rows import Rows
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["Matches", "match_labels"]

_FUNCTION = "match_labels"


@dataclass(frozen=True)
class Matches:
    """Labels and the pictures to which they belong.

    Parameters
    ----------
    table : pyarrow.Table
        The columns `file` (string), as the pictures are called, and `label` (string), for each picture with a row of labels, in
        the order of the pictures.
    without_picture : tuple of str
        Files of rows of labels that have no picture.
    without_label : tuple of str
        Pictures that have no row of labels.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.camera_traps import match_labels
    >>> match_labels(pa.table({"file": ["1.jpg"], "label": ["fox"]}), ["1.jpg", "2.jpg"])
    Matches(1 picture with a label, 0 labels without a picture, 1 picture without a label: '2.jpg')
    """

    table: pa.Table
    without_picture: tuple[str, ...]
    without_label: tuple[str, ...]

    def __repr__(self) -> str:
        """Return the numbers and the first names."""
        parts = [f"{counted(self.table.num_rows, 'picture')} with a label"]
        for names, noun, missing in (
            (self.without_picture, "label", "a picture"),
            (self.without_label, "picture", "a label"),
        ):
            few = f": {first_few(names)}" if names else ""
            parts.append(f"{counted(len(names), noun)} without {missing}{few}")
        return f"Matches({', '.join(parts)})"


def match_labels(labels: Dataset, pictures: PathLike | Iterable[str]) -> Matches:
    """Find the picture of each label.

    A label names its picture by the path below the folder, by the end of that path, or by a longer path that ends like it:
    `1.jpg`, `north/1.jpg` and `D:/cards/north/1.jpg` all mean `north/1.jpg`, as long as no other picture fits better or as well. A
    picture with the same upper and lower case letters fits better than one without. Accents may be written in both ways of Unicode: "é"
    as one character, or as "e" and an accent, as on a Mac.

    Parameters
    ----------
    labels : DataFrame or table
        The columns `file` and `label`, as from `read_labels`. A DataFrame of Spark is collected.
    pictures : path, or list of str
        A folder, or the paths of the pictures. In a folder and below, files with the endings jpg, jpeg, png, tif, tiff, bmp, gif and
        webp are pictures. Names that begin with a dot are skipped, and links to folders are not followed.

    Returns
    -------
    Matches
        The labels by picture, the rows of labels without a picture, and the pictures without one. None of these is an error.

    Raises
    ------
    InvalidParamError
        A row of labels fits several pictures, or several rows fit one; the message lists the first few. Or
        there are no pictures.
    ColumnNotFoundError, SchemaMismatchError
        There is no column `file` or `label`, or it does not hold strings.
    IoError
        The folder cannot be read.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.camera_traps import match_labels
    >>> labels = pa.table({"file": ["D:/cards/north/1.JPG", "9.jpg"], "label": ["fox", "hare"]})
    >>> found = match_labels(labels, ["north/1.jpg", "north/2.jpg"])
    >>> found.table.to_pylist(), found.without_picture, found.without_label
    ([{'file': 'north/1.jpg', 'label': 'fox'}], ('9.jpg',), ('north/2.jpg',))
    """
    rows = Rows(_FUNCTION, labels)
    names = _pictures(pictures)
    index: dict[str, list[str]] = {}
    for name in names:
        index.setdefault(_base(name), []).append(name)
    found: dict[str, dict[str, str | None]] = {}
    lost, ambiguous = [], []
    for file, label in zip(rows.files, rows.values("label", required=True), strict=True):
        fitting = _fitting(file, index)
        if len(fitting) == 1:
            found.setdefault(fitting[0], {})[file] = label
        elif fitting:
            ambiguous.append(f"{file} fits {' and '.join(fitting[:2])}")
        else:
            lost.append(file)
    if ambiguous:
        raise InvalidParamError(
            f"{_FUNCTION}: {counted(len(ambiguous), 'label')} with several pictures: {first_few(ambiguous)}; write the path of the "
            "picture below the folder"
        )
    double = [
        f"{name} fits {' and '.join(list(given)[:2])}" for name, given in found.items() if len(given) > 1
    ]
    if double:
        raise InvalidParamError(
            f"{_FUNCTION}: {counted(len(double), 'picture')} with several rows of labels: {first_few(double)}; keep one row"
        )
    labelled = [name for name in names if name in found]
    values = [next(iter(found[name].values())) for name in labelled]
    table = pa.table({"file": pa.array(labelled, pa.string()), "label": pa.array(values, pa.string())})
    return Matches(table, tuple(lost), tuple(name for name in names if name not in found))


def _same(path: str) -> str:
    """Return a path in one form: a Mac writes an accent as a character of its own, other systems do not."""
    return unicodedata.normalize("NFC", forward(path))


def _folded(path: str) -> str:
    # Folding may take a composed character apart.
    return unicodedata.normalize("NFC", _same(path).casefold())


def _base(path: str) -> str:
    return _folded(path).rpartition("/")[2]


def _fitting(path: str, index: dict[str, list[str]]) -> list[str]:
    """Return the pictures that a path may mean: the same path, else those that end like it, else the longest end of it."""
    near = index.get(_base(path), [])
    for form in (forward, _same, _folded):
        own = form(path)
        others = [(name, form(name)) for name in near]
        same = [name for name, other in others if other == own]
        longer = [name for name, other in others if other.endswith(f"/{own}")]
        shorter = [(name, other) for name, other in others if own.endswith(f"/{other}")]
        most = max((len(other) for _, other in shorter), default=0)
        fitting = same or longer or [name for name, other in shorter if len(other) == most]
        if fitting:
            return fitting
    return []


def _pictures(pictures: Any) -> list[str]:
    """Return the paths of the pictures."""
    where = f"{_FUNCTION}: param `pictures`"
    if isinstance(pictures, str | os.PathLike):
        folder = path_of(pictures, where)
        if is_remote(folder):
            raise InvalidParamError(
                f"{where} must be a local folder, got {folder}; pass the paths of the pictures"
            )
        below = sorted(walk_pictures(_FUNCTION, local_path(folder)))
        if not below:
            raise InvalidParamError(f"{where}: there are no pictures in {folder} and below")
        return below
    names: list[Any] = list(pictures) if isinstance(pictures, Iterable) else []
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidParamError(
                f"{where} must be a folder or a list of paths, got the item {shown(name)}"
            )
    if not names:
        raise InvalidParamError(
            f"{where} must be a folder or a list of paths that is not empty, got {shown(pictures)}"
        )
    if len(set(names)) < len(names):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise InvalidParamError(f"{where} must have each path once; repeated: {first_few(twice)}")
    return names
