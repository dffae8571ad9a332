"""Read the entries of zip archives as files, in Spark's workers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = ["Entries"]

#: Content of a batch of entries, in bytes.
_BATCH_BYTES = 32 * 1024 * 1024
#: Maximum number of entries of a batch.
_BATCH_ENTRIES = 1024
#: Maximum of the column `length`. An entry may declare more.
_MAX_LENGTH = 2**63 - 1
_TYPES = {"path": pa.string(), "length": pa.int64(), "content": pa.binary()}


@dataclass(frozen=True)
class Entries:
    """A function for `mapInArrow` that makes a row of each entry of an archive.

    Parameters
    ----------
    names : tuple of str
        The output columns: `path`, `length`, `content`, the column of reasons, and any others, which are copied from the
        row of the archive.
    why : str
        Name of the column with the reason why `content` is null.
    max_bytes : int
        Maximum size of an entry in bytes. The content of a larger one is null.
    """

    names: tuple[str, ...]
    why: str
    max_bytes: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the entries in batches of some megabytes."""
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
        except Exception:  # noqa: BLE001 - a damaged directory may raise anything
            length = len(content or b"")
            damage = f"damaged archive: {length} bytes that are not a zip file, or a truncated one"
            yield pa.RecordBatch.from_pylist([row(path, length, None, damage)], schema=schema)
            return
        overlapping = _overlapping(file)
        for i, entry in enumerate(file.infolist()):
            # A folder. `is_dir` raises on an entry without a name.
            if entry.filename.endswith("/"):
                continue
            data: bytes | None
            why: str | None
            if i in overlapping:
                data, why = None, "damaged archive entry: it overlaps the next one"
            else:
                data, why = self._content(file, entry)
            rows.append(row(f"{path}/{entry.filename}", min(entry.file_size, _MAX_LENGTH), data, why))
            size += len(data or b"")
            if size >= _BATCH_BYTES or len(rows) >= _BATCH_ENTRIES:
                yield pa.RecordBatch.from_pylist(rows, schema=schema)
                rows, size = [], 0
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    def _content(self, file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[bytes | None, str | None]:
        """Return the bytes of an entry, or the reason why there are none."""
        if entry.flag_bits & 1:
            return None, "encrypted archive entry: it needs a password"
        try:
            with file.open(entry) as stream:
                data = stream.read(self.max_bytes + 1)
        except NotImplementedError:
            return None, f"unsupported archive entry: compression method {entry.compress_type}"
        except Exception:  # noqa: BLE001 - each compression raises its own errors, and out of memory others
            return None, "damaged archive entry: its bytes do not match the size or checksum in the archive"
        if len(data) > self.max_bytes:
            return None, f"too large: {entry.file_size} bytes exceed max_bytes of {self.max_bytes}"
        return data, None


def _overlapping(file: zipfile.ZipFile) -> set[int]:
    """Return the numbers of the entries that overlap the next one.

    No program writes such archives. In a crafted one, many entries unpack the same bytes, so a small file becomes any amount of
    data.
    """
    entries = file.infolist()
    order = sorted(range(len(entries)), key=lambda i: entries[i].header_offset)
    ends = [entries[i].header_offset for i in order[1:]]
    return {
        i
        for i, end in zip(order, ends, strict=False)
        if entries[i].header_offset + entries[i].compress_size >= end
    }
