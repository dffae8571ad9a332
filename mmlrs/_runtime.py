"""Locate the ONNX Runtime library in the installed onnxruntime wheel."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mmlrs.errors import ModelLoadError

__all__ = ["library_path"]


def library_path() -> str:
    """Return the path of the shared library, without importing onnxruntime.

    Telemetry is switched off before the library is loaded. Otherwise the library starts a thread for it, and a forked child
    would wait for that thread forever when it exits.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise ModelLoadError(
            "the package onnxruntime is not installed: pip install onnxruntime (or onnxruntime-gpu), version 1.23 or newer"
        )
    folder = Path(spec.origin).parent / "capi"
    for pattern in ("libonnxruntime.so.*", "libonnxruntime.*dylib", "onnxruntime.dll"):
        libraries = sorted(folder.glob(pattern))
        if libraries:
            return str(libraries[-1])
    raise ModelLoadError(f"the package onnxruntime at {folder} has no runtime library; install it again")
