"""Short descriptions of the errors of failed trials."""

from __future__ import annotations

import re

__all__ = ["cause_of"]

#: The last line of a traceback in a Python worker: the class of the error, and its message if it has one.
_RAISED = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*(?:([A-Z]\w*): (.*)|([A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)))$"
)
_TRACE = "Traceback (most recent call last):"
#: The beginning of a JVM stack trace, or of what Spark adds to a message.
_JVM = re.compile(r"^\s*(at [\w.$]+\(|JVM stacktrace:|SQLSTATE: |\.\.\. \d+ more|Driver stacktrace:)")


def cause_of(error: BaseException | None) -> str:
    """Return the class and message of an error without stack traces. For an error in a Python worker, use the worker's error."""
    text = str(error)
    if _TRACE in text:
        raised = _raised(text[text.rindex(_TRACE) :].splitlines()[1:])
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
