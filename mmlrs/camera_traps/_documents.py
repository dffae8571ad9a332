"""Files of others: their bytes, JSON documents, and the values in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import pyarrow as pa

from mmlrs._messages import counted, shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs._warnings import warn_once
from mmlrs.errors import DecodeError, InvalidParamError, IoError, LimitExceededError

__all__ = ["Document", "column", "first_few", "read_bytes"]

#: Largest file that is read. A database of millions of pictures is smaller.
MAX_FILE_BYTES = 4 << 30

_INT32 = 2**31


def read_bytes(function: str, path: PathLike) -> tuple[str, bytes]:
    """Return the path of a local file, as errors name it, and its bytes."""
    name = path_of(path, f"{function}: param `path`")
    if is_remote(name):
        raise InvalidParamError(
            f"{function}: param `path` must be a local path, got {name}; copy the file first"
        )
    name = local_path(name)
    try:
        with open(name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise LimitExceededError(
                    f"{function}: {name} has {size:,} bytes, more than the limit of {MAX_FILE_BYTES:,}"
                )
            return name, file.read()
    except OSError as error:
        raise IoError(f"{function}: {name} cannot be read: {error.strerror or error}") from error


def first_few(items: Iterable[object], count: int = 3) -> str:
    """Return the first items for a message, and how many more there are."""
    listed = list(items)
    more = len(listed) - count
    return ", ".join(shown(item) for item in listed[:count]) + (f" and {more:,} more" if more > 0 else "")


class _RepeatedKeyError(Exception):
    """An object has a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. JSON allows keys to be repeated, but then the values before the last would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        owner = next((f" of {shown(found[key])}" for key in ("file", "file_name", "id") if key in found), "")
        raise _RepeatedKeyError(f"an object{owner} has the key {shown(twice)} twice; keep one of them")
    return found


class Document:
    """A JSON document, and the errors and warnings about its content.

    Parameters
    ----------
    function : str
        The function that errors name.
    path : path
        The file.
    """

    def __init__(self, function: str, path: PathLike) -> None:
        name, content = read_bytes(function, path)
        self.where = f"{function}: {name}"
        self._ignored: dict[str, int] = {}
        try:
            self.root: Any = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_unique)
        except _RepeatedKeyError as error:
            self.fail(str(error))
        except UnicodeDecodeError as error:
            self.fail(f"is not UTF-8: {error.reason} at byte {error.start:,}")
        except RecursionError:
            self.fail("is nested too deeply")
        except ValueError as error:
            self.fail(f"is not JSON: {error}")
        if not isinstance(self.root, dict):
            self.fail(f"must hold a JSON object, but holds {shown(self.root)}")

    def fail(self, problem: str) -> NoReturn:
        """Raise the error of the document."""
        raise DecodeError(f"{self.where}: {problem}")

    def objects(self, key: str) -> list[dict[str, Any]]:
        """Return a required list of objects."""
        items = self.root.get(key)
        if not isinstance(items, list):
            self.fail(f"`{key}` must be a list, got {shown(items)}")
        for place, item in enumerate(items):
            if not isinstance(item, dict):
                self.fail(f"`{key}`: item {place} must be an object, got {shown(item)}")
        return items

    def mapping(self, key: str, *, required: bool = False) -> dict[str, Any]:
        """Return an object; an optional one that is missing is empty."""
        value = self.root.get(key)
        if value is None and not required:
            return {}
        if not isinstance(value, dict):
            self.fail(f"`{key}` must be an object, got {shown(value)}")
        return value

    def text(self, owner: str, item: Mapping[str, Any], key: str, *, numbers: bool = False) -> str | None:
        """Return a text that is not blank, or None; `numbers` allows whole numbers, which become texts."""
        value = item.get(key)
        if numbers and type(value) is int:
            return str(value)
        if value is not None and not isinstance(value, str):
            kind = "a text or a whole number" if numbers else "a text"
            self.fail(f"{owner}: `{key}` must be {kind}, got {shown(value)}")
        return value or None

    def whole(self, owner: str, item: Mapping[str, Any], key: str) -> int | None:
        """Return a whole number of 32 bits, or None."""
        value = item.get(key)
        if value is None:
            return None
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not -_INT32 <= value < _INT32:
            self.fail(f"{owner}: `{key}` must be a whole number of 32 bits, got {shown(value)}")
        return value

    def numbers(self, owner: str, key: str, values: Any, count: int) -> list[float]:
        """Return a list of so many numbers."""
        if not isinstance(values, list) or len(values) != count:
            self.fail(f"{owner}: `{key}` must be a list of {count} numbers, got {shown(values)}")
        return [self.number(owner, key, value) for value in values]

    def number(self, owner: str, key: str, value: Any) -> float:
        """Return a number, perhaps NaN."""
        if type(value) is not float and not (type(value) is int and abs(value) < 10**15):
            self.fail(f"{owner}: `{key}` must be a number, got {shown(value)}")
        return float(value)

    def ignore(self, kind: str, item: Mapping[str, Any], known: frozenset[str]) -> None:
        """Count the fields of an object that are not read."""
        for key in item.keys() - known:
            name = f"{kind}.{key:.40}"
            self._ignored[name] = self._ignored.get(name, 0) + 1

    def warn(self, notes: Iterable[str] = ()) -> None:
        """Warn of what is not in the result."""
        if self._ignored:
            names = sorted(self._ignored)
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            counts = ", ".join(f"`{ascii(name)[1:-1]}` ({self._ignored[name]:,})" for name in names[:8])
            notes = [*notes, f"{counted(len(names), 'field')} not read: {counts}{more}"]
        warn_once(f"{self.where}: {note}" for note in notes)


def column(document: Document, name: str, values: Any, kind: pa.DataType) -> pa.Array:
    """Return values as a column. Texts may hold halves of surrogate pairs, which Arrow cannot."""
    try:
        return pa.array(values, kind)
    except (UnicodeEncodeError, pa.ArrowInvalid) as error:
        document.fail(f"column `{name}`: {shown(str(error), 200)}")
