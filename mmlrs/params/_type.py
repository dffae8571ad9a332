"""The base class of param types, which accept values, pass them to the native core, save and load them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from mmlrs._messages import shown
from mmlrs._pyspark import Param, Params
from mmlrs.errors import InvalidParamError, IoError, MmlrsError

if TYPE_CHECKING:
    from mmlrs._stage import Stage

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


def must_be(expected: str, value: Any) -> TypeError:
    """Return the error for a value that is not accepted. The message completes the sentence "param `x` ..."."""
    return TypeError(f"must be {expected}, got {shown(value)}")


def refused(where: str, expected: str, saved: Any) -> IoError:
    """Return the error for a saved value that does not have the serialized form of its type."""
    return IoError(
        f"{where} must be {expected}, got {shown(saved)}; the saved stage is damaged or was changed"
    )


@dataclass
class Saving:
    """The context in which one param is saved.

    Parameters
    ----------
    where : str
        Beginning of error messages: stage and param.
    stage : object
        The stage that is saved.
    blobs : dict of str to bytes
        Content to save beside the metadata, by SHA-256.
    """

    where: str
    stage: Stage
    blobs: dict[str, bytes]


@dataclass
class Loading:
    """The context in which one param is loaded.

    Parameters
    ----------
    where : str
        Beginning of error messages: path, stage and param.
    name : str
        Name of the param.
    load_stage : callable
        Loads the stage at a path below the folder of stages.
    blobs : dict of str to bytes
        Content that was saved beside the metadata, by SHA-256.
    """

    where: str
    name: str
    load_stage: Callable[[str], Any]
    blobs: dict[str, bytes] = field(default_factory=dict)


class ParamType(ABC, Generic[T]):
    """A type of params. Values are serialized as JSON unless a subclass overrides it."""

    #: The name of the type in descriptors.
    name: ClassVar[str]
    #: Whether values are JSON themselves, in the native core and in the metadata of a saved stage.
    is_json: ClassVar[bool] = True

    @abstractmethod
    def accept(self, value: Any) -> T:
        """Return a user's value, converted to the type.

        Raises
        ------
        TypeError
            The value cannot be converted. The message completes the sentence "param `x` ...".
        """

    def to_core(self, value: T) -> Any:
        """Return the JSON form of a value for the native core."""
        return value

    def from_core(self, value: Any) -> Any:
        """Return a value from the native core in a form that `accept` takes."""
        return value

    def to_saved(self, value: T, saving: Saving) -> Any:
        """Return the JSON form of a value for the metadata of a saved stage."""
        return value

    def check_saved(self, where: str, saved: Any) -> None:
        """Raise if a saved value does not have the form of `to_saved`; `where` begins the message.

        Raises
        ------
        IoError
            The metadata are damaged or were changed.
        """

    def saved_blobs(self, where: str, saved: Any) -> Iterable[str]:
        """Return the SHA-256 of the content that a saved value needs."""
        return ()

    def from_saved(self, saved: Any, loading: Loading) -> Any:
        """Return a saved value in a form that `accept` takes."""
        return saved

    def stages(self, value: T) -> list[tuple[str, Params]]:
        """Return the stages in a value, each with the suffix of its folder after the name of the param."""
        return []

    def copied(self, value: T, extra: dict[Any, Any]) -> T:
        """Return a value whose stages are copies with the params of `extra`."""
        return value


def argument(owner: str, name: str, accept: Callable[[Any], T], value: Any) -> T:
    """Return an argument of a function, checked and converted like a param of a stage."""
    try:
        return accept(value)
    except MmlrsError:
        raise
    except TypeError as error:
        raise InvalidParamError(f"{owner}: param `{name}` {error}") from None


class _Foreign(ParamType[Any]):
    """The type of a param that a user declares with a converter of pyspark or a custom one."""

    name = "foreign"

    def __init__(self, converter: Callable[[Any], Any]) -> None:
        self._converter = converter

    def accept(self, value: Any) -> Any:
        """Return the result of the converter."""
        return self._converter(value)


def type_of(param: Param[Any]) -> ParamType[Any]:
    """Return the type of a param, from its converter, which is the `accept` of the type."""
    kind = getattr(param.typeConverter, "__self__", None)
    return kind if isinstance(kind, ParamType) else _Foreign(param.typeConverter)


class Types(NamedTuple):
    """The types of the params of a class, by name: all of them, and those whose values are not JSON."""

    all: dict[str, ParamType[Any]]
    others: dict[str, ParamType[Any]]


@lru_cache(maxsize=256)
def types_of(cls: Hashable) -> Types:
    """Return the types of the params of a class of stages."""
    params = {name: getattr(cls, name) for name in dir(cls)}
    types = {name: type_of(param) for name, param in params.items() if isinstance(param, Param)}
    return Types(types, {name: kind for name, kind in types.items() if not kind.is_json})


def undefined() -> Any:
    """Return the placeholder parent of a param that belongs to a class and not to an instance."""
    return Params._dummy()
