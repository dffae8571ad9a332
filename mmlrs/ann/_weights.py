"""Initial weights in the forms that users have them."""

from __future__ import annotations

from typing import Any

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs.errors import InvalidParamError

__all__ = ["parameters_of"]


def parameters_of(stage: str, value: Any) -> Any:
    """Return weights as the bytes of numbers in single precision. A path, bytes and a handle are returned as they are.

    Raises
    ------
    InvalidParamError
        The value holds no finite numbers.
    """
    import numpy as np

    given = value

    if isinstance(value, bytes | str) or hasattr(value, "__fspath__") or hasattr(value, "to_json"):
        return value
    network = getattr(value, "getNetwork", None)
    if network is not None:
        return _native.read_network(network().read())[1]
    if hasattr(value, "toArray"):  # a vector of Spark ML
        value = value.toArray()
    if isinstance(value, list):  # of integers, for example
        value = None
    try:
        with np.errstate(over="ignore"):
            numbers = np.asarray(value, dtype=np.float64).astype("<f4")
    except (TypeError, ValueError):
        numbers = np.zeros((0, 0), "<f4")
    if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
        raise InvalidParamError(
            f"{stage}: param `initialWeights` must be a model, or an array or vector of finite numbers, such as the weights of a model, got "
            f"{shown(given)}"
        )
    return numbers.tobytes()
