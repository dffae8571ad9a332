"""Jobs that end with the call that started them."""

from __future__ import annotations

import contextlib
import sys
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
    handled = sys.exc_info()[1]
    add(tag)
    try:
        yield lambda: cancel(tag)
    except BaseException as error:
        interrupt = _interrupt(error, handled)
        if interrupt is None:
            raise
        with contextlib.suppress(Exception):  # the session may be gone
            cancel(tag)
        raise interrupt from None
    finally:
        with contextlib.suppress(Exception):
            remove(tag)


def _interrupt(error: BaseException | None, handled: BaseException | None) -> BaseException | None:
    """Return what interrupted a block, such as KeyboardInterrupt, if that ended it, and not `handled`, an exception before it.

    A classic session raises the error of the cancelled job while it handles the interrupt.
    """
    while error is not None and isinstance(error, Exception):
        error = error.__context__
    return None if error is handled else error
