"""Checks of the derivatives of a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs import _native
from mmlrs.ann.layers import Sequential
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["GradientCheck", "check_gradients"]

#: Maximum number of derivatives that are compared.
_COMPARED = 500


@dataclass(frozen=True)
class GradientCheck:
    """The result of `check_gradients`.

    Parameters
    ----------
    compared : int
        Number of derivatives that were compared.
    worst : float
        The largest relative difference beyond rounding: the distance of a derivative from the slopes on both sides, less 0.002,
        over the larger of derivative and slope, or 1 if both are smaller. Small networks of smooth layers have less than 0.02, and
        `Relu` or `MaxPooling` less than 0.1, where a value is close to a bend. It is 0 if the derivatives are as right as single
        precision shows, and does not judge derivatives that are themselves below 0.002: scale `data` to about 1.
    parameter : int
        The number of the parameter with that difference.
    """

    compared: int
    worst: float
    parameter: int


def check_gradients(
    network: Sequential, data: ArrayLike, labels: ArrayLike | None = None, *, seed: int = 0
) -> GradientCheck:
    """Compare the derivatives of a network with finite differences.

    The derivatives of the layers of mmlrs are right; this shows it for a network and rows of yours, for example that no values
    overflow. The weights are initial ones.

    Parameters
    ----------
    network : mmlrs.ann.layers.Sequential
        The network.
    data : array of numbers
        A few rows: vectors, or images as height, width, channels.
    labels : array, optional
        Whole numbers for a classifier, which has cross-entropy as its loss. Other numbers, one row per row of `data`, have the
        squared error. If not given, random numbers.
    seed : int, default 0
        Seed of the weights and of random labels.

    Returns
    -------
    GradientCheck
        The largest relative difference.

    Raises
    ------
    InvalidParamError
        The rows or labels do not fit the network.

    Examples
    --------
    >>> import numpy as np
    >>> from mmlrs.ann import check_gradients, layers
    >>> network = layers.Sequential([layers.Dense(5), layers.Tanh(), layers.Dense(3)], input=4)
    >>> check_gradients(network, np.random.default_rng(0).normal(size=(6, 4)), labels=[0, 1, 2, 0, 1, 2]).worst < 0.02
    True
    """
    if not isinstance(network, Sequential):
        raise InvalidParamError("check_gradients: param `network` must be an mmlrs.ann.layers.Sequential")
    rows = _numbers("data", data)
    count = len(rows) if rows.ndim else 0
    if not count or rows.size != count * int(np.prod(network.input)):
        raise InvalidParamError(
            f"check_gradients: param `data` must have rows of shape {tuple(network.input)}, got an array of shape {rows.shape}"
        )
    classes: list[int] = []
    values = np.random.default_rng(seed).normal(size=(count, network.outputs))
    loss: dict[str, Any] = {"kind": "squared_error"}
    if labels is not None:
        given = np.asarray(labels)
        if given.dtype.kind in "iub" and given.ndim == 1:
            if len(given) != count or given.min() < 0 or given.max() >= network.outputs:
                raise InvalidParamError(
                    f"check_gradients: param `labels` must have one number from 0 to {network.outputs - 1} for each of {count} rows"
                )
            classes, loss = given.astype(int).tolist(), {"kind": "cross_entropy"}
        else:
            values = _numbers("labels", labels)
            if values.size != count * network.outputs:
                raise InvalidParamError(
                    f"check_gradients: param `labels` must have {network.outputs} numbers for each of {count} rows, got an array of "
                    f"shape {values.shape}"
                )
    text = json.dumps(network.describe(loss))
    packed = [np.ascontiguousarray(array, dtype="<f4").tobytes() for array in (rows, values)]
    return GradientCheck(
        *_native.check_gradients(text, packed[0], classes, packed[1], seed % 2**64, _COMPARED)
    )


def _numbers(param: str, value: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return an array of finite numbers."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if not np.isfinite(array).all():
        raise InvalidParamError(f"check_gradients: param `{param}` must be an array of finite numbers")
    return array
