"""Saves each stage as tests/golden/<version>/<stage> for this release. Later releases must load these folders."""

from __future__ import annotations

import importlib
from pathlib import Path

import mmlrs
from mmlrs.base import stage_specs
from mmlrs.testing import sample_stage


def main() -> None:
    """Write the missing folders; existing ones are never changed."""
    folder = Path(__file__).parents[1] / "tests" / "golden" / mmlrs.__version__
    for name, spec in stage_specs().items():
        if not (folder / name).exists():
            stage, _ = sample_stage(getattr(importlib.import_module(f"mmlrs.{spec['module']}"), name))
            stage.save(str(folder / name))


if __name__ == "__main__":
    main()
