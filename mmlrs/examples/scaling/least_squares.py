"""Linear least squares with coefficients that are not negative, for a few columns."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

__all__ = ["non_negative"]

Floats = npt.NDArray[np.float64]


def non_negative(matrix: Floats, target: Floats, weights: Floats | None = None) -> Floats:
    """Return the coefficients >= 0 that minimize the sum of weighted squared errors.

    Parameters
    ----------
    matrix : array of float64, rows x columns
        The terms. The cost doubles with every column, because each set of columns that are not zero is tried.
    target : array of float64, rows
        What their sum should be.
    weights : array of float64, rows, optional
        Factor of each row's error; by default 1.

    Returns
    -------
    array of float64, columns
        The coefficients.

    Notes
    -----
    The best non-negative solution is the unrestricted one of the columns that it uses. So the best of all sets of columns whose
    unrestricted solution is positive is exact.

    Examples
    --------
    >>> import numpy as np
    >>> from mmlrs.examples.scaling.least_squares import non_negative
    >>> non_negative(np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]), np.array([3.0, 5.0, 7.0])).round(6).tolist()
    [1.0, 2.0]
    >>> non_negative(np.array([[1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0])).round(6).tolist()
    [0.0, 1.4]
    """
    if weights is not None:
        matrix, target = matrix * weights[:, None], target * weights
    columns = matrix.shape[1]
    best, least = np.zeros(columns), float(target @ target)
    for size in range(1, columns + 1):
        for used in map(list, combinations(range(columns), size)):
            part = matrix[:, used]
            solution = np.linalg.lstsq(part, target, rcond=None)[0]
            error = float(np.sum((part @ solution - target) ** 2))
            if (solution >= 0).all() and error < least:
                best, least = np.zeros(columns), error
                best[used] = solution
    return best
