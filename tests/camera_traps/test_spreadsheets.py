"""CSV files for spreadsheets, labels that people wrote in them, and the pictures that these belong to."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.camera_traps import match_labels, read_labels, write_csv
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, IoError, SchemaMismatchError

FOX = {"label": "fox", "score": 0.5, "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
HARE = {**FOX, "label": "hare", "score": 0.9, "x": 0.2}


def written(folder: Path, table: Any, **options: Any) -> list[dict[str, str]]:
    path = folder / "written.csv"
    write_csv(table, path, **options)
    text = path.read_bytes().decode("utf-8-sig")
    return list(
        csv.DictReader(io.StringIO(text, newline=""), delimiter=options.get("delimiter", ","), strict=True)
    )


def labels(folder: Path, content: str | bytes, **options: Any) -> list[tuple[str, str | None]]:
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read_labels(path, **options)
    return list(zip(table["file"].to_pylist(), table["label"].to_pylist(), strict=True))


# -- write_csv --------------------------------------------------------------------------------------------------------


def test_the_best_detection_of_a_picture_is_on_its_row(tmp_path):
    table = pa.table(
        {
            "file": ["1.jpg", "2.jpg", "3.jpg"],
            "detections": [[FOX, HARE], [], None],
            "failure": [None, None, "damaged"],
            "location": ["north"] * 3,
            "time": [datetime.fromisoformat("2022-12-31 09:52:50")] * 3,
        }
    )
    first, second, third = written(tmp_path, table)
    assert first == {
        "file": "1.jpg", "location": "north", "time": "2022-12-31 09:52:50", "label": "hare", "score": "0.9",
        "detections": "2", "failure": "", "x": "0.2", "y": "0.2", "width": "0.3", "height": "0.4",
    }  # fmt: skip
    assert (second["label"], second["detections"], second["failure"], second["x"]) == ("empty", "0", "", "")
    assert (third["label"], third["detections"], third["failure"]) == ("", "", "damaged")
    [first, *_] = written(tmp_path, table, threshold=0.6)
    assert first["detections"] == "1"
    [first, *_] = written(tmp_path, table, threshold=0.95)
    assert (first["label"], first["detections"]) == ("empty", "0")


def test_labels_of_people_are_on_its_row(tmp_path):
    large = {"label": "fox", "x": 0.5, "y": 0.0, "width": 0.5, "height": 0.5}
    table = pa.table(
        {
            "file": ["1.jpg", "2.jpg", "3.jpg"],
            "time_text": [None, None, "0000-00-00 00:00:00"],
            "labels": [["fox", "hare"], [], None],
            "boxes": [[{key: HARE[key] for key in large}, large], [], None],
        }
    )
    found = written(tmp_path, table)
    assert [row["label"] for row in found] == ["fox; hare", "empty", ""]
    assert [row["detections"] for row in found] == ["2", "0", ""]
    assert (found[0]["x"], found[2]["time"]) == ("0.5", "0000-00-00 00:00:00")


def test_columns_of_your_own_come_first(tmp_path):
    table = pa.table({"file": ["1.jpg"], "label": ["lynx"], "score": [0.25], "detections": [[FOX]]})
    [row] = written(tmp_path, table)
    assert (row["label"], row["score"], row["x"]) == ("lynx", "0.25", "0.1")


def test_the_file_is_one_that_excel_opens(tmp_path):
    write_csv(
        pa.table({"file": ["ä.jpg"], "label": ['a "big", fox\nrunning']}), tmp_path / "x.csv", delimiter=";"
    )
    content = (tmp_path / "x.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbffile;location;time;label;")
    assert content.decode("utf-8-sig").split("\r\n")[1] == 'ä.jpg;;;"a ""big"", fox\nrunning";;;;;;;'
    assert content.endswith(b"\r\n")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1.jpg", "@x", "\t=1", " =1", "＝1", "'=1", "''=1"])
def test_a_formula_is_a_text_and_comes_back(tmp_path, text):
    [row] = written(tmp_path, pa.table({"file": ["1.jpg"], "label": [text]}))
    assert row["label"] == f"'{text}"
    assert labels(tmp_path, (tmp_path / "written.csv").read_bytes()) == [("1.jpg", text)]


@pytest.mark.parametrize("text", ["a=1", "'quoted'", "fox-1", "'s", "x@y"])
def test_other_texts_are_as_they_are(tmp_path, text):
    [row] = written(tmp_path, pa.table({"file": [text]}))
    assert row["file"] == text


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        (pa.table({"file": ["1"]}), {"delimiter": "|"}, InvalidParamError, "param `delimiter` must be a comma, a semicolon or a tab"),
        (pa.table({"file": ["1"]}), {"threshold": 1.5}, InvalidParamError, "param `threshold` must be a number from 0 to 1"),
        (pa.table({"file": ["1"]}), {"threshold": "0.5"}, InvalidParamError, "param `threshold`"),
        (pa.table({"file": ["1"], "detections": [[{**FOX, "score": 2.0}]]}), {}, InvalidParamError, r"row 0 \('1'\): score 2 is not"),
        (pa.table({"file": ["1"], "label": [1]}), {}, SchemaMismatchError, "column `label` must be strings, got int64"),
        (pa.table({"x": ["1"]}), {}, ColumnNotFoundError, "column `file`: not found"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_one_error(tmp_path, table, options, error, message):
    with pytest.raises(error, match=f"^write_csv: .*{message}"):
        write_csv(table, tmp_path / "x.csv", **options)
    assert list(tmp_path.iterdir()) == []


# -- read_labels ------------------------------------------------------------------------------------------------------

FILES = [("1.jpg", "Füchse"), ("2.jpg", None)]
SHEET = 'File Name{0}Remarks{0}Species\r\n1.jpg{0}"a{0} b"{0}Füchse\r\n2.jpg{0}{0} \r\n\r\n'


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_any_separator_and_encoding_of_a_spreadsheet_is_read(tmp_path, delimiter, encoding):
    assert labels(tmp_path, SHEET.format(delimiter).encode(encoding)) == FILES


def test_what_is_guessed_can_be_given(tmp_path):
    assert labels(tmp_path, "sep=;\r\nimage;class\r\n1.jpg;fox\r\n") == [("1.jpg", "fox")]
    sheet = "file;label;who\n1.jpg;fox;me\n".encode("cp1250")
    assert labels(tmp_path, sheet, label_col="who", encoding="cp1250", delimiter=";") == [("1.jpg", "me")]
    assert labels(tmp_path, "file,image,label\na,b,c\n", file_col="image") == [("b", "c")]


@pytest.mark.parametrize("before", ["\n", "\r\n \r\n", ";;\n\t\n", "\nsep=;\n\n", "sep=;\r\n"])
def test_blank_lines_before_the_names_are_skipped_and_counted(tmp_path, before):
    assert labels(tmp_path, f"{before}file;label\n1.jpg;fox\n") == [("1.jpg", "fox")]
    line = len(before.splitlines()) + 3
    with pytest.raises(DecodeError, match=f"line {line} has no file name"):
        labels(tmp_path, f"{before}file;label\n1.jpg;fox\n;hare\n")


@pytest.mark.parametrize(
    ("text", "ends"), [("Füchse", "\n"), ("Bär", "\r\n"), ("zèbre", "\r"), ("Löwe", "\r"), ("Écureuil", "\r")]
)
def test_files_of_excel_on_a_mac_are_read(tmp_path, text, ends):
    sheet = ends.join(["file,label", f"1.jpg,{text}", ""])
    assert labels(tmp_path, sheet.encode("mac_roman")) == [("1.jpg", text)]


@pytest.mark.parametrize("text", ["Füchse", "élan", "Hawk’s nest", "Šakal", "œuf", "Löwe – 3 €", "žaba"])
def test_files_of_windows_are_not_taken_for_files_of_a_mac(tmp_path, text):
    assert labels(tmp_path, f"file,label\r\n1.jpg,{text}\r\n".encode("cp1252")) == [("1.jpg", text)]


def test_quoted_names_do_not_disturb_the_guess(tmp_path):
    assert labels(tmp_path, '"file";"label"\n"a;1.jpg";"x, y"\n') == [("a;1.jpg", "x, y")]


def test_lines_that_repeat_a_label_are_one_row(tmp_path):
    assert labels(tmp_path, "file,label\na\\1.jpg,fox\n./a/1.jpg,fox\n") == [("a/1.jpg", "fox")]


@pytest.mark.parametrize(
    ("content", "options", "error", "message"),
    [
        ("", {}, DecodeError, "is empty"),
        (" \r\n", {}, DecodeError, "is empty"),
        ("file,label\r\n\r\n", {}, DecodeError, "has no rows below the names of the columns"),
        ("name,animal\n1,fox\n", {}, ColumnNotFoundError, "no column of file names, file, .* or photo; the first line has the columns `name`, `animal`; pass `file_col`"),
        ("file,animal\n1,fox\n", {}, ColumnNotFoundError, "no column of labels, label, labels, species, class or category; .*pass `label_col`"),
        ("file,class,species\n1,a,b\n", {}, ColumnNotFoundError, "several columns may hold the labels: `class`, `species`; pass `label_col`"),
        ("file,label\n1,fox\n", {"label_col": "x"}, ColumnNotFoundError, "no column of labels, `x`; the first line has"),
        ("file,label\n" + "".join(f"{i},fox\n{i},hare\n" for i in range(5)), {}, DecodeError, "5 files with two labels: '0: fox, hare', '1: fox, hare', '2: fox, hare' and 2 more"),
        ("file,label\n1,fox\n,hare\n", {}, DecodeError, "line 3 has no file name"),
        ("file,label\n1,fox, red\n", {}, DecodeError, "line 2 has 3 columns instead of 2; put quotes"),
        ('file,label\n1,"fox\n', {}, DecodeError, "line 2: unexpected end of data"),
        ('"file,label\n1,fox\n', {}, DecodeError, "line 1: unexpected end of data"),
        (b"file,label\n1,\x81\n", {}, DecodeError, "is not text in cp1252: .* at byte 13; save it as CSV in UTF-8, or pass `encoding`, for instance 'mac_roman'"),
        (b"file,label\n1,\xff\n", {"encoding": "utf-8"}, DecodeError, "is not text in utf-8"),
        ("file,label\n1,fox\n", {"encoding": "none"}, InvalidParamError, "param `encoding` must be the name of an encoding, got 'none'"),
        ("file,label\n1,fox\n", {"encoding": "zip"}, InvalidParamError, "param `encoding` must be the name of an encoding, got 'zip'"),
        ("file,label\n1,fox\n", {"delimiter": "|"}, InvalidParamError, "param `delimiter` must be a comma"),
    ],
    ids=range(17),
)  # fmt: skip
def test_a_wrong_file_of_labels_is_one_error(tmp_path, content, options, error, message):
    with pytest.raises(error, match=f"(?s)^read_labels: .*{message}"):
        labels(tmp_path, content, **options)


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\\\0"), min_size=1, max_size=8
).map(str.strip)
NAMED = CELLS.filter(lambda text: text and not text.startswith("./"))


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(NAMED, NAMED, min_size=1, max_size=5), delimiter=st.sampled_from([",", ";", "\t"])
)
def test_what_write_csv_writes_read_labels_reads(files, delimiter, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    write_csv(pa.table({"file": list(files), "label": list(files.values())}), path, delimiter=delimiter)
    found = read_labels(path)
    assert dict(zip(found["file"].to_pylist(), found["label"].to_pylist(), strict=True)) == files


# -- match_labels -----------------------------------------------------------------------------------------------------


def pairs(labelled: dict[str, str], pictures: Any) -> Any:
    table = pa.table({"file": list(labelled), "label": pa.array(labelled.values(), pa.string())})
    found = match_labels(table, pictures)
    files = dict(zip(found.table["file"].to_pylist(), found.table["label"].to_pylist(), strict=True))
    return files, list(found.without_picture), list(found.without_label)


def test_labels_find_their_pictures_in_a_folder(tmp_path):
    for name in ("north/1.JPG", "north/2.jpg", "south/3.png", ".hidden/4.jpg", "notes.txt", "north/._2.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    labelled = {"1.jpg": "fox", "D:\\cards\\south\\3.png": "hare", "9.jpg": "owl"}
    assert pairs(labelled, tmp_path) == (
        {"north/1.JPG": "fox", "south/3.png": "hare"},
        ["9.jpg"],
        ["north/2.jpg"],
    )


def test_the_best_fit_wins():
    assert pairs({"1.jpg": "a"}, ["1.jpg", "north/1.jpg"])[0] == {"1.jpg": "a"}
    assert pairs({"x/north/1.jpg": "a"}, ["1.jpg", "north/1.jpg"])[0] == {"north/1.jpg": "a"}
    assert pairs({"north/1.jpg": "a"}, ["1.jpg", "card/north/1.jpg"])[0] == {"card/north/1.jpg": "a"}
    assert pairs({"1.jpg": "a", "1.JPG": "b"}, ["a/1.JPG", "b/1.jpg"])[0] == {"a/1.JPG": "b", "b/1.jpg": "a"}
    assert pairs({"orth/1.jpg": "a"}, ["north/1.jpg"])[1] == ["orth/1.jpg"]


def test_accents_match_in_both_ways_of_unicode_and_the_same_way_fits_best():
    composed, apart = "f\u00fcchse/1.jpg", "fu\u0308chse/1.jpg"
    assert pairs({composed: "a"}, [apart])[0] == {apart: "a"}
    assert pairs({apart: "a"}, [composed])[0] == {composed: "a"}
    assert pairs({apart.upper(): "a"}, [composed])[0] == {composed: "a"}
    assert pairs({composed: "a", apart: "b"}, [apart, composed])[0] == {composed: "a", apart: "b"}
    assert pairs({"\u00fc.jpg": "a"}, ["u\u0308.JPG"])[0] == {"u\u0308.JPG": "a"}


def test_what_is_ambiguous_is_one_error():
    with pytest.raises(
        InvalidParamError,
        match=r"match_labels: 1 label with several pictures: '1\.jpg fits a/1\.jpg and b/1\.jpg'",
    ):
        pairs({"1.jpg": "fox"}, ["a/1.jpg", "b/1.jpg"])
    with pytest.raises(
        InvalidParamError, match=r"1 picture with several rows of labels: '1\.jpg fits a/1\.jpg and b/1\.jpg'"
    ):
        pairs({"a/1.jpg": "fox", "b/1.jpg": "fox"}, ["1.jpg"])


def test_the_numbers_of_what_is_missing_are_shown():
    found = match_labels(pa.table({"file": ["1.jpg"], "label": ["fox"]}), [f"{i}.jpg" for i in range(9)])
    assert repr(found) == (
        "Matches(1 picture with a label, 0 labels without a picture, 8 pictures without a label: '0.jpg', '2.jpg', '3.jpg' and 5 "
        "more)"
    )


@pytest.mark.parametrize(
    ("pictures", "error", "message"),
    [
        (
            [],
            InvalidParamError,
            r"param `pictures` must be a folder or a list of paths that is not empty, got \[\]",
        ),
        (3, InvalidParamError, "that is not empty, got 3"),
        ([1], InvalidParamError, "got the item 1"),
        (["1.jpg", "1.jpg"], InvalidParamError, r"must have each path once; repeated: '1\.jpg'"),
        ("s3://bucket", InvalidParamError, "must be a local folder, got s3://bucket"),
        ("/none/at/all", IoError, "/none/at/all cannot be read: No such file or directory"),
    ],
)
def test_wrong_pictures_are_one_error(pictures, error, message):
    with pytest.raises(error, match=f"^match_labels: .*{message}"):
        pairs({"1.jpg": "fox"}, pictures)


def test_a_folder_without_pictures_is_an_error(tmp_path):
    with pytest.raises(InvalidParamError, match=r"there are no pictures in .* and below"):
        pairs({"1.jpg": "fox"}, tmp_path)
