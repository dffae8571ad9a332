"""Initial weights in the forms that users have them."""

from __future__ import annotations

from typing import Any

from mmlrs import _native
from mmlrs._messages import shown
from mmlrs.errors import InvalidParamError, MmlrsError

__all__ = ["parameters_in", "parameters_of", "read_network"]


def read_network(stage: str, network: bytes) -> tuple[str, bytes]:
    """Return the description of a network file as JSON, and the bytes of its weights.

    Raises
    ------
    ModelLoadError
        The file is damaged or from a newer version.
    """
    try:
        return _native.read_network(network)
    except MmlrsError as error:
        raise type(error)(f"{stage}: {error}") from None


def parameters_in(stage: str, given: Any, count: int) -> bytes:
    """Return the content of the param `initialWeights`, a handle, as numbers in single precision.

    Raises
    ------
    InvalidParamError
        There are not `count` numbers, or not all are finite.
    IoError
        A file cannot be read.
    """
    import numpy as np

    try:
        content = given.read()
    except MmlrsError as error:
        raise type(error)(f"{stage}: param `initialWeights`: {error}") from None
    if (
        content[8:9] == b"{" and len(content) != 4 * count
    ):  # a network file starts with the length of its header
        _, content = read_network(stage, content)
    if len(content) % 4:
        raise InvalidParamError(
            f"{stage}: param `initialWeights` has {len(content):,} bytes, which are no numbers in single precision of 4 bytes each"
        )
    if len(content) != 4 * count:
        raise InvalidParamError(
            f"{stage}: param `initialWeights` has {len(content) // 4:,} numbers, but the network has {count:,} weights"
        )
    wrong = np.flatnonzero(~np.isfinite(np.frombuffer(content, "<f4")))
    if wrong.size:
        raise InvalidParamError(
            f"{stage}: param `initialWeights` has {wrong.size:,} numbers that are NaN or infinite, the first at place {wrong[0]}; use "
            "the weights of a training that did not diverge"
        )
    return content


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
        return read_network(stage, network().read())[1]
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
