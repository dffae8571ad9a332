"""Fitted params without a getter, from the files that Spark ML writes for a model."""

from __future__ import annotations

import os
import shutil
import uuid
from typing import Any

import pyarrow as pa

from mmlrs.errors import ExecutionError, IoError
from mmlrs.persistence import active_session

__all__ = ["Saved"]


class Saved:
    """Saves models of Spark ML and reads their tables through Spark.

    Parameters
    ----------
    folder : str or None
        A folder that the session can reach. None for a new one under /tmp of Spark's default file system.
    """

    def __init__(self, folder: str | None) -> None:
        name = f"mmlrs-compile-{uuid.uuid4().hex}"
        self._folder = f"{folder.rstrip('/')}/{name}" if folder else f"/tmp/{name}"  # noqa: S108 - a random name
        self._own = folder is None

    def tables(self, model: Any, *names: str) -> list[pa.Table]:
        """Return tables that the model's files contain."""
        from mmlrs.engine.versions import table_of

        session = active_session()
        if session is None:
            raise ExecutionError(
                "compile: no Spark session is active; start one, or compile where the model was fitted"
            )
        path = f"{self._folder}/{model.uid}-{uuid.uuid4().hex[:8]}"
        try:
            model.save(path)
            return [table_of(session.read.parquet(f"{path}/{name}")) for name in names]
        except Exception as error:
            message = str(error).strip().split("\n")[0][:300]
            raise IoError(
                f"compile: the fitted params of {type(model).__name__} {model.uid} cannot be saved to and read from {path}; set "
                f"`workDir` to a folder that all nodes of the session can reach: {message}"
            ) from error

    def clear(self) -> None:
        """Delete what was written, if this process can reach it."""
        folder = self._folder.removeprefix("file://").removeprefix("file:")
        if os.path.isdir(folder):
            shutil.rmtree(folder, ignore_errors=True)
