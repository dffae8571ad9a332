"""What an error of Spark was caused by: its description without stack traces, and the error of mmlrs that it carries."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import mmlrs.errors
from mmlrs.errors import MmlrsError

__all__ = ["carried", "cause_of", "named", "with_own_errors"]

#: The last line of a traceback in a Python worker: the class of the error, and its message if it has one.
_RAISED = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*(?:([A-Z]\w*): (.*)|([A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)))$"
)
_TRACE = "Traceback (most recent call last):"
#: Where a traceback begins; a value in a message may have the same words elsewhere.
_START = re.compile(
    rf"^(?:.*(?:PythonException|from the Python worker): )?{re.escape(_TRACE)}$", re.MULTILINE
)
#: The beginning of a JVM stack trace, or of what Spark adds to a message.
_JVM = re.compile(r"^\s*(at [\w.$]+\(|JVM stacktrace:|SQLSTATE: |\.\.\. \d+ more|Driver stacktrace:)")
#: What comes before the message of an error of mmlrs, in a traceback of Python or because `named` put it there.
_OWN = re.compile(r"\bmmlrs\.errors\.([A-Z]\w*): (.*)")
#: What Spark adds to the message of `raise_error`.
_ADDED = re.compile(r" SQLSTATE: \w+\s*$")


def cause_of(error: BaseException | None) -> str:
    """Return the class and message of an error without stack traces. For an error in a Python worker, use the worker's error."""
    text = str(error)
    traces = list(_START.finditer(text))
    if traces:
        raised = _raised(text[traces[-1].end() :].splitlines()[1:])
        if raised is not None:
            return raised
    lines = []
    for line in text.splitlines():
        if _JVM.match(line) or line.startswith(_TRACE):
            break
        if line.strip():
            lines.append(line.strip())
    return f"{type(error).__name__}: {' '.join(lines) or 'no message'}"


def _raised(lines: list[str]) -> str | None:
    """Return the class and message at the end of a traceback."""
    for i, line in enumerate(lines):
        match = _RAISED.match(line)
        if match is None:
            continue
        if match[3]:
            return match[3]
        message = [match[2]]
        for following in lines[i + 1 :]:
            if not following.strip() or _JVM.match(following) or following.startswith(_TRACE):
                break
            message.append(following.strip())
        return f"{match[1]}: {' '.join(message)}"
    return None


def named(kind: type[MmlrsError], message: str) -> str:
    """Return a message for Spark's `raise_error`, from which `carried` finds the class of the error."""
    return f"{kind.__module__}.{kind.__name__}: {message}"


def carried(error: BaseException) -> MmlrsError | None:
    """Return the error of mmlrs with which a job of Spark failed, in a Python worker or by `raise_error`, or None."""
    if not type(error).__module__.startswith(("pyspark.", "py4j.")):
        return None
    text = str(error)
    if _START.search(text):
        name, _, message = cause_of(error).partition(": ")
        if f"{MmlrsError.__module__}.{name}: " not in text:
            return None
    else:
        found = _OWN.search(text)
        if found is None:
            return None
        name, message = found[1], _ADDED.sub("", found[2])
    if name not in mmlrs.errors.__all__:
        return None
    made: MmlrsError = getattr(mmlrs.errors, name)(message)
    return made


@contextlib.contextmanager
def with_own_errors() -> Iterator[None]:
    """Raise an error of mmlrs that failed a job of Spark instead of Spark's error, whose stack traces are long."""
    try:
        yield
    except Exception as error:
        own = carried(error)
        if own is None:
            raise
        raise own from None
