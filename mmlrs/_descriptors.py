"""The descriptors of the stages, from the native core."""

from __future__ import annotations

import importlib
import json
from functools import lru_cache
from typing import Any

from mmlrs import _native

__all__ = ["stage_class", "stage_spec", "stage_specs"]


@lru_cache(maxsize=1)
def stage_specs() -> dict[str, dict[str, Any]]:
    """Return the descriptor of every stage by class name."""
    return {spec["name"]: spec for spec in json.loads(_native.stage_specs())}


def stage_spec(name: str) -> dict[str, Any]:
    """Return the descriptor of one stage."""
    return stage_specs()[name]


def stage_class(name: str) -> Any:
    """Return the public class of a stage."""
    return getattr(importlib.import_module(f"mmlrs.{stage_spec(name)['module']}"), name)
