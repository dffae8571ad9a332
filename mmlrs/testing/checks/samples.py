"""Sample stages, with params and data that they run on."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._allowed import allow_functions
from mmlrs.base import Stage

__all__ = ["sample_stage"]


def sample_stage(cls: type[Stage]) -> tuple[Stage, pa.Table]:
    """Return a stage of a class of mmlrs with sample params, and data that it runs on.

    Examples
    --------
    >>> from mmlrs.stages import RenameColumn
    >>> from mmlrs.testing import sample_stage
    >>> stage, data = sample_stage(RenameColumn)
    >>> stage.transform(data).num_rows == data.num_rows
    True
    """
    from mmlrs.models import ModelHandle

    text, batch = _native.sample(cls._stage)
    values = {k: ModelHandle(sha256=v["sha256"]) if _is_model(v) else v for k, v in json.loads(text).items()}
    functions = [v["function"] for v in values.values() if isinstance(v, dict) and set(v) == {"function"}]
    with allow_functions(*functions):  # samples of the package are trusted
        return cls(**values), pa.Table.from_batches([batch])  # type: ignore[arg-type]


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"sha256"}
