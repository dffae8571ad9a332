"""Archives with changed entries, directories and streams of every compression: one bad file is one bad row."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
from functools import lru_cache
from typing import Any

import pyarrow as pa
from checks import Broken, no_reason_is_an_internal_error
from mutate import NUMBERS, damaged, integer

from mmlrs.engine.archives import Entries

BATCH = 64
SHORT = 1024

_METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
_MAX_BYTES = 1_000_000
_ENTRIES = Entries(("path", "length", "content", "why", "label"), "why", _MAX_BYTES)
_COLUMNS = {
    "path": pa.string(),
    "length": pa.int64(),
    "content": pa.binary(),
    "why": pa.string(),
    "label": pa.int32(),
}


@lru_cache
def _seeds() -> list[bytes]:
    made = [_zip(method, 3) for method in _METHODS] + [_zip(zipfile.ZIP_DEFLATED, 1, comment=b"a comment")]
    made.append(_zip(zipfile.ZIP_DEFLATED, 2, name="földer/ünï.txt"))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.txt"))
    return [*made, tar.getvalue(), gzip.compress(tar.getvalue()), gzip.compress(made[1])]


def _zip(method: int, entries: int, name: str = "a/{i}.bin", comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        file.comment = comment
        file.writestr(zipfile.ZipInfo("a/"), b"")
        for i in range(entries):
            info = zipfile.ZipInfo(name.format(i=i))
            info.compress_type = method
            file.writestr(info, _content(i))
    return out.getvalue()


def _content(i: int) -> bytes:
    return bytes(range(i, 90 + i)) * 3


def item(rng: random.Random) -> bytes:
    content = rng.choice(_seeds())
    for _ in range(rng.choice([1, 1, 2, 3])):
        content = damaged(content, rng) if rng.random() < 0.4 else _field(content, rng)
    return content


#: Signatures of a local header, an entry of the directory and the end of it, with the fields behind: where and how long.
_FIELDS = {
    b"PK\3\4": [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
    b"PK\1\2": [(6, 2), (8, 2), (10, 2), (12, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (38, 4), (42, 4)],
    b"PK\5\6": [(4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
}  # fmt: skip


def _field(content: bytes, rng: random.Random) -> bytes:
    """Another number in a field of a header, or the bytes of an entry damaged."""
    mark = rng.choice(list(_FIELDS))
    places = [i for i in range(len(content)) if content.startswith(mark, i)]
    if not places:
        return damaged(content, rng)
    at = rng.choice(places)
    if mark == b"PK\3\4" and rng.random() < 0.4:
        start = at + 30 + int.from_bytes(content[at + 26 : at + 28], "little")
        end = start + rng.randrange(1, 40)
        return content[:start] + damaged(content[start:end], rng) + content[end:]
    if mark == b"PK\5\6" and rng.random() < 0.2:
        # The end of a large archive, and where it says that it is.
        large = (
            b"PK\6\6"
            + struct.pack("<Q", 44)
            + bytes(4)
            + b"".join(integer(rng, 8, "little") for _ in range(5))
        )
        locator = (
            b"PK\6\7"
            + bytes(4)
            + struct.pack("<Q", rng.choice([at, *NUMBERS]) % 2**64)
            + struct.pack("<I", 1)
        )
        return content[:at] + large + locator + content[at:]
    offset, size = rng.choice(_FIELDS[mark])
    value = rng.choice([0, 1, 2, 8, 9, 12, 14, 93, 99, 2048, *NUMBERS]) % 256**size
    place = at + offset
    return content[:place] + value.to_bytes(size, "little") + content[place + size :]


def check(items: list[bytes]) -> None:
    good = _zip(zipfile.ZIP_DEFLATED, 2)
    files = [good, *items, good]
    batch = pa.record_batch(
        {
            "path": [f"{i}.zip" for i in range(len(files))],
            "content": pa.array(files, pa.binary()),
            "label": pa.array([i % 5 for i in range(len(files))], pa.int32()),
        }
    )
    rows: list[dict[str, Any]] = []
    for made in _ENTRIES(iter([batch])):
        if {f.name: f.type for f in made.schema} != _COLUMNS:
            raise Broken(f"another schema: {made.schema}")
        rows += made.to_pylist()
    last = len(files) - 1
    for row in rows:
        number = int(row["path"].partition(".zip")[0])
        if (row["content"] is None) == (row["why"] is None) or row["label"] != number % 5:
            raise Broken(f"a row is neither content nor a reason: {row['why']}")
        if row["content"] is not None and len(row["content"]) > _MAX_BYTES:
            raise Broken(f"an entry of {len(row['content'])} bytes")
    no_reason_is_an_internal_error(row["why"] for row in rows)
    for number in (0, last):
        found = [row["content"] for row in rows if row["path"].startswith(f"{number}.zip/")]
        if found != [_content(0), _content(1)]:
            raise Broken("a good archive beside bad ones is another")
