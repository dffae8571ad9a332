"""Zip archives as files: what Spark's workers do with them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = ["Entries"]

#: Content of a batch of entries.
_BATCH_BYTES = 32 * 1024 * 1024
_TYPES = {"path": pa.string(), "length": pa.int64(), "content": pa.binary()}


@dataclass(frozen=True)
class Entries:
    """Makes rows of the entries of archives: what `mapInArrow` calls.

    Parameters
    ----------
    names : tuple of str
        The columns to make: `path`, `length`, `content`, the column of reasons, and any others, which are those of the
        archive's row.
    why : str
        The column that says why `content` is null.
    max_bytes : int
        The content of a larger entry is null.
    """

    names: tuple[str, ...]
    why: str
    max_bytes: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the entries, some megabytes at a time."""
        for batch in batches:
            schema = pa.schema(
                [pa.field(n, self._type(n, batch.schema)) for n in self.names],
            )
            for row in batch.to_pylist():
                yield from self._entries(row, schema)

    def _type(self, name: str, archives: pa.Schema) -> pa.DataType:
        return pa.string() if name == self.why else _TYPES.get(name) or archives.field(name).type

    def _entries(self, archive: dict[str, Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        shared = {n: archive[n] for n in self.names if n not in _TYPES and n != self.why}
        path, content = archive["path"], archive["content"]
        rows: list[dict[str, Any]] = []
        size = 0

        def row(path: str, length: int, data: bytes | None, why: str | None) -> dict[str, Any]:
            reason = None if why is None else f"{why} ({path})"
            return {"path": path, "length": length, "content": data, self.why: reason, **shared}

        try:
            file = zipfile.ZipFile(io.BytesIO(content or b""))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
            length = len(content or b"")
            damage = f"damaged archive: {length} bytes that are no zip file, or one that was cut off"
            yield pa.RecordBatch.from_pylist([row(path, length, None, damage)], schema=schema)
            return
        for entry in file.infolist():
            if entry.is_dir():
                continue
            data, why = self._content(file, entry)
            rows.append(row(f"{path}/{entry.filename}", entry.file_size, data, why))
            size += len(data or b"")
            if size >= _BATCH_BYTES:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)
                rows, size = [], 0
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    def _content(self, file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[bytes | None, str | None]:
        """Return an entry's bytes, or why there are none."""
        if entry.flag_bits & 1:
            return None, "encrypted archive entry: it needs a password"
        try:
            with file.open(entry) as stream:
                data = stream.read(self.max_bytes + 1)
        except NotImplementedError:
            return None, f"unsupported archive entry: compression method {entry.compress_type}"
        except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, zlib.error):
            return None, "damaged archive entry: its bytes do not unpack to what the archive says"
        if len(data) > self.max_bytes:
            return None, f"too large: {entry.file_size} bytes exceed max_bytes of {self.max_bytes}"
        return data, None
