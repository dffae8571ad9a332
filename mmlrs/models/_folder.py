"""The folder on this machine where models without a package are kept."""

from __future__ import annotations

from pathlib import Path

from mmlrs._environment import folder_of

__all__ = ["VARIABLE", "brought", "models_folder"]

#: The environment variable that names the folder.
VARIABLE = "MMLRS_MODELS"


def models_folder() -> Path:
    """Return the folder: `MMLRS_MODELS`, else `mmlrs/models` in `XDG_CACHE_HOME` or `~/.cache`.

    It holds the files of known networks that users bring, such as `ResNet50.onnx`, and in `repositories` what a
    `ModelRepository` downloads.
    """
    return folder_of(VARIABLE) or (folder_of("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmlrs" / "models"


def brought(name: str) -> Path:
    """Return the path at which the ONNX file of a known network is looked for."""
    return models_folder() / f"{name}.onnx"
