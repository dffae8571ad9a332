"""What every answer must be, whatever the input."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa

from mmlrs.errors import MmlrsError


class Broken(Exception):
    """A promise is broken."""


def is_ours(error: BaseException) -> bool:
    """Is it an error as mmlrs promises them? Raises Broken for one that is so in name only."""
    return isinstance(error, MmlrsError) and "internal error" not in str(error)


def answered(work: Callable[[], Any]) -> Any:
    """The result, or None after an error of mmlrs; whatever else is raised goes on."""
    try:
        return work()
    except MmlrsError as error:
        if not is_ours(error):
            raise Broken(f"{type(error).__name__}: {error}") from error
        return None


def each(items: Iterable[Any], work: Callable[[Any], Any]) -> None:
    """Do the work with every item; each may end in an error of mmlrs."""
    for item in items:
        answered(lambda item=item: work(item))


def no_reason_is_an_internal_error(reasons: Iterable[str | None]) -> None:
    for why in reasons:
        if why is not None and ("internal error" in why or not why.strip()):
            raise Broken(f"a row's reason: {why}")


def rows_kept(stage: Any, table: pa.Table, good: dict[int, Any], outputs: list[str], why: str) -> pa.Table:
    """Run a stage that keeps bad rows: as many rows come out, the good ones as they are alone.

    `good` has by row what `outputs` of it must be.
    """
    try:
        made = stage.transform(table)
    except MmlrsError as error:
        raise Broken(f"a bad row is an error of all: {type(error).__name__}: {error}") from error
    if made.num_rows != table.num_rows:
        raise Broken(f"{table.num_rows} rows became {made.num_rows}")
    no_reason_is_an_internal_error(made[why].to_pylist())
    for row, expected in good.items():
        found = [made[name][row].as_py() for name in outputs]
        if found != expected or made[why][row].as_py() is not None:
            raise Broken(f"a good row beside bad ones is another: {made[why][row].as_py()}")
    return made
