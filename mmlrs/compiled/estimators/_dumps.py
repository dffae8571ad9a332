"""Reading the dumps of boosters: damage of any kind is one error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmlrs.errors import LimitExceededError, MmlrsError, ModelLoadError

__all__ = ["MAX_FEATURES", "check_count", "reading"]

#: Maximum number of features, and of outputs, of an estimator.
MAX_FEATURES = 1 << 20


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what goes wrong while a dump is read into an error that names it."""
    try:
        yield
    except MmlrsError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ModelLoadError(f"from_estimator: {what} is damaged: {error!r:.200}") from error


def check_count(count: int, what: str) -> None:
    """Refuse more features or outputs than memory can be reserved for."""
    if count > MAX_FEATURES:
        raise LimitExceededError(
            f"from_estimator: param `fitted`: it has {count} {what}; the maximum is {MAX_FEATURES}"
        )
