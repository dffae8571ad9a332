"""Trained networks among the stages of a compiled model."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["is_network"]


def is_network(stage: Any) -> bool:
    """Return whether a stage is a trained network. Without one, `mmlrs.ann` need not be imported."""
    module = sys.modules.get("mmlrs.ann._trained")
    return module is not None and isinstance(stage, module.TrainedNetwork)
