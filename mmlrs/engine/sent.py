"""Objects that are sent to the workers, and their arrival in a worker that may not have this version of mmlrs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mmlrs import __version__

__all__ = ["Sent", "sent_function"]


def _receiver() -> Callable[[str, bytes], Any]:
    """Return the function that runs first in a worker. It is sent by value, so it may use only what every Python has."""

    def receive(version: str, data: bytes) -> Any:
        import pickle
        import socket
        import sys

        remedy = (
            f"Install mmlrs {version} in that Python on every node, or send an environment with the job: "
            "spark.archives=environment.tar.gz#environment and PYSPARK_PYTHON=./environment/bin/python"
        )
        where = f"the Python worker {sys.executable} on node {socket.gethostname()}"
        try:
            import mmlrs
        except ModuleNotFoundError as error:
            raise RuntimeError(f"mmlrs: {where} has no mmlrs ({error}). {remedy}") from None
        if mmlrs.__version__ != version:
            raise RuntimeError(
                f"mmlrs: the driver runs version {version}, but {where} runs version {mmlrs.__version__} "
                f"({mmlrs.__path__[0]}). {remedy}"
            )
        try:
            return pickle.loads(data)  # noqa: S301 - from the driver, like the function itself
        except ImportError as error:
            raise RuntimeError(
                f"mmlrs: {where} cannot load mmlrs or one of its dependencies: {error}. {remedy}"
            ) from None

    return receive


@dataclass(frozen=True)
class Sent:
    """A callable object that is sent to the workers, where it arrives as itself if they can run it.

    A worker without mmlrs, or with another version of it, raises one error that says so. Otherwise the error would be
    an attribute or a module that pickle does not find, or a wrong result.

    Parameters
    ----------
    value : Kernel, PartitionFit or other object of this package
        The object.
    """

    value: Any

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the object with the version of mmlrs."""
        from pyspark import cloudpickle

        return _receiver(), (__version__, cloudpickle.dumps(self.value))

    def __call__(self, *args: Any) -> Any:
        """Call the object in this process."""
        return self.value(*args)


def sent_function(
    work: Callable[..., Any], name: str, takes: type = pa.Array, returns: type = pa.Array
) -> Callable[..., Any]:
    """Return a function for a UDF that calls `work` in a worker, and needs nothing else of this package there.

    PySpark reads the kind of UDF from the annotations, so these say what the columns are.
    """
    sent = Sent(work)

    def run(*columns: Any) -> Any:
        try:
            return sent(*columns)
        except Exception as error:
            if type(error).__module__ == "mmlrs.errors":
                raise error.with_traceback(None) from None  # the message is complete without the traceback
            raise

    run.__name__ = name
    run.__annotations__ = {"columns": takes, "return": returns}
    return run
