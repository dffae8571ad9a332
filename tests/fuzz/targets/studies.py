"""What a study and an interrupted `score_folder` leave: `study.json`, and the files of a journal."""

from __future__ import annotations

import json
import random
import tempfile
import warnings
from pathlib import Path
from typing import Any

from checks import Broken, answered
from mutate import changed, damaged

from mmlrs.compiled import CompiledModel
from mmlrs.examples.camera_traps.journal import Journal
from mmlrs.examples.camera_traps.saved_study import StudyModel
from mmlrs.image import UnrollBinaryImage

BATCH = 32
SHORT = 128

_STUDY = {
    "format": 1,
    "target": "cat",
    "threshold": 0.37,
    "targetClass": "1",
    "imageCol": "image",
    "probabilityCol": "probability",
    "gapSeconds": 60,
    "flips": True,
    "variant": "RN2+A+E",
    "model": "efficientnet-lite0",
}
_ABOUT = {"model": "a", "folder": "/card"}
_ROWS = [["1.jpg", 10, 20, 0.5, None, None, 8, 6], ["2.jpg", 0, 20, None, "not an image", None, None, None]]


def item(rng: random.Random) -> Any:
    """The name of the file, and its bytes."""
    name = rng.choice(["study.json", "header.json", "batch-00000000.json"])
    if name.startswith("batch"):
        return name, rng.randrange(2**32)  # the file itself has a checksum: `check` damages it
    value = _STUDY if name == "study.json" else _ABOUT
    content = json.dumps(changed(value, rng, [*_STUDY, *_ABOUT])).encode()
    return name, damaged(content, rng) if rng.random() < 0.2 else content


def check(items: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fields that are not read
        study, journal = Path(name) / "study", Path(name) / "work.partial"
        chain = CompiledModel(
            stages=[UnrollBinaryImage(inputCol="image", outputCol="probability", height=1, width=1)]
        )
        StudyModel(chain, "cat").write(study)
        with Journal("fuzz", str(journal), _ABOUT, restart=True) as begun:
            begun.add(_ROWS)
        batch = (journal / "batch-00000000.json").read_bytes()
        for file, content in items:
            if file == "study.json":
                (study / file).write_bytes(content)
                answered(lambda: StudyModel.read(study).identity)
                continue
            given = damaged(batch, random.Random(content)) if file.startswith("batch") else content
            (journal / "batch-00000000.json").write_bytes(batch)
            (journal / file).write_bytes(given)
            whole = not file.startswith("batch") or given == batch
            answered(lambda whole=whole: _check_journal(journal, whole))
            (journal / "header.json").write_text(json.dumps(_ABOUT))


def _check_journal(folder: Path, whole: bool) -> None:
    with Journal("fuzz", str(folder), _ABOUT) as journal:
        rows = list(journal.rows())
        if rows not in ([], _ROWS) or (whole and rows != _ROWS):
            raise Broken(f"a journal has other rows than were added: {rows!r:.200}")
