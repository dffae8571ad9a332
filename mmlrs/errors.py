"""The exceptions of mmlrs, each also of the builtin class one expects for it.

Every message names the stage and, where there is one, the param or the column, the row and its origin, and the cause.
"""

from __future__ import annotations

__all__ = [
    "BatchTooLargeError",
    "ColumnNotFoundError",
    "DecodeError",
    "InvalidParamError",
    "IoError",
    "LimitExceededError",
    "MmlrsError",
    "ModelLoadError",
    "NoSuchAttributeError",
    "ExecutionError",
    "SchemaMismatchError",
]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]


class MmlrsError(Exception):
    """Base class of every error that mmlrs raises."""


class InvalidParamError(MmlrsError, ValueError, TypeError):
    """A param has a value of the wrong type or outside its range, or a required one is not set."""


class NoSuchAttributeError(MmlrsError, AttributeError):
    """A stage has no attribute of that name, or one that only a setter sets."""


class ColumnNotFoundError(MmlrsError, KeyError):
    """A stage reads a column that the data does not have."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError puts around it."""
        return str(self.args[0]) if self.args else ""


class SchemaMismatchError(MmlrsError, TypeError, ValueError):
    """A column has a type the stage cannot read, or an output column already exists."""


class DecodeError(MmlrsError, ValueError):
    """A cell could not be read: not an image, truncated, or null where a value is needed."""


class ModelLoadError(MmlrsError, ValueError):
    """A model is damaged, of an unknown kind, or has no input, output or tensor of a given name."""


class ExecutionError(MmlrsError, RuntimeError):
    """A kernel or the model runtime failed."""


class LimitExceededError(MmlrsError, ValueError):
    """A size limit was exceeded; nothing was allocated."""


class BatchTooLargeError(LimitExceededError):
    """The results of one batch are more than a column can hold; batches of fewer rows are not.

    Tables are worked on in batches that are made smaller by themselves; on Spark its settings make them.
    """


class IoError(MmlrsError, OSError):
    """A file could not be read or written."""

    def __str__(self) -> str:
        """Return the message as given."""
        return str(self.args[0]) if self.args else ""
