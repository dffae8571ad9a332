"""Steps of compiled models and their definitions."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmlrs._generated.compiled import CompiledStep
from mmlrs.errors import InvalidParamError

__all__ = ["check_steps", "floats", "ints", "step"]

#: What the columns of a kind hold, where that is not vectors.
_READS = {
    "index_strings": "string",
    "one_hot": "number",
    "stack_numbers": "number",
    "impute": "number",
    "bucketize": "number",
    "binarize": "number",
    "hash_features": "string",
    "tokenize_text": "string",
    "remove_stop_words": "tokens",
    "count_terms": "tokens",
}
#: The version of definitions, which the native core checks.
_VERSION = 1


def floats(values: Any) -> dict[str, str]:
    """Return numbers of any shape as doubles, row by row."""
    return _packed(values, "<f8")


def ints(values: Any) -> dict[str, str]:
    """Return integers of any shape, row by row."""
    return _packed(values, "<i4")


def _packed(values: Any, kind: str) -> dict[str, str]:
    array = np.ascontiguousarray(np.asarray(values, dtype=kind))
    return {"base64": base64.b64encode(array.tobytes()).decode()}


def step(
    origin: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    kind: str,
    *,
    handleInvalid: str = "error",
    **params: Any,
) -> CompiledStep:
    """Return a step.

    Parameters
    ----------
    origin : str
        The class of the fitted stage.
    inputs, outputs : list of str
        The columns that it reads, and those that it adds.
    kind : str
        The kind of the definition.
    handleInvalid : str, default "error"
        Whether a row that it cannot process is an error, or is dropped with "skip".
    **params : object
        The other members of the definition.
    """
    definition = json.dumps({"version": _VERSION, "kind": kind, **params}, allow_nan=False)
    made = CompiledStep(
        inputCols=list(inputs), outputCols=list(outputs), origin=origin, definition=definition.encode()
    )
    return made._set(reads=_READS.get(kind, "vector"), handleInvalid=handleInvalid)


def check_steps(call: str, stages: Sequence[Any]) -> None:
    """Raise if the native core cannot run a step that a reader made. `call` is the function that the error names."""
    for stage in stages:
        if stage._stage != "CompiledStep":
            continue
        try:
            stage._core().inputs()
        except InvalidParamError as error:
            cause = str(error).removeprefix("CompiledStep: param `definition` is damaged: ")
            raise InvalidParamError(
                f"{call}: the {stage._value('origin')} cannot be compiled: {cause}"
            ) from None
