"""Checks of the SQL in a saved stage: queries are allowed, programs are not."""

from __future__ import annotations

import re

from mmlrs._allowed import pickles_allowed
from mmlrs.errors import IoError

__all__ = ["begins_as_query", "check_statement"]

#: Functions that call methods of the JVM; `IDENTIFIER(...)`, whose name is a computed string; the USING of a script, which, unlike
#: that of a join, has no parenthesis after it; EXECUTE IMMEDIATE, whose SQL is a computed string. A comment in between counts as a
#: match.
_PROGRAMS = re.compile(
    r"\b(try_reflect|reflect|java_method|identifier)\b[`\"\s]*(?:\(|/\*|--)|\b(using)\b(?!\s*\()|\b(execute)\b(?=.*\bimmediate\b)",
    re.IGNORECASE | re.DOTALL,
)
_IMMEDIATE = re.compile(r"\bexecute\b.*\bimmediate\b", re.IGNORECASE | re.DOTALL)
#: The beginning of a query, after comments and parentheses.
_QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*(?:(?!/\*).)*?\*/|\()*(?:select|with|from|values|table|map|reduce)\b",
    re.IGNORECASE | re.DOTALL,
)


def begins_as_query(statement: str) -> bool:
    """Return whether a statement begins as a query and not as a command.

    EXPLAIN runs some commands, such as EXECUTE IMMEDIATE.
    """
    # Only Spark knows where a comment ends, so a statement that may contain such a command is never explained.
    return _QUERY.match(statement) is not None and not _IMMEDIATE.search(statement)


def check_statement(where: str, statement: str) -> None:
    """Raise if a statement from a file can run programs and the caller does not allow pickles."""
    match = _PROGRAMS.search(statement)
    if match is not None and not pickles_allowed():
        word = (match[1] or match[2] or match[3]).upper()
        raise IoError(
            f"{where} is SQL that can run programs ({word}); if you trust it, load it with allow_pickle=True, or load "
            "a pipeline inside `with mmlrs.allow_pickle():`"
        )
