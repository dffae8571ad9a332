"""Locate the ONNX Runtime library in the installed onnxruntime wheel."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mmlrs._warnings import warn_once
from mmlrs.errors import ModelLoadError

__all__ = ["library_path"]


def library_path() -> str:
    """Return the path of the shared library, without importing onnxruntime.

    The package of this Python environment comes first. `ORT_DYLIB_PATH` is used only without one, since the variable may be
    left over from another environment: executors inherit it from the shell that started them.

    Telemetry is switched off before the library is loaded. Otherwise the library starts a thread for it, and a forked child
    would wait for that thread forever when it exits.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    named = os.environ.get("ORT_DYLIB_PATH")
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        return _named(named)
    folder = Path(spec.origin).parent / "capi"
    for pattern in ("libonnxruntime.so.*", "libonnxruntime.*dylib", "onnxruntime.dll"):
        libraries = sorted(folder.glob(pattern))
        if libraries:
            library = str(libraries[-1])
            if named and os.path.realpath(named) != os.path.realpath(library):
                note = (
                    f"ORT_DYLIB_PATH names {named}, but this Python environment has an onnxruntime package, whose library is "
                    f"used: {library}. Unset the variable, or uninstall the package to use the other library"
                )
                warn_once([note])
            return library
    raise ModelLoadError(f"the package onnxruntime at {folder} has no runtime library; install it again")


def _named(path: str | None) -> str:
    """Return the library of the environment variable, which must exist."""
    missing = "the package onnxruntime is not installed"
    advice = "pip install onnxruntime (or onnxruntime-gpu), version 1.23 or newer"
    if not path:
        raise ModelLoadError(f"{missing}: {advice}")
    if not os.path.isfile(path):
        raise ModelLoadError(f"{missing}, and ORT_DYLIB_PATH names {path}, which is not a file: {advice}")
    return path
