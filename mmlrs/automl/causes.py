"""What made a trial fail, in words."""

from __future__ import annotations

import re

__all__ = ["cause_of"]

#: The last line of a traceback in a Python worker: the class of the error and what it says.
_RAISED = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)|[A-Z]\w*): (.*)$"
)
_TRACE = "Traceback (most recent call last):"
#: Where the trace of the JVM begins.
_JVM = re.compile(r"^\s*(at [\w.$]+\(|JVM stacktrace:|\.\.\. \d+ more|Driver stacktrace:)")


def cause_of(error: BaseException | None) -> str:
    """Return the class of an error and what it says, without the traces; of one in a Python worker, that of the worker."""
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
    """Return what the lines of a traceback end with."""
    for i, line in enumerate(lines):
        found = _RAISED.match(line)
        if found is None:
            continue
        told = [found[2]]
        for rest in lines[i + 1 :]:
            if not rest.strip() or _JVM.match(rest) or rest.startswith(_TRACE):
                break
            told.append(rest.strip())
        return f"{found[1]}: {' '.join(told)}"
    return None
