"""Read labels that people wrote into a spreadsheet."""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import Any, NoReturn

import pyarrow as pa

from mmlrs._messages import counted, shown
from mmlrs._paths import PathLike
from mmlrs.camera_traps._documents import first_few, read_bytes
from mmlrs.camera_traps._paths_of_pictures import forward
from mmlrs.camera_traps._spreadsheets import DELIMITERS, plain_text
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError

__all__ = ["read_labels"]

_FUNCTION = "read_labels"
#: Usual names of the columns, without spaces, hyphens and underscores.
_FILE = ("file", "filename", "filepath", "path", "image", "imagename", "imagefile", "picture", "photo")
_LABEL = ("label", "labels", "species", "class", "category")
#: Lines before the names of the columns: blank ones, and the one by which Excel knows the delimiter.
_BEFORE = re.compile(r"(?:(?:[ \t,;]*|[\"']?sep=.[\"']?)(?:\r\n|\r|\n))*", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_labels(
    path: PathLike,
    *,
    file_col: str | None = None,
    label_col: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> pa.Table:
    r"""Read the labels of pictures from a CSV file of any spreadsheet.

    Parameters
    ----------
    path : path
        Local file: comma, semicolon or tab separated, with names in the first line, in UTF-8, UTF-16, Windows-1252 or
        Mac Roman. Blank lines before the names are skipped.
    file_col : str, optional
        Name of the column of file names. Default: the column called file, file name, file path, path, image, image name, image file,
        picture or photo, in any case, with spaces, hyphens or underscores.
    label_col : str, optional
        Name of the column of labels. Default: the column called label, labels, species, class or category.
    delimiter : {",", ";", "tab"}, optional
        The character between columns; for a tab, `"\t"`. Default: the one with which the first line has these columns.
    encoding : str, optional
        Name of the encoding, as Python knows it. Default: UTF-16 or UTF-8 by the byte order mark, UTF-16 without one if every other
        byte of the beginning is 0, UTF-8 if the file is valid UTF-8, Mac Roman if lines end in a carriage return only or Windows-1252 would
        have a capital or a sign within a word, as in "FŸchse", else Windows-1252.

    Returns
    -------
    pyarrow.Table
        The columns `file` (string), with forward slashes, and `label` (string), without spaces around it, null if it is blank. One row
        per picture, in the order of the file. Lines that repeat a file with the same label, one per animal say, are one row.

    Raises
    ------
    InvalidParamError
        `path`, `delimiter` or `encoding` is not allowed.
    ColumnNotFoundError
        The first line has no column of file names or labels, or several that could be meant. The message lists its columns.
    DecodeError
        The file is empty, has no rows, is not in the encoding, or its quotes are not closed; a line has too many columns or no
        file name; a file has two labels. The message names the first few.
    IoError, LimitExceededError
        The file cannot be read, or is too large.

    Notes
    -----
    The apostrophe that `write_csv` puts before `=`, `+`, `-` and `@` is removed.

    Examples
    --------
    >>> import os, tempfile
    >>> from mmlrs.camera_traps import read_labels
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "labels.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("File Name;Species\nnorth\\1.jpg;fox\nnorth\\2.jpg;\n")
    >>> read_labels(path).to_pylist()
    [{'file': 'north/1.jpg', 'label': 'fox'}, {'file': 'north/2.jpg', 'label': None}]
    >>> folder.cleanup()
    """
    if delimiter is not None and delimiter not in DELIMITERS:
        raise InvalidParamError(
            f"{_FUNCTION}: param `delimiter` must be a comma, a semicolon or a tab, got {shown(delimiter)}"
        )
    name, content = read_bytes(_FUNCTION, path)
    return _Sheet(name, _text(name, content, encoding), delimiter, file_col, label_col).table()


def _fail(path: str, problem: str) -> NoReturn:
    raise DecodeError(f"{_FUNCTION}: {path}: {problem}")


def _text(path: str, content: bytes, encoding: str | None) -> str:
    """Return the text of a file, without a byte order mark."""
    guessed = encoding
    if guessed is None:
        guessed = next((name for mark, name in _BOMS if content.startswith(mark)), None) or _unmarked(content)
    try:
        text = content.decode(guessed)
    except LookupError:
        raise InvalidParamError(
            f"{_FUNCTION}: param `encoding` must be the name of an encoding, got {shown(encoding)}"
        ) from None
    except UnicodeDecodeError as error:
        _fail(
            path,
            f"is not text in {guessed}: {error.reason} at byte {error.start:,}; save it as CSV in UTF-8, or pass `encoding`, for instance 'mac_roman' or 'cp850'",
        )
    return text.removeprefix("\ufeff")


def _unmarked(content: bytes) -> str:
    """Return the encoding of bytes without a byte order mark."""
    start = content[:2000]
    if len(start) >= 4 and 0 in start:
        if start[1::2].count(0) > len(start) // 4 and 0 not in start[::2]:
            return "utf-16-le"
        if start[::2].count(0) > len(start) // 4 and 0 not in start[1::2]:
            return "utf-16-be"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "mac_roman" if _is_mac_roman(content) else "cp1252"
    return "utf-8"


def _is_mac_roman(content: bytes) -> bool:
    """Return whether a text of 8 bits is from an old Mac, or from Excel on a Mac.

    Its lines end in a carriage return, or what would be a capital or a sign in Windows-1252 is within a word: "FŸchse", "BŠr".
    """
    if b"\r" in content and b"\n" not in content:
        return True
    return re.search(rb"[A-Za-z][\x80\x85\x86\x8a\x8c\x8e\x9f][a-z]", content) is not None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


class _Sheet:
    """A text with columns.

    Parameters
    ----------
    path : str
        The file that errors name.
    text : str
        Its text.
    delimiter, file_col, label_col : str, optional
        As for `read_labels`.
    """

    def __init__(
        self, path: str, text: str, delimiter: str | None, file_col: str | None, label_col: str | None
    ) -> None:
        self.path = path
        self._wanted = (
            (file_col, "file names", "file_col", _FILE),
            (label_col, "labels", "label_col", _LABEL),
        )
        if not text.strip():
            _fail(path, "is empty")
        before = _BEFORE.match(text)
        skipped = before.group() if before else ""
        self._skipped = len(skipped.splitlines())
        self._text = text[len(skipped) :]
        self._delimiter = delimiter or self._guessed()

    def _lines(self, delimiter: str) -> Any:
        return csv.reader(io.StringIO(self._text, newline=""), delimiter=delimiter, strict=True)

    def _head(self, delimiter: str) -> list[str]:
        try:
            return [name.strip() for name in next(self._lines(delimiter), [])]
        except csv.Error as error:
            _fail(self.path, f"line {self._skipped + 1}: {error}")

    def _guessed(self) -> str:
        """Return the delimiter with which the first line has most of the columns, or else most columns."""

        def fitness(delimiter: str) -> tuple[int, int]:
            try:
                head = self._head(delimiter)
            except DecodeError:  # quotes do not fit to the delimiter
                return -1, 0
            return sum(bool(self._matches(head, *wanted)) for wanted in self._wanted), len(head)

        return max(DELIMITERS, key=fitness)

    def _matches(
        self, head: list[str], given: str | None, what: str, param: str, usual: tuple[str, ...]
    ) -> list[int]:
        if given is not None:
            return [place for place, name in enumerate(head) if name == given]
        return [place for place, name in enumerate(head) if _plain(name) in usual]

    def _column(self, head: list[str], wanted: tuple[str | None, str, str, tuple[str, ...]]) -> int:
        """Return the place of a column."""
        given, what, param, usual = wanted
        places = self._matches(head, *wanted)
        if len(places) == 1:
            return places[0]
        where = f"{_FUNCTION}: {self.path}: "
        listed = ", ".join(f"`{name:.40}`" for name in head[:20])
        if places:
            several = ", ".join(f"`{head[place]}`" for place in places)
            raise ColumnNotFoundError(
                f"{where}several columns may hold the {what}: {several}; pass `{param}`, or rename the others"
            )
        looked = f"`{given}`" if given is not None else "or ".join((", ".join(usual[:-1]) + " ", usual[-1]))
        raise ColumnNotFoundError(
            f"{where}no column of {what}, {looked}; the first line has the columns {listed}; pass `{param}`"
        )

    def table(self) -> pa.Table:
        """Return the files and their labels."""
        head = self._head(self._delimiter)
        file_place, label_place = (self._column(head, wanted) for wanted in self._wanted)
        labels: dict[str, str | None] = {}
        double: dict[str, set[str | None]] = {}
        for number, cells in self._rows(len(head)):
            file, label = (
                plain_text(cells[place].strip()) if place < len(cells) else ""
                for place in (file_place, label_place)
            )
            file = forward(file)
            if not file:
                _fail(self.path, f"line {number:,} has no file name")
            found = label or None
            if labels.setdefault(file, found) != found:
                double.setdefault(file, {labels[file]}).add(found)
        if not labels:
            _fail(self.path, "has no rows below the names of the columns")
        if double:
            few = first_few(
                (f"{file}: {', '.join(sorted(map(str, found)))}" for file, found in double.items())
            )
            _fail(self.path, f"{counted(len(double), 'file')} with two labels: {few}; keep one line per file")
        return pa.table(
            {"file": pa.array(labels, pa.string()), "label": pa.array(labels.values(), pa.string())}
        )

    def _rows(self, columns: int) -> Any:
        """Yield the line number and the cells of each row that is not blank."""
        lines = self._lines(self._delimiter)
        try:
            next(lines)
            for cells in lines:
                if any(cell.strip() for cell in cells):
                    if len(cells) > columns and any(cell.strip() for cell in cells[columns:]):
                        _fail(
                            self.path,
                            f"line {lines.line_num + self._skipped:,} has {len(cells)} columns instead of {columns}; put quotes around a cell that "
                            f"contains {shown(self._delimiter)}",
                        )
                    yield lines.line_num + self._skipped, cells
        except csv.Error as error:
            _fail(self.path, f"line {lines.line_num + self._skipped:,}: {error}")
