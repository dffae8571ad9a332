"""JSON files that are written: one object of a list per line, so that millions of pictures need little memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import IO, Any

import pyarrow as pa

from mmlrs._messages import shown
from mmlrs.errors import InvalidParamError

__all__ = ["info_of", "kept_document", "with_document", "write_members"]

_encode = json.JSONEncoder(allow_nan=False, separators=(", ", ": ")).encode


def write_members(file: IO[bytes], members: Mapping[str, Any]) -> None:
    """Write an object. Members that are iterators are lists, one item per line. The file is ASCII, which every reader reads."""
    file.write(b"{")
    for number, (name, value) in enumerate(members.items()):
        file.write(b",\n" if number else b"\n")
        file.write(f" {_encode(name)}: ".encode())
        if isinstance(value, Mapping | str):
            file.write(_encode(value).encode())
        else:
            _write_list(file, value)
    file.write(b"\n}\n")


def _write_list(file: IO[bytes], items: Iterable[Any]) -> None:
    file.write(b"[")
    for number, item in enumerate(items):
        file.write((",\n  " if number else "\n  ").encode() + _encode(item).encode())
    file.write(b"\n ]")


def with_document(schema: pa.Schema, key: bytes, document: Mapping[str, Any]) -> pa.Schema:
    """Return a schema with what a file says about all its pictures, as JSON in the metadata."""
    return schema.with_metadata({key: json.dumps(document).encode()})


def kept_document(table: pa.Table, key: bytes) -> dict[str, Any]:
    """Return what `with_document` keeps, or an empty dict."""
    content = (table.schema.metadata or {}).get(key)
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def info_of(function: str, info: Mapping[str, Any] | None, default: Mapping[str, Any]) -> dict[str, Any]:
    """Return the param `info`, or the default. Raise if JSON cannot hold it."""
    info = default if info is None else info
    if not isinstance(info, Mapping):
        raise InvalidParamError(f"{function}: param `info` must be a dict, got {shown(info)}")
    try:
        _encode(dict(info))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParamError(f"{function}: param `info` cannot be JSON: {error}") from None
    return dict(info)
