"""Programs as workers get them: stages, params and references as JSON."""

from __future__ import annotations

import json
import random
from typing import Any

from checks import each
from mutate import changed, damaged
from samples import programs

from mmlrs import _native

BATCH = 64
SHORT = 512


def item(rng: random.Random) -> Any:
    """The number of a program, and its text."""
    number = rng.randrange(len(programs()))
    program, batch = programs()[number]
    if rng.random() < 0.3:
        other, _ = rng.choice(programs())
        # A second stage, which may read what the first made.
        program = {**program, "nodes": program["nodes"] + other["nodes"]}
    names = [*batch.schema.names, *(p["nodes"][0]["stage"] for p, _ in programs()[:3]), *_params(program)]
    text = json.dumps(_as_sent(changed(program, rng, names)))
    if rng.random() < 0.1:
        text = damaged(text.encode(), rng).decode(errors="replace")
    return number, text


def _as_sent(program: Any) -> Any:
    """The program with the params of its nodes as text, where they are still there."""
    nodes = program.get("nodes") if isinstance(program, dict) else None
    for node in nodes if isinstance(nodes, list) else []:
        if isinstance(node, dict) and isinstance(node.get("params"), dict):
            node["params"] = json.dumps(node["params"])
    return program


def _params(program: Any) -> list[str]:
    return [name for node in program["nodes"] for name in node["params"]]


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    number, text = given
    _, batch = programs()[number]
    program = _native.Program(text)
    made = program.run(batch, 1, True)
    if made.num_rows != batch.num_rows:
        from checks import Broken

        raise Broken(f"{batch.num_rows} rows became {made.num_rows}")
