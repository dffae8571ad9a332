"""Who runs a kernel, in the words of errors about rows: a function of columns, or a stage that is made of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmlrs.engine.causes import with_own_errors
from mmlrs.errors import MmlrsError

if TYPE_CHECKING:
    from mmlrs.base import NativeTransformer

__all__ = ["Caller", "Owner", "errors_of", "reworded", "run_as"]

#: The remedy in errors of kernels. It is that of a stage: a function returns a value for every row.
_OF_STAGES = 'handleInvalid="skip" drops such rows'


@dataclass(frozen=True)
class Caller:
    """A function of columns that runs stages.

    Parameters
    ----------
    name : str
        The function as its users know it.
    stage : str
        The stage that it stands for, whose name its users need not know; "" if errors name their stage.
    arguments : tuple of (str, str)
        For each source column of the stages, the words for it.
    remedy : str
        What to do about a bad row.
    """

    name: str
    stage: str
    arguments: tuple[tuple[str, str], ...]
    remedy: str

    def message(self, text: str) -> str:
        """Return the message of an error of a stage as one of this function."""
        for column, words in self.arguments:
            text = text.replace(f"column `{column}`", words, 1)
        text = text.replace(_OF_STAGES, self.remedy)
        if self.stage:
            text = text.removeprefix(f"{self.stage}: ").replace(self.stage, self.name)
        return text if not self.name or text.startswith(f"{self.name}: ") else f"{self.name}: {text}"


@dataclass(frozen=True)
class Owner:
    """A stage that is made of other stages, which errors name instead of one of these.

    Parameters
    ----------
    name : str
        The stage as its users know it.
    words : tuple of (str, str)
        Words in errors of the inner stage, such as its columns and params, and the owner's words for them.
    """

    name: str
    words: tuple[tuple[str, str], ...] = ()

    def message(self, text: str, inner: str) -> str:
        """Return the message of an error of the stage `inner` as one of this stage."""
        text = text.removeprefix(f"{inner}: ")
        for theirs, own in self.words:
            text = text.replace(theirs, own)
        return f"{self.name}: {text}"


@contextmanager
def reworded(*words: tuple[str, str]) -> Iterator[None]:
    """Raise errors in other words, such as those for columns that users do not know."""
    try:
        with with_own_errors():
            yield
    except MmlrsError as error:
        text = str(error)
        for theirs, own in words:
            text = text.replace(theirs, own)
        raise type(error)(text) from error.__cause__


@contextmanager
def errors_of(owner: Owner, inner: str) -> Iterator[None]:
    """Raise errors of the stage `inner` as errors of the owner."""
    try:
        yield
    except MmlrsError as error:
        raise type(error)(owner.message(str(error), inner)) from error.__cause__


def run_as(owner: Owner, stage: NativeTransformer, dataset: Any) -> Any:
    """Add the columns of a stage. Errors name the owner, those of rows on Spark too."""
    with errors_of(owner, stage._stage):
        stage._owner = owner
        return stage.transform(dataset)
