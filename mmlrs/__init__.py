"""Deep-learning inference, images and featurization as Spark ML pipeline stages with a Rust core.

Importing this package is cheap and starts no JVM. Namespaces are loaded on first use:
`mmlrs.image`, `mmlrs.onnx`, `mmlrs.text`, `mmlrs.featurize`, `mmlrs.train`, `mmlrs.automl`, `mmlrs.stages`, `mmlrs.compiled`,
`mmlrs.models`, `mmlrs.mlflow`, `mmlrs.functions`, `mmlrs.plot`, `mmlrs.camera_traps`, `mmlrs.testing`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmlrs._caches import cache_info, clear_caches
    from mmlrs._display import describe
    from mmlrs._info import counters, recommended_conf, reset_counters, show_versions
    from mmlrs._progress import show_progress
    from mmlrs.compiled import compile, from_estimator  # noqa: A004 - the name says what it does
    from mmlrs.functions import pandas_udf, register, register_all, udf
    from mmlrs.persistence import allow_functions, allow_pickle
    from mmlrs.vectors import to_numpy, to_scipy

__version__ = "0.1.0"

_FUNCTIONS = {
    "allow_functions": "mmlrs.persistence",
    "allow_pickle": "mmlrs.persistence",
    "cache_info": "mmlrs._caches",
    "clear_caches": "mmlrs._caches",
    "compile": "mmlrs.compiled",
    "counters": "mmlrs._info",
    "describe": "mmlrs._display",
    "from_estimator": "mmlrs.compiled",
    "recommended_conf": "mmlrs._info",
    "reset_counters": "mmlrs._info",
    "show_progress": "mmlrs._progress",
    "show_versions": "mmlrs._info",
    "to_numpy": "mmlrs.vectors",
    "to_scipy": "mmlrs.vectors",
    "pandas_udf": "mmlrs.functions",
    "register": "mmlrs.functions",
    "register_all": "mmlrs.functions",
    "udf": "mmlrs.functions",
}
_NAMESPACES = (
    "automl",
    "camera_traps",
    "compiled",
    "errors",
    "featurize",
    "functions",
    "image",
    "mlflow",
    "models",
    "onnx",
    "plot",
    "stages",
    "testing",
    "text",
    "train",
)

__all__ = [
    "allow_functions",
    "allow_pickle",
    "cache_info",
    "clear_caches",
    "compile",
    "counters",
    "describe",
    "from_estimator",
    "pandas_udf",
    "recommended_conf",
    "register",
    "register_all",
    "reset_counters",
    "show_progress",
    "show_versions",
    "to_numpy",
    "to_scipy",
    "udf",
]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name in _NAMESPACES:
        return importlib.import_module(f"mmlrs.{name}")
    if name == "_native":
        return _load_native()
    hint = ""
    if not name.startswith("_"):
        near = _load_native().nearest(name, [*_FUNCTIONS, *_NAMESPACES])
        hint = "" if near is None else f"; did you mean {near!r}?"
    raise AttributeError(f"module 'mmlrs' has no attribute {name!r}{hint}")


def _load_native() -> Any:
    """Import the native module, on its first use by `from mmlrs import _native`."""
    try:
        return importlib.import_module("mmlrs._native")
    except ImportError as error:
        from mmlrs._broken import explained

        raise explained(error) from error


def __dir__() -> list[str]:
    return sorted({*__all__, *_NAMESPACES, *(name for name in globals() if name.startswith("__"))})
