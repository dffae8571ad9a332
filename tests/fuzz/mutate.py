"""Mutations of bytes, numbers and values as JSON has them."""

from __future__ import annotations

import copy
import random
from typing import Any

NUMBERS = [
    0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 10**6, 10**9, 2**31 - 1, 2**31, -(2**31), 2**32 - 1,
    2**32, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), 2**63, 2**64 - 1,
]  # fmt: skip
FLOATS = [0.0, -0.0, 0.5, -1.5, 1e-320, 1e300, -1e300, 1e18, float(2**63), 1e38, 1e39]
TEXTS = [
    "",
    " ",
    "\0",
    "a",
    "é",
    "𝒳",
    "\u202e",
    "x" * 1000,
    "`",
    "'",
    "%s",
    "{}",
    "../x",
    "NaN",
    "null",
    "0",
    "\ud7ff",
]


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Bytes with a few changed, cut out, doubled or cut off."""
    made = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if not made:
            break
        # Headers matter most.
        at = rng.randrange(len(made) if rng.random() < 0.5 else min(len(made), 96))
        match rng.randrange(7):
            case 0:
                made[at] = rng.randrange(256)
            case 1:
                made[at] ^= 1 << rng.randrange(8)
            case 2:
                size = rng.choice([1, 2, 4, 8])
                made[at : at + size] = integer(rng, size, rng.choice(["little", "big"]))
            case 3:
                del made[at : at + rng.randrange(1, 64)]
            case 4:
                made[at:at] = made[at : at + rng.randrange(1, 64)]
            case 5:
                other = rng.randrange(len(made))
                made[at : at + 8], made[other : other + 8] = made[other : other + 8], made[at : at + 8]
            case 6 if rng.random() < 0.3:
                del made[at:]
    return bytes(made)


def integer(rng: random.Random, size: int, order: Any) -> bytes:
    """A number that is likely to be a limit, in so many bytes."""
    value = rng.choice(NUMBERS) if rng.random() < 0.8 else rng.getrandbits(8 * size)
    return (value % (1 << (8 * size))).to_bytes(size, order)


def changed(value: Any, rng: random.Random, names: list[str] | None = None) -> Any:
    """A value of JSON with a few of its parts replaced, left out, doubled or moved."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        value = _changed_once(value, rng, names or [])
    return value


def _changed_once(value: Any, rng: random.Random, names: list[str]) -> Any:
    places: list[tuple[Any, Any]] = []
    _collect(value, places)
    if not places or rng.random() < 0.02:
        return odd(rng, value)
    parent, key = rng.choice(places)
    match rng.randrange(8):
        case 0:
            del parent[key]
        case 1 | 2 | 3:
            parent[key] = odd(rng, parent[key])
        case 4:
            parent[key] = copy.deepcopy(rng.choice(places)[0])
        case 5:
            other, place = rng.choice(places)
            parent[key] = copy.deepcopy(other[place])
        case 6 if isinstance(parent, dict):
            parent[rng.choice([*TEXTS, *names, key])] = parent.pop(key)
        case 6:
            parent.insert(key, odd(rng, parent[key]))
        case 7 if names:
            parent[key] = rng.choice(names)
        case _:
            parent[key] = odd(rng, parent[key])
    return value


def _collect(value: Any, places: list[tuple[Any, Any]]) -> None:
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        places.append((value, key))
        _collect(value[key], places)


def odd(rng: random.Random, value: Any = None) -> Any:
    """A value that is likely to be wrong, now and then close to the one that is there."""
    match rng.randrange(12):
        case 0:
            return None
        case 1:
            return rng.random() < 0.5
        case 2 | 3:
            return rng.choice(NUMBERS)
        case 4:
            return rng.choice(FLOATS)
        case 5:
            return rng.choice(TEXTS)
        case 6:
            return []
        case 7:
            return {}
        case 8:
            return [value] * rng.choice([1, 2, 50])
        case 9:
            return {"a": value}
        case 10 if isinstance(value, str):
            return text(rng, value)
        case 10 if isinstance(value, (int, float)) and not isinstance(value, bool):
            return rng.choice([-value, value + 1, value - 1, value * 1000, value / 3, str(value)])
        case 11 if rng.random() < 0.2:
            return nested(rng.choice([10, 130, 400]), rng)
    return rng.choice(NUMBERS)


def nested(depth: int, rng: random.Random) -> Any:
    value: Any = 1
    listed = rng.random() < 0.5
    for _ in range(depth):
        value = [value] if listed else {"a": value}
    return value


def text(rng: random.Random, value: str) -> str:
    """A text with a few characters changed, left out, doubled or put in."""
    made = list(value)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(4):
            case 0:
                made[at : at + rng.randrange(1, 4)] = []
            case 1:
                made[at:at] = list(rng.choice(TEXTS))
            case 2:
                made[at:at] = made[at : at + rng.randrange(1, 9)]
            case 3:
                made[at : at + 1] = [chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xD7FF)]))]
    return "".join(made)
