"""A stage that was saved over another one and loaded, for the checks of persistence."""

from __future__ import annotations

from dataclasses import dataclass

from mmlrs._pyspark import Params
from mmlrs.base import Stage
from mmlrs.params.functions import name_of
from mmlrs.params.stages import stages_in

__all__ = ["Saved"]


@dataclass(frozen=True)
class Saved:
    """The result of saving a stage over another one."""

    #: The stage that was loaded.
    stage: Stage
    #: Whether saving raised without `overwrite()`.
    refused: bool

    @classmethod
    def over_another(cls, stage: Stage, path: str) -> Saved:
        """Save a copy without params to a folder, then the stage itself, and load the stage."""
        empty = stage.copy()
        for param in empty.params:
            empty.clear(param)
        empty.save(path)
        try:
            stage.save(path)
            refused = False
        except Exception:  # noqa: BLE001 - pyspark and mmlrs have no common class
            stage.write().overwrite().save(path)
            refused = True
        return cls(type(stage).load(path, allow_functions=_functions_of(stage)), refused)


def _functions_of(stage: Stage) -> list[str]:
    """Return the names of the functions that a stage and its nested stages call, in the form for `load`."""
    values = [value for inner in stages_in(stage) for value in inner._paramMap.values()]
    return [name_of(value) for value in values if callable(value) and not isinstance(value, Params)]
