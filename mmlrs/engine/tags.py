"""Jobs that end with the call that started them."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mmlrs._places import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["cancelling"]


@contextlib.contextmanager
def cancelling(session: SparkSession) -> Iterator[Callable[[], None]]:
    """Tag the jobs of this thread. They are cancelled by the function that this yields, and if the block is interrupted.

    PySpark cancels jobs on Ctrl-C too, but a classic session only if it was started in the main thread and no other library
    replaced its signal handler.
    """
    tag = f"mmlrs-{uuid.uuid4().hex}"
    target: Any = session if is_connect(session) else session.sparkContext
    names = ("addTag", "removeTag", "interruptTag")
    if not is_connect(session):
        names = ("addJobTag", "removeJobTag", "cancelJobsWithTag")
    add, remove, cancel = (getattr(target, name) for name in names)
    add(tag)
    try:
        yield lambda: cancel(tag)
    except BaseException as error:
        if not isinstance(error, Exception):
            with contextlib.suppress(Exception):  # the session may be gone
                cancel(tag)
        raise
    finally:
        with contextlib.suppress(Exception):
            remove(tag)
