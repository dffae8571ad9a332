"""Params that are spaces of hyper-parameters to search."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmlrs.errors import InvalidParamError
from mmlrs.params._type import ParamType, Saving, must_be, refused, type_of
from mmlrs.params.stages import stages_in

if TYPE_CHECKING:
    from mmlrs._types import AnyStage
    from mmlrs.automl.spaces import ParamSpace, TunedParam

__all__ = ["PARAM_SPACE", "not_in_metadata"]


def not_in_metadata(stage: AnyStage, tuned: TunedParam) -> str | None:
    """Return why the values of a hyper-parameter cannot be saved in metadata, or None if they can."""
    for owner in stages_in(stage):
        is_owner = owner.uid == tuned.stage and owner.hasParam(tuned.param)
        if is_owner and not type_of(owner.getParam(tuned.param)).is_json:
            return "are models, files, functions or stages, which a saved space cannot hold"
    return None


class ParamSpaceType(ParamType["ParamSpace"]):
    """A `GridSpace` or a `RandomSpace`."""

    name = "param_space"
    is_json = False

    def accept(self, value: Any) -> ParamSpace:
        """Accept a space, or its form as returned by `to_json`."""
        from mmlrs.automl.spaces import ParamSpace

        if isinstance(value, ParamSpace):
            return value
        if isinstance(value, Mapping) and "kind" in value:
            return ParamSpace.from_json(value)
        raise must_be("a GridSpace or a RandomSpace", value)

    def to_core(self, value: ParamSpace) -> Any:
        """Return the space as JSON."""
        return value.to_json()

    def to_saved(self, value: ParamSpace, saving: Saving) -> Any:
        """Return the space as JSON. Raise if a value cannot be JSON."""
        for tuned in value.hyperparams:
            where = f"{saving.where}: the values of {tuned.owner}.{tuned.param} cannot be saved"
            cause = not_in_metadata(saving.stage, tuned)
            if cause is not None:
                raise InvalidParamError(f"{where}: they {cause}")
            try:
                json.dumps(tuned.values.to_json())
            except TypeError as error:
                raise InvalidParamError(f"{where}: {error}") from None
        return value.to_json()

    def check_saved(self, where: str, saved: Any) -> None:
        """Raise unless the value is a map."""
        if not isinstance(saved, dict):
            raise refused(where, "a space of hyper-parameters", saved)


PARAM_SPACE = ParamSpaceType()
