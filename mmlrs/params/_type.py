"""What a type of params is: how its values are accepted, given to the native core, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from mmlrs._messages import shown
from mmlrs._pyspark import Param, Params
from mmlrs.errors import InvalidParamError, IoError, MmlrsError

__all__ = [
    "Loading",
    "ParamType",
    "Saving",
    "argument",
    "must_be",
    "refused",
    "type_of",
    "types_of",
    "undefined",
]

T = TypeVar("T")


def must_be(what: str, value: Any) -> TypeError:
    """Return the error of a value that is not accepted; its message completes the sentence "param `x` ..."."""
    return TypeError(f"must be {what}, got {shown(value)}")


def refused(where: str, what: str, saved: Any) -> IoError:
    """Return the error of a saved value that has not the form in which the type saves its values."""
    return IoError(f"{where} must be {what}, got {shown(saved)}; the saved stage is damaged or was changed")


@dataclass
class Saving:
    """The save of one param.

    Parameters
    ----------
    where : str
        What begins an error: stage and param.
    stage : object
        The stage that is saved.
    blobs : dict of bytes
        Content by its SHA-256 that is saved beside the metadata.
    """

    where: str
    stage: Any
    blobs: dict[str, bytes]


@dataclass
class Loading:
    """The load of one param.

    Parameters
    ----------
    where : str
        What begins an error: path, stage and param.
    name : str
        The param.
    load_stage : callable
        Loads the stage of a place below the folder of stages.
    blobs : dict of bytes
        The content that was saved beside the metadata, by its SHA-256.
    """

    where: str
    name: str
    load_stage: Callable[[str], Any]
    blobs: dict[str, bytes] = field(default_factory=dict)


class ParamType(Generic[T]):
    """A type of params. Its values are JSON, unless a type says otherwise."""

    #: The name of the type in descriptors.
    name: ClassVar[str]
    #: Whether the values are JSON, as the native core and the metadata of a saved stage hold them.
    is_json: ClassVar[bool] = True

    def accept(self, value: Any) -> T:
        """Return a value that a user gives as one of the type.

        Raises
        ------
        TypeError
            It is none; the message completes the sentence "param `x` ...".
        """
        raise NotImplementedError

    def to_core(self, value: T) -> Any:
        """Return a value as the native core reads it: JSON."""
        return value

    def from_core(self, value: Any) -> Any:
        """Return a value that the native core gives, as `accept` takes it."""
        return value

    def to_saved(self, value: T, saving: Saving) -> Any:
        """Return what the metadata of a saved stage hold for a value: JSON."""
        return value

    def check_saved(self, where: str, saved: Any) -> None:
        """Fail on what no save writes; `where` begins the message.

        Raises
        ------
        IoError
            The metadata are damaged or were changed.
        """

    def saved_blobs(self, where: str, saved: Any) -> Iterable[str]:
        """Return the SHA-256 of the content that a saved value needs."""
        return ()

    def from_saved(self, saved: Any, loading: Loading) -> Any:
        """Return what metadata hold, as `accept` takes it."""
        return saved

    def stages(self, value: T) -> list[tuple[str, Params]]:
        """Return the stages in a value, each with its place below the param's name."""
        return []

    def copied(self, value: T, extra: dict[Any, Any]) -> T:
        """Return a value in which stages are copies with other params."""
        return value


def argument(owner: str, name: str, accept: Callable[[Any], T], value: Any) -> T:
    """Return an argument of a function, accepted as the params of stages are."""
    try:
        return accept(value)
    except MmlrsError:
        raise
    except TypeError as error:
        raise InvalidParamError(f"{owner}: param `{name}` {error}") from None


class _Foreign(ParamType[Any]):
    """The type of a param that a user declares with a converter of pyspark or of their own."""

    name = "foreign"

    def __init__(self, converter: Callable[[Any], Any]) -> None:
        self._converter = converter

    def accept(self, value: Any) -> Any:
        """Accept what the converter does."""
        return self._converter(value)


def type_of(param: Param[Any]) -> ParamType[Any]:
    """Return the type of a param, whose converter is `accept` of it."""
    kind = getattr(param.typeConverter, "__self__", None)
    return kind if isinstance(kind, ParamType) else _Foreign(param.typeConverter)


class Types(NamedTuple):
    """The types of the params of a class by name: all of them, and the others than JSON."""

    all: dict[str, ParamType[Any]]
    others: dict[str, ParamType[Any]]


@lru_cache(maxsize=256)
def types_of(cls: Hashable) -> Types:
    """Return the types of the params of a class of stages."""
    params = {name: getattr(cls, name) for name in dir(cls)}
    types = {name: type_of(param) for name, param in params.items() if isinstance(param, Param)}
    return Types(types, {name: kind for name, kind in types.items() if not kind.is_json})


def undefined() -> Any:
    """Return the parent of a param that belongs to a class, not yet to a stage."""
    return Params._dummy()
