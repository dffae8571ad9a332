"""Saved stages with changed metadata and parquet files: each loads, or is one error that names the path."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from checks import Broken, answered
from mutate import changed, damaged
from samples import stages

from mmlrs.errors import MmlrsError

BATCH = 16
SHORT = 48


@lru_cache
def _saved() -> list[tuple[type, dict[str, bytes]]]:
    """The class and the files of every saved stage."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for stage, _ in stages():
            path = Path(folder, stage._stage)
            stage.save(path)
            files = {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}
            made.append((type(stage), files))
    return made


def item(rng: random.Random) -> Any:
    """The number of a stage, and the files that are others; None for one that is not there."""
    number = rng.randrange(len(_saved()))
    _, files = _saved()[number]
    name = rng.choice([f for f in files if not f.endswith("_SUCCESS")])
    content = files[name]
    if rng.random() < 0.05:
        return number, name, None
    if name.endswith("part-00000") and rng.random() < 0.8:
        names = [cls.__module__ + "." + cls.__name__ for cls, _ in _saved()[:9]]
        value = changed(
            json.loads(content), rng, [*names, "os:system", "mmlrs.nothing.There", "builtins:eval"]
        )
        return number, name, json.dumps(value).encode()
    return number, name, damaged(content, rng)


def check(items: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for i, given in enumerate(items):
            answered(lambda i=i, given=given: _check_one(Path(folder, str(i)), *given))


def _check_one(path: Path, number: int, name: str, content: bytes | None) -> None:
    cls, files = _saved()[number]
    for file, original in files.items():
        wanted = content if file == name else original
        if wanted is not None:
            Path(path, file).parent.mkdir(parents=True, exist_ok=True)
            Path(path, file).write_bytes(wanted)
    try:
        cls.load(path)
    except MmlrsError as error:
        if str(path) not in str(error):
            raise Broken(f"the error of a damaged stage does not name its path: {error}") from error
        raise
    finally:
        shutil.rmtree(path)
