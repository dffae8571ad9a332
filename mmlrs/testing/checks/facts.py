"""Properties of a stage, from its descriptor and from the `tags` of its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from mmlrs import _native
from mmlrs.base import NativeAggregate, NativeTransformer, Stage, stage_spec
from mmlrs.errors import InvalidParamError

__all__ = ["Facts", "Tags"]


class Tags(TypedDict, total=False):
    """The attribute `tags` of a class of stages, which adds to the tags of its base classes.

    Attributes
    ----------
    rows, columns : {"kept", "changed"}
        Whether the result has all rows, and all columns that the stage does not name.
    accepts_nulls, maps_nulls, embeds_column_names, reports_column_names, requires_rows, requires_spark, not_picklable : str or None
        The reason why the stage is an exception from a rule of the contract. None cancels the exception of a base class.

    Examples
    --------
    >>> from typing import ClassVar
    >>> from mmlrs.stages import Lambda
    >>> from mmlrs.testing import Tags
    >>> class Shuffle(Lambda):
    ...     tags: ClassVar[Tags] = {"rows": "kept", "not_picklable": "it holds a generator of random numbers"}
    """

    rows: Literal["kept", "changed"]
    columns: Literal["kept", "changed"]
    accepts_nulls: str | None
    maps_nulls: str | None
    embeds_column_names: str | None
    reports_column_names: str | None
    requires_rows: str | None
    requires_spark: str | None
    not_picklable: str | None


@dataclass(frozen=True)
class Facts:
    """The properties of a class of stages that decide which checks apply."""

    cls: type[Stage]
    spec: Mapping[str, Any]
    #: Exceptions from the rules, with their reasons.
    tags: Mapping[str, str]
    #: Whether the stage keeps the number of rows.
    keeps_rows: bool
    #: Whether the stage keeps the columns that it does not name.
    keeps_columns: bool

    @classmethod
    def of(cls, stage: type[Stage]) -> Facts:
        """Return the facts of a class, from its descriptor and the `tags` of its base classes and itself.

        Raises
        ------
        InvalidParamError
            A tag does not exist, or has no reason.
        """
        spec = stage_spec(stage._stage)
        declared: dict[str, Any] = {"rows": spec["rows"], "columns": spec["columns"], **spec["tags"]}
        for base in reversed(stage.__mro__):
            for name, value in vars(base).get("tags", {}).items():
                _check_tag(base, name, value)
                declared[name] = value
        rows, columns = declared.pop("rows"), declared.pop("columns")
        reasons = {name: reason for name, reason in declared.items() if reason is not None}
        return cls(stage, spec, reasons, rows == "kept", columns == "kept")

    @property
    def native(self) -> bool:
        """Return whether the stage runs a kernel of the native core."""
        return issubclass(self.cls, NativeTransformer | NativeAggregate)

    @property
    def merges(self) -> bool:
        """Return whether the stage computes mergeable states in the native core."""
        return issubclass(self.cls, NativeAggregate)

    @property
    def makes_another_table(self) -> bool:
        """Return whether the result has neither the rows nor the columns of the dataset."""
        return not (self.keeps_rows or self.keeps_columns)

    def has_param(self, name: str) -> bool:
        """Return whether the stage has a param of that name."""
        return any(param["name"] == name for param in self.spec["params"])


def _check_tag(cls: type, name: str, value: Any) -> None:
    tags = list(Tags.__annotations__)
    if name not in tags:
        near = _native.nearest(name, tags)
        hint = f"; the tags are {', '.join(tags)}" if near is None else f"; did you mean `{near}`?"
        raise InvalidParamError(f"{cls.__name__}: there is no tag `{name}`{hint}")
    if name in ("rows", "columns"):
        if value not in ("kept", "changed"):
            raise InvalidParamError(
                f'{cls.__name__}: tag `{name}` must be "kept" or "changed", got {value!r}'
            )
    elif value is not None and not (isinstance(value, str) and value):
        raise InvalidParamError(f"{cls.__name__}: tag `{name}` must be a reason or None, got {value!r}")
