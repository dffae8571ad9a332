"""What a killed training leaves: a checkpoint, with damage and with headers that a checksum fits."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
import warnings
from functools import lru_cache
from typing import Any

import pyarrow as pa
from checks import Broken, answered
from mutate import changed, damaged

from mmlrs import _native
from mmlrs.ann._checkpoints import Checkpoints
from mmlrs.engine.training import Specification

BATCH = 64
SHORT = 256

_NETWORK = {
    "version": 1,
    "input": [2],
    "layers": [{"kind": "dense", "size": 2}],
    "loss": {"kind": "cross_entropy", "smoothing": 0.0},
}
_TABLE = pa.table({"f": [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "y": [0, 1, 1]})
_LINES = [{"iteration": 1, "loss": 0.5}, {"iteration": 2, "loss": 0.25}]


@lru_cache
def _specification(folder: str) -> Specification:
    from mmlrs.ann import MultilayerPerceptronClassifier
    from mmlrs.ann._specification import settings_of

    settings = json.dumps(settings_of(MultilayerPerceptronClassifier(layers=[2, 2], solver="adam")))
    columns = {
        "features": "f",
        "label": "y",
        "labels": "classes",
        "weight": None,
        "held_out": None,
        "skips": False,
    }
    return Specification(
        "Net", json.dumps(_NETWORK), settings, json.dumps(columns | {"sized_by": ""}), None, folder
    )


def _state(specification: Specification) -> list[bytes]:
    trainer = _native.Trainer("Net", specification.network, specification.settings, specification.columns)
    trainer.add(_TABLE.to_batches()[0])
    trainer.start(1)
    trainer.run(2)
    return trainer.state()


def item(rng: random.Random) -> Any:
    """A seed for damage of the file, of its header or of its state."""
    return rng.choice(["file", "header", "state"]), rng.randrange(2**32)


def check(items: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that are damaged or used
        specification = _specification(folder)
        state = _state(specification)
        checkpoints = Checkpoints(specification, "fuzz")
        checkpoints.save(state, _LINES)
        with open(checkpoints.path, "rb") as file:
            whole = file.read()
        for what, seed in items:
            made = _damaged(whole, what, random.Random(seed))
            with open(checkpoints.path, "wb") as file:
                file.write(made)
            found = answered(checkpoints.load)
            if what == "file" and made != whole and found is not None:
                raise Broken("a damaged checkpoint is used")
            if made == whole and (found is None or (found.state, found.lines) != (state, _LINES)):
                raise Broken("a good checkpoint is not used")


def _damaged(whole: bytes, what: str, rng: random.Random) -> bytes:
    """Return the file with damage. If it is in a part, the checksum fits."""
    if what == "file":
        return damaged(whole, rng)
    header, _, rest = whole[:-32].partition(b"\n")
    if what == "header":
        header = json.dumps(
            changed(json.loads(header), rng, ["format", "version", "pieces", "lines"])
        ).encode()
    else:
        rest = damaged(rest, rng)
    content = header + b"\n" + rest
    return content + hashlib.sha256(content).digest()
