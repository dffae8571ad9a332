"""Where the ONNX Runtime library is: inside the installed onnxruntime wheel."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mmlrs.errors import ModelLoadError

__all__ = ["library_path"]


def library_path() -> str:
    """Return the path of the shared library, without importing onnxruntime.

    What reports on its use is switched off before it is loaded: for that the library starts a thread of its own, for which a
    forked child would wait for ever when it ends.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise ModelLoadError(
            "the package onnxruntime is not installed: pip install onnxruntime (or onnxruntime-gpu), version 1.24 or newer"
        )
    folder = Path(spec.origin).parent / "capi"
    for pattern in ("libonnxruntime.so.*", "libonnxruntime.*dylib", "onnxruntime.dll"):
        found = sorted(folder.glob(pattern))
        if found:
            return str(found[-1])
    raise ModelLoadError(f"the package onnxruntime at {folder} has no runtime library; install it again")
