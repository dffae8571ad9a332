"""SQL that a saved stage holds: queries are data, programs are not."""

from __future__ import annotations

import re

from mmlrs._allowed import pickles_allowed
from mmlrs.errors import IoError

__all__ = ["begins_as_query", "check_statement"]

#: Functions that call methods of the JVM; `IDENTIFIER(...)`, which makes a name of a computed text; the USING of a script, which
#: no parenthesis follows, as one follows that of a join; EXECUTE IMMEDIATE, whose SQL is a computed text. A comment in between counts as what is looked for.
_PROGRAMS = re.compile(
    r"\b(try_reflect|reflect|java_method|identifier)\b[`\"\s]*(?:\(|/\*|--)|\b(using)\b(?!\s*\()|\b(execute)\b(?=.*\bimmediate\b)",
    re.IGNORECASE | re.DOTALL,
)
_IMMEDIATE = re.compile(r"\bexecute\b.*\bimmediate\b", re.IGNORECASE | re.DOTALL)
#: What a query begins with, behind comments and parentheses.
_QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*(?:(?!/\*).)*?\*/|\()*(?:select|with|from|values|table|map|reduce)\b",
    re.IGNORECASE | re.DOTALL,
)


def begins_as_query(statement: str) -> bool:
    """Does a statement begin as a query does, rather than as a command? EXPLAIN runs some commands: EXECUTE IMMEDIATE, for one."""
    # Where a comment ends is for Spark to say: a statement that may hold such a command is never explained.
    return _QUERY.match(statement) is not None and not _IMMEDIATE.search(statement)


def check_statement(where: str, statement: str) -> None:
    """Fail on a statement from a file that can run programs, unless the caller allows what the file holds."""
    found = _PROGRAMS.search(statement)
    if found is not None and not pickles_allowed():
        word = (found[1] or found[2] or found[3]).upper()
        raise IoError(
            f"{where} is SQL that can run programs ({word}); if you trust it, load it with allow_pickle=True, or a pipeline "
            "inside `with mmlrs.allow_pickle():`"
        )
