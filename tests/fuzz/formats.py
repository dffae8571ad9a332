"""Mutations that know where a picture's lengths, checksums and tags are."""

from __future__ import annotations

import random
import re
import struct
import zlib
from typing import Any

from mutate import NUMBERS, damaged, integer


def changed_picture(kind: str, content: bytes, rng: random.Random) -> bytes:
    """A picture with a few changes that its format does not notice at once."""
    if rng.random() < 0.25:
        return damaged(content, rng)
    return {"png": png, "jpeg": jpeg, "tiff": tiff, "webp": webp, "other": portable}.get(kind, damaged)(
        content, rng
    )


def _some(rng: random.Random) -> range:
    return range(rng.choice([1, 1, 2, 4]))


def png(content: bytes, rng: random.Random) -> bytes:
    """Chunks changed, doubled, left out and moved, with the right lengths and checksums."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in _some(rng):
        i = rng.randrange(len(chunks))
        name, data = chunks[i]
        match rng.randrange(8):
            case 0:
                chunks[i] = name, damaged(data, rng)
            case 1:
                head = bytearray(chunks[0][1])
                field = rng.choice([0, 4, 8, 8, 9, 9, 10, 11, 12])
                size = 4 if field < 8 else 1
                value = (
                    rng.choice([0, 1, 2, 3, 4, 6, 8, 16, 27, 255])
                    if size == 1 or rng.random() < 0.5
                    else rng.choice(NUMBERS)
                )
                head[field : field + size] = (value % 256**size).to_bytes(size, "big")
                chunks[0] = chunks[0][0], bytes(head)
            case 2:
                chunks.insert(rng.randrange(len(chunks) + 1), chunks[i])
            case 3 if len(chunks) > 1:
                del chunks[i]
            case 4:
                j = rng.randrange(len(chunks))
                chunks[i], chunks[j] = chunks[j], chunks[i]
            case 5:
                chunks = [(n, _rezipped(d, rng) if n == b"IDAT" else d) for n, d in chunks]
            case 6:
                extra = rng.choice(
                    [b"tRNS", b"PLTE", b"eXIf", b"iCCP", b"gAMA", b"acTL", b"fcTL", b"fdAT", b"sBIT", b"iTXt"]
                )
                body = rng.choice(
                    [b"", rng.randbytes(6), b"a\0\0" + zlib.compress(bytes(10**6)), rng.randbytes(768)]
                )
                chunks.insert(rng.randrange(1, len(chunks) + 1), (extra, body))
            case 7:
                chunks[i] = (
                    rng.randbytes(4) if rng.random() < 0.3 else bytes([name[0] ^ 0x20, *name[1:]]),
                    data,
                )
    made = content[:8]
    for name, data in chunks:
        checksum = zlib.crc32(name + data) if rng.random() < 0.97 else 0
        made += struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    return made


def _rezipped(data: bytes, rng: random.Random) -> bytes:
    try:
        rows = zlib.decompress(data)
    except zlib.error:
        return damaged(data, rng)
    return zlib.compress(damaged(rows, rng) if rng.random() < 0.8 else rows * 50)


def jpeg(content: bytes, rng: random.Random) -> bytes:
    """Segments changed, doubled, left out and moved, mostly with the right lengths."""
    segments, at = [], 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        size = int.from_bytes(content[at + 2 : at + 4], "big")
        end = at + 2 + size
        if content[at + 1] == 0xDA:  # a scan goes on until the next marker
            found = re.compile(rb"\xff[^\x00\xd0-\xd7]").search(content, end)
            end = found.start() if found else len(content)
        segments.append(content[at:end])
        at = end
    rest = content[at:]
    for _ in _some(rng):
        i = rng.randrange(len(segments))
        segment = segments[i]
        match rng.randrange(7):
            case 0:
                segments[i] = _sized(segment[:4] + damaged(segment[4:], rng), rng)
            case 1:
                place = rng.randrange(4, min(len(segment), 24) + 1)
                segments[i] = segment[:place] + integer(rng, rng.choice([1, 2]), "big") + segment[place + 1 :]
            case 2:
                segments[i:i] = [segment] * rng.choice([1, 2, 60])
            case 3:
                del segments[i]
                if not segments:
                    break
            case 4:
                j = rng.randrange(len(segments))
                segments[i], segments[j] = segments[j], segments[i]
            case 5:
                segments[i] = bytes([0xFF, rng.randrange(0xC0, 0xFF)]) + segment[2:]
            case 6:
                segments.insert(i, b"\xff\xdd\0\4" + integer(rng, 2, "big"))
    return content[:2] + b"".join(segments) + rest


def _sized(segment: bytes, rng: random.Random) -> bytes:
    if segment[1] == 0xDA or rng.random() < 0.1:
        return segment
    return segment[:2] + struct.pack(">H", min(len(segment) - 2, 65535)) + segment[4:]


def webp(content: bytes, rng: random.Random) -> bytes:
    """Chunks changed, doubled, left out and moved, with the right lengths."""
    chunks, at = [], 12
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        chunks.append((content[at : at + 4], content[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    for _ in _some(rng):
        i = rng.randrange(len(chunks))
        name, data = chunks[i]
        match rng.randrange(6):
            case 0 | 1:
                chunks[i] = name, damaged(data[:24], rng) + data[24:]
            case 2:
                chunks.insert(i, chunks[i])
            case 3 if len(chunks) > 1:
                del chunks[i]
            case 4:
                chunks.insert(0, (b"VP8X", bytes([rng.randrange(64), 0, 0, 0]) + rng.randbytes(6)))
            case _:
                other = rng.choice(
                    [b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"EXIF", b"ICCP", b"XMP "]
                )
                chunks[i] = other, data
    body = b"WEBP"
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def portable(content: bytes, rng: random.Random) -> bytes:
    """The numbers of a text header replaced."""
    if content[:1] != b"P":
        return damaged(content[:24], rng) + content[24:]
    numbers = list(re.finditer(rb"\d+", content[:80]))
    found = rng.choice(numbers)
    value = rng.choice([str(rng.choice(NUMBERS)), "99999999999999999999", "-1", "1e9", "", "0x10", " " * 300])
    return content[: found.start()] + value.encode() + content[found.end() :]


_TAGS = [
    254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 330, 338, 339,
    347, 529, 530, 532, 34665, 34675, 513, 514,
]  # fmt: skip
_VALUES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 24, 27, 32, 64, 255, 32773, 32946, 34712, 50000, 50001]


def tiff(content: bytes, rng: random.Random) -> bytes:
    """Entries of the first directory with other tags, types, counts and values."""
    order: Any = "little" if content[:2] == b"II" else "big"
    wide = content[2:4] in (b"+\0", b"\0+")
    made = bytearray(content)
    at = int.from_bytes(made[8:16] if wide else made[4:8], order)
    head, size, word = (8, 20, 8) if wide else (2, 12, 4)
    count = int.from_bytes(made[at : at + head], order)
    if not 0 < count < 100:
        return damaged(content, rng)
    for _ in _some(rng):
        entry = at + head + size * rng.randrange(count)
        value = rng.choice(_VALUES) if rng.random() < 0.7 else rng.choice(NUMBERS)
        match rng.randrange(8):
            case 0:
                _put(made, entry, rng.choice(_TAGS), 2, order)
            case 1:
                _put(made, entry + 2, rng.choice([*range(20), 65535]), 2, order)
            case 2:
                _put(made, entry + 4, value, word, order)
            case 3 | 4 | 5:
                place = entry + 4 + word
                _put(made, place, value, rng.choice([2, word]), order)
            case 6:
                _put(made, at, rng.choice([0, 1, count - 1, count + 1, 65535]), head, order)
            case 7:
                other = at + head + size * rng.randrange(count)
                made[entry : entry + size] = made[other : other + size]
    if rng.random() < 0.2:
        # Offsets and counts of strips and tiles stand outside of their entries.
        place = rng.randrange(8, len(made))
        _put(made, place, rng.choice(NUMBERS), word, order)
    return bytes(made)


def _put(made: bytearray, at: int, value: int, size: int, order: Any) -> None:
    made[at : at + size] = (value % 256**size).to_bytes(size, order)


def exif(rng: random.Random) -> bytes:
    """A block of EXIF tags, whole or broken."""
    order: Any = rng.choice(["little", "big"])
    mark = {"little": b"II*\0", "big": b"MM\0*"}[order]
    number = rng.choice([1, 1, 2, 5])
    entries = []
    for _ in range(number):
        tag = rng.choice([0x0112, 0x0112, 0x8769, 0x8825, 0x0100, 0x02BC])
        kind = rng.choice([3, 3, 3, *range(20)])
        count = rng.choice([1, 1, 1, *NUMBERS]) % 2**32
        value = rng.choice([*range(10), *NUMBERS]) % 2**32
        entry = tag.to_bytes(2, order) + kind.to_bytes(2, order) + count.to_bytes(4, order)
        short = kind == 3 and value < 2**16
        entries.append(entry + (value.to_bytes(2, order) + b"\0\0" if short else value.to_bytes(4, order)))
    start = rng.choice([8, 8, 8, 8, *NUMBERS]) % 2**32
    said = rng.choice([number, number, number, 0, 65535])
    block = mark + start.to_bytes(4, order) + said.to_bytes(2, order) + b"".join(entries)
    block += (rng.choice([0, 0, 8, 2**32 - 1])).to_bytes(4, order)
    return damaged(block, rng) if rng.random() < 0.4 else block


def xmp(rng: random.Random) -> bytes:
    orientation = rng.choice(["1", "6", "8", "0", "9", "", "x" * 70, "6\0", "-1", "é"])
    form = rng.choice(
        [
            'tiff:Orientation="%s"',
            "<tiff:Orientation>%s</tiff:Orientation>",
            'tiff:Orientation="%s',
            "tiff:Orientation=%s",
        ]
    )
    inside = form % orientation
    text = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF><rdf:Description {inside}/></rdf:RDF></x:xmpmeta>".encode()
    return damaged(text, rng) if rng.random() < 0.4 else text


def with_metadata(kind: str, content: bytes, rng: random.Random) -> bytes:
    """A picture with EXIF or XMP put in as its format has it."""
    block, text = exif(rng), xmp(rng)
    if kind == "jpeg":
        bodies = [
            b"Exif\0\0" + block,
            b"http://ns.adobe.com/xap/1.0/\0" + text,
            b"Exif\0\0",
            b"Exif",
            b"ICC_PROFILE\0\1\1" + block,
        ]
        made = content[:2]
        for _ in _some(rng):
            body = rng.choice(bodies)
            length = len(body) + 2 if rng.random() < 0.9 else rng.randrange(65536)
            made += b"\xff" + rng.choice([b"\xe1", b"\xe1", b"\xe2"]) + struct.pack(">H", length) + body
        return made + content[2:]
    if kind == "png":
        name, data = rng.choice(
            [
                (b"eXIf", block),
                (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text),
                (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(block.hex().encode())),
            ]
        )
        chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        return content[:33] + chunk + content[33:]
    body = content[8:]
    if body[4:8] != b"VP8X":
        body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes([0x0C, 0, 0, 0, 26, 0, 0, 18, 0, 0]) + body[4:]
    for name, data in ((b"EXIF", block), (b"XMP ", text)):
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body
