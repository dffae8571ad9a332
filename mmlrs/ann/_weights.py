"""Initial weights in the forms that users have them."""

from __future__ import annotations

from typing import Any

from mmlrs import _native
from mmlrs.errors import InvalidParamError, MmlrsError

__all__ = ["parameters_in", "read_network"]


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
