"""What the modules of this package pass to each other."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

__all__ = ["Row"]

#: The inputs of a network by name: of one row, without the batch dimension, or of a run.
Row = dict[str, npt.NDArray[Any]]
