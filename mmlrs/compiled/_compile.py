"""Compile fitted pipelines."""

from __future__ import annotations

from typing import Any

from mmlrs.compiled._model import CompiledModel

__all__ = ["compile"]


def compile(model: Any) -> CompiledModel:  # noqa: A001 - the name of the public function
    """Return."""
    raise NotImplementedError
