"""The exceptions of mmlrs. Each is also a subclass of the matching builtin exception.

Every message names the stage, function or path, and the cause. Where they apply, it also names the param, the column, the row and its origin.

Examples
--------
>>> from mmlrs.errors import InvalidParamError, MmlrsError
>>> issubclass(InvalidParamError, MmlrsError), issubclass(InvalidParamError, ValueError)
(True, True)
"""

from __future__ import annotations

__all__ = [
    "BatchTooLargeError",
    "ColumnNotFoundError",
    "DecodeError",
    "InvalidParamError",
    "IoError",
    "LimitExceededError",
    "MissingPackageError",
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
    """A param has a value of the wrong type or outside its range, or a required param is not set."""


class NoSuchAttributeError(MmlrsError, AttributeError):
    """A stage has no attribute of that name, or the attribute can only be set by its setter."""


class ColumnNotFoundError(MmlrsError, KeyError):
    """A stage reads a column that the data does not have."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError puts around it."""
        return str(self.args[0]) if self.args else ""


class SchemaMismatchError(MmlrsError, TypeError, ValueError):
    """A column has a type that the stage cannot read, or an output column already exists."""


class DecodeError(MmlrsError, ValueError):
    """A cell cannot be read: it is not an image, it is truncated, or it is null where a value is required."""


class ModelLoadError(MmlrsError, ValueError):
    """A model is damaged or of an unknown format, or has no input, output or tensor of the requested name."""


class ExecutionError(MmlrsError, RuntimeError):
    """A kernel or the model runtime failed."""


class LimitExceededError(MmlrsError, ValueError):
    """A size exceeds its limit. It is checked before memory is allocated."""


class MissingPackageError(MmlrsError, ImportError):
    """An optional package is not installed. The message says how to install it."""


class BatchTooLargeError(LimitExceededError):
    """The results of one batch exceed what a column can hold. Smaller batches succeed.

    On tables, batches are halved automatically. On Spark, their size is a setting of Spark.
    """


class IoError(MmlrsError, OSError):
    """A file could not be read or written."""

    def __str__(self) -> str:
        """Return the message without the errno that OSError adds."""
        return str(self.args[0]) if self.args else ""
