"""The stages of a model that score it without Spark."""

from __future__ import annotations

from typing import Any

from mmlrs._descriptors import stage_spec
from mmlrs._pyspark import Params
from mmlrs.base import NativeTransformer, PythonModel, PythonTransformer
from mmlrs.compiled._compile import WHY_NOT, compile  # noqa: A004 - the name says what it does
from mmlrs.compiled._model import CompiledModel
from mmlrs.errors import InvalidParamError

__all__ = ["parts_of"]


def parts_of(model: Any) -> list[Any]:
    """Return the stages to save, which work on tables one after the other. Those that can be compiled together are one stage."""
    if _stays(model):
        return [_on_tables(model)]
    if not isinstance(model, Params | list | tuple):
        raise InvalidParamError(
            f"save_model: param `model` must be a fitted stage or a list of these, got {model!r:.200}"
        )
    parts: list[Any] = []
    run: list[Any] = []
    for stage in _flat(model):
        if isinstance(stage, PythonTransformer) and stage._stage in WHY_NOT:
            parts += [*([compile(run)] if run else []), _on_tables(stage)]
            run = []
        else:
            run.append(stage)
    return [*parts, *([compile(run)] if run or not parts else [])]


def _stays(model: Any) -> bool:
    """Return whether a stage is saved as it is. Models of mmlrs that are not native hold other stages, which may need Spark."""
    if isinstance(model, PythonModel) and type(model).__module__.startswith("mmlrs."):
        return isinstance(model, CompiledModel)
    return isinstance(model, NativeTransformer | PythonTransformer)


def _flat(model: Any) -> list[Any]:
    """Return the stages of a list or a fitted pipeline."""
    if isinstance(model, list | tuple):
        return [inner for stage in model for inner in _flat(stage)]
    if type(model).__name__ == "PipelineModel":
        return _flat(model.stages)
    return [model]


def _on_tables(stage: Any) -> Any:
    reason = stage_spec(stage._stage)["tags"].get("requires_spark")
    if reason is not None:
        raise InvalidParamError(
            f"save_model: the {stage._stage} {stage.uid} needs Spark: {reason}; take it out of the pipeline, and apply it on Spark"
        )
    return stage
