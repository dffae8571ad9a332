"""Params that are stages, each saved in a separate folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmlrs._allowed import imported, module_allowed
from mmlrs._descriptors import stage_specs
from mmlrs._pyspark import HAS_PYSPARK, Params
from mmlrs.params._type import Loading, ParamType, Saving, must_be, refused
from mmlrs.params.values import items_of

if TYPE_CHECKING:
    from mmlrs._types import AnyStage

__all__ = ["STAGE", "STAGE_LIST", "class_name", "class_named", "stages_in"]

_IN_FOLDERS = "stages in separate folders"


def class_name(stage: AnyStage) -> str:
    """Return the full name of a stage's class."""
    return f"{type(stage).__module__}.{type(stage).__name__}"


def class_named(name: str) -> Any:
    """Return the class of a stage by its full name.

    Only modules of mmlrs, of Spark ML and those that the caller allows with `allow_functions` are imported. Any other module
    must be loaded already.

    Raises
    ------
    TypeError
        It is not a known stage. The message completes the sentence "param `x` ...".
    """
    module, _, attribute = name.replace("org.apache.spark.", "pyspark.").rpartition(".")
    cls: Any = None
    if _may_import(module, attribute):
        imported(module, f"a stage, but {name:.200}")
    if module in sys.modules:
        cls = vars(sys.modules[module]).get(attribute)
    if not (isinstance(cls, type) and issubclass(cls, Params)):
        raise TypeError(
            f"must be a stage, but {name:.200} is not a known stage; import {module:.200} first if it defines one"
        )
    return cls


def _may_import(module: str, attribute: str) -> bool:
    """Return whether a module may be imported for a class that data names."""
    if module.partition(".")[0] == "mmlrs":
        spec = stage_specs().get(attribute)
        return spec is not None and module == f"mmlrs.{spec['module']}"
    if module == "pyspark.ml" or module.startswith("pyspark.ml."):
        return HAS_PYSPARK and "tests" not in module.split(".")
    return module_allowed(module, attribute)


def stages_in(stage: AnyStage) -> Iterator[Any]:
    """Yield a stage and its nested stages, in its params or in a fitted pipeline."""
    yield stage
    for value in [*stage._paramMap.values(), getattr(stage, "stages", None)]:
        for inner in value if isinstance(value, list | tuple) else [value]:
            if isinstance(inner, Params):
                yield from stages_in(inner)


class StageType(ParamType[Params]):
    """A stage of mmlrs, of Spark ML or of a user."""

    name = "stage"
    is_json = False

    def accept(self, value: Any) -> Params:
        """Accept a stage, or a map with its class, of mmlrs or Spark ML, and its params."""
        if isinstance(value, Params) and (hasattr(value, "fit") or hasattr(value, "transform")):
            return value
        if isinstance(value, Mapping) and isinstance(value.get("class"), str):
            stage: Params = class_named(value["class"])(**value.get("params", {}))
            return stage
        raise must_be("a stage", value)

    def to_core(self, value: Params) -> dict[str, str]:
        """Return the class and the uid."""
        return {"class": class_name(value), "uid": value.uid}

    def to_saved(self, value: Params, saving: Saving) -> dict[str, str]:
        """Return the class."""
        return {"stage": class_name(value)}

    def check_saved(self, where: str, saved: Any) -> None:
        """Raise unless the value is the name of a class."""
        if not (isinstance(saved, dict) and set(saved) == {"stage"} and isinstance(saved["stage"], str)):
            raise refused(where, _IN_FOLDERS, saved)

    def from_saved(self, saved: Any, loading: Loading) -> Any:
        """Load the stage."""
        return loading.load_stage(loading.name)

    def stages(self, value: Params) -> list[tuple[str, Params]]:
        """Return the stage."""
        return [("", value)]

    def copied(self, value: Params, extra: dict[Any, Any]) -> Params:
        """Return a copy of the stage with other params."""
        copy: Params = value.copy(extra)
        return copy


class StageListType(ParamType[list[Params]]):
    """Sequences of stages."""

    name = "stage_list"
    is_json = False

    def accept(self, value: Any) -> list[Params]:
        """Accept a sequence of values that `StageType` accepts."""
        if (items := items_of(value)) is not None:
            try:
                return [STAGE.accept(item) for item in items]
            except TypeError as error:
                raise TypeError(f"must be a list of stages; one of them {error}") from None
        raise must_be("a list of stages", value)

    def to_core(self, value: list[Params]) -> list[dict[str, str]]:
        """Return the classes and the uids."""
        return [STAGE.to_core(stage) for stage in value]

    def to_saved(self, value: list[Params], saving: Saving) -> dict[str, list[str]]:
        """Return the classes."""
        return {"stages": [class_name(stage) for stage in value]}

    def check_saved(self, where: str, saved: Any) -> None:
        """Raise unless the value is a list of classes."""
        if not (isinstance(saved, dict) and set(saved) == {"stages"} and isinstance(saved["stages"], list)):
            raise refused(where, _IN_FOLDERS, saved)

    def from_saved(self, saved: Any, loading: Loading) -> list[Any]:
        """Load the stages."""
        return [loading.load_stage(f"{loading.name}/{i}") for i in range(len(saved["stages"]))]

    def stages(self, value: list[Params]) -> list[tuple[str, Params]]:
        """Return the stages, numbered."""
        return [(f"/{i}", stage) for i, stage in enumerate(value)]

    def copied(self, value: list[Params], extra: dict[Any, Any]) -> list[Params]:
        """Return copies of the stages with other params."""
        return [STAGE.copied(stage, extra) for stage in value]


STAGE, STAGE_LIST = StageType(), StageListType()
