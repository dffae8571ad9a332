"""Updates docs/limits.md: params from the stage descriptors, values of constants from the source.

``python scripts/limits.py`` writes the page. ``--check`` fails if the committed page is stale. The text is on the page itself,
except for what happens beyond a param's limit, which is in `BEYOND`.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmlrs.base import stage_specs

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "limits.md"
BEGIN = "<!-- {}: written by `python scripts/limits.py` -->"
END = "<!-- end of {} -->"

#: Params that bound memory or work, and what happens to data beyond them. A param value outside its range is always the same
#: error.
BEYOND = {
    "maxPixels": "the image is a bad row, `LimitExceededError`; nothing is allocated",
    "maxBytes": "the image is a bad row, `LimitExceededError`; nothing is allocated",
    "maxTensorBytes": "a mini-batch has fewer rows; a single row, or a batch size fixed by the model, that exceeds it is a"
    " `LimitExceededError`",
    "maxRunSeconds": 'the run is stopped: `LimitExceededError`; with "skip" and "keep" its rows are run again one at a time, each'
    " within the limit",
    "miniBatchSize": "more runs of the network",
    "maxLength": "the text is truncated to its first tokens, special tokens included",
    "maxLevels": "`LimitExceededError` during the fit",
    "maxCategories": "the column is treated as text: its words are hashed into slots",
    "numFeatures": "words share slots, as in any hashing",
    "curvePoints": "the curve is thinned",
    "maximumPageLength": "the text is split into more pages",
    "maxBatchSize": "a new batch starts",
    "batchSize": "a new batch starts",
    "millisToWait": "the batch ends",
    "numRuns": "the search ends",
    "parallelism": "further trials wait",
}

#: The beginning of constraints that bound a number.
_BOUNDED = re.compile(r"must be (between|at least|at most|greater than) ")
#: A row of a table whose last cell names a constant and its file.
_ROW = re.compile(
    r"\| (?P<what>[^|\n]+?) \|(?P<value>[^|\n]*)\| (?P<beyond>[^|\n]+?) \| \[`(?P<name>\w+)`\]\(\.\./(?P<file>[^)]+)\) \|"
)
_LARGEST = {"i32::MAX": str(2**31 - 1)}


def params_table(limiting: bool) -> str:
    """Return the table of params that limit data, with what happens beyond, or of the other bounded params."""
    stages_of: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for stage, spec in stage_specs().items():
        for param in spec["params"]:
            constraint = param["constraint"] or ""
            if _BOUNDED.match(constraint) and (param["name"] in BEYOND) is limiting:
                read = in_bytes if param["name"].endswith("Bytes") else number
                default = "unset" if param["default"] is None else read(param["default"])
                allowed = re.sub(r"\d+(?:\.\d+)?", _reader(read), constraint)
                stages_of[param["name"], default, allowed.removeprefix("must be ")].append(stage)
    heads = ["param", "of", "default", "allowed", *(["beyond"] if limiting else [])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for (name, default, allowed), stages in sorted(stages_of.items()):
        cells = [f"`{name}`", ", ".join(f"`{s}`" for s in stages), default, allowed]
        lines.append("| " + " | ".join([*cells, *([BEYOND[name]] if limiting else [])]) + " |")
    return "\n".join(lines)


def _reader(read: Callable[[Any], str]) -> Callable[[re.Match[str]], str]:
    return lambda digits: read(ast.literal_eval(digits[0]))


def number(value: Any) -> str:
    """Return a number with thousands separators."""
    return f"{int(value):,}" if isinstance(value, int) or value == int(value) else str(value)


def in_bytes(value: float) -> str:
    """Return a number of bytes in the largest unit that divides it."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if value >= 1024**power and value % 1024**power == 0:
            return f"{int(value) // 1024**power:,} {unit}"
    return f"{value:,} byte{'' if value == 1 else 's'}"


def constant(name: str, file: str) -> int | float:
    """Return the value of a constant in a Rust or Python source file."""
    text = (ROOT / file).read_text()
    match = re.search(rf"^\s*(?:pub )?(?:const )?{name}(?:: \w+)? = (.+?);?$", text, re.MULTILINE)
    if match is None:
        raise LookupError(f"{file} has no constant {name}")
    plain = re.sub(r" as \w+", "", match[1])
    for word, largest in _LARGEST.items():
        plain = plain.replace(word, largest)
    return _value(ast.parse(plain, mode="eval").body)


def _value(node: ast.expr) -> int | float:
    match node:
        case ast.Constant(value=int() | float() as value):
            return value
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.LShift(), right=right):
            return int(_value(left)) << int(_value(right))
        case ast.BinOp(left, ast.Pow(), right):
            return int(int(_value(left)) ** int(_value(right)))
    raise ValueError(f"not a number: {ast.unparse(node)}")


def _current(row: re.Match[str]) -> str:
    value = constant(row["name"], row["file"])
    text = in_bytes(value) if re.search(r"\bbytes?\b", row["what"], re.IGNORECASE) else number(value)
    link = f"[`{row['name']}`](../{row['file']})"
    return f"| {row['what']} | {text} | {row['beyond']} | {link} |"


def updated(page: str) -> str:
    """Return the page with the current tables and values."""
    for name, limiting in (("params that limit", True), ("other params", False)):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{params_table(limiting)}\n\n{end}{rest.split(end)[1]}"
    return _ROW.sub(_current, page)


def constants_on(page: str) -> set[tuple[str, str]]:
    """Return the constants that the page names, each with its file."""
    return {(row["name"], row["file"]) for row in _ROW.finditer(page)}


def main() -> None:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is stale")
    check = parser.parse_args().check
    page = PAGE.read_text()
    new = updated(page)
    if check and new != page:
        sys.exit("docs/limits.md is stale: run python scripts/limits.py")
    if not check:
        PAGE.write_text(new)


if __name__ == "__main__":
    main()
