"""What Spark plans for a DataFrame."""

from __future__ import annotations

import contextlib
import io

#: The node in which Spark runs scalar Arrow functions: one of them is one pass through Python.
NODE = "ArrowEvalPython"


def plan_of(df) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        df.explain()
    return text.getvalue()


def passes(df) -> int:
    return plan_of(df).count(NODE)
