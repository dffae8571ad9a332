"""Whatever is wrong with an archive or an entry is a row with a reason, and the good ones beside it are read."""

from __future__ import annotations

import io
import zipfile

import pyarrow as pa
import pytest

from mmlrs.engine.archives import Entries

CONTENT = bytes(range(200)) * 3
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def archive(*names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name in names:
            file.writestr(name, CONTENT)
    return out.getvalue()


def rows(*archives: bytes) -> list[dict]:
    batch = pa.record_batch({"path": [f"{i}.zip" for i in range(len(archives))], "content": list(archives)})
    entries = Entries(("path", "length", "content", "why"), "why", 1_000_000)
    return [row for made in entries(iter([batch])) for row in made.to_pylist()]


def put(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


@pytest.mark.parametrize("method", METHODS)
def test_damage_anywhere_in_an_archive_is_a_reason_whatever_the_compression(method):
    good = archive("a", "b", method=method)
    for at in range(0, len(good), 9):
        found = rows(put(good, at, b"\xff\xff"), good)
        assert [row["content"] for row in found if row["path"].startswith("1.zip")] == [CONTENT, CONTENT]
        for row in found:
            assert (row["content"] is None) == (row["why"] is not None)
            assert row["why"] is None or row["why"].startswith(
                ("damaged ", "encrypted ", "unsupported ", "too large")
            )


def test_an_entry_that_reaches_into_the_next_one_is_not_unpacked():
    """As in archives whose many entries all unpack the same bytes."""
    good = archive("a", "b", "c")
    directory = good.index(b"PK\1\2")
    second = good.index(b"PK\1\2", directory + 1)
    found = rows(put(good, second + 42, good[directory + 42 : directory + 46]))
    assert [row["content"] for row in found] == [None, None, CONTENT], (
        "the second has the name of the first in front of it"
    )
    assert found[0]["why"] == "damaged archive entry: it overlaps the next one (0.zip/a)"


def test_an_entry_without_a_name_and_one_of_an_impossible_size_are_rows():
    good = archive("a", "b")
    directory = good.index(b"PK\1\2")
    nameless = put(good, directory + 46, b"\0")
    [first, second] = rows(nameless)
    assert (first["path"], second["path"], second["content"]) == ("0.zip/", "0.zip/b", CONTENT)
    huge = b"\x01\x00\x08\x00" + b"\xff" * 8
    made = good[: directory + 24] + b"\xff" * 4 + good[directory + 28 : directory + 30] + b"\x0c\x00"
    made += good[directory + 32 : directory + 47] + huge + good[directory + 47 :]
    end = made.index(b"PK\5\6")
    size = int.from_bytes(made[end + 12 : end + 16], "little") + len(huge)
    [first, second] = rows(put(made, end + 12, size.to_bytes(4, "little")))
    assert (first["length"], second["content"]) == (2**63 - 1, CONTENT)
