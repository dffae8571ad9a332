"""COCO Camera Traps: read, written, read again, and what wrong files and tables get."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.camera_traps import _documents, read_coco, write_coco
from mmlrs.camera_traps._times import camera_time
from mmlrs.errors import (
    ColumnNotFoundError,
    DecodeError,
    InvalidParamError,
    LimitExceededError,
    SchemaMismatchError,
)

CATEGORIES = [{"id": 0, "name": "empty"}, {"id": 2, "name": "fox"}, {"id": 5, "name": "hare"}]
SIZE = {"width": 200, "height": 100}


def image(number: int = 1, **members: Any) -> Any:
    return {"id": str(number), "file_name": f"{number}.jpg", **SIZE, **members}


def mark(picture: int = 1, category: int = 2, **members: Any) -> Any:
    return {"id": "a", "image_id": str(picture), "category_id": category, **members}


def read(folder: Path, images: Any, annotations: Any = (), categories: Any = CATEGORIES) -> pa.Table:
    path = folder / "given.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return read_coco(path)


def again(folder: Path, table: Any, **options: Any) -> pa.Table:
    path = folder / "written.json"
    write_coco(table, path, **options)
    return read_coco(path)


# -- reading ----------------------------------------------------------------------------------------------------------


def test_every_field_of_a_picture_has_a_column(tmp_path):
    picture = image(
        datetime="2022-12-31 09:52:50", location=7, seq_id="s", seq_num_frames=3, frame_num=0, corrupt=True
    )
    [row] = read(tmp_path, [picture]).to_pylist()
    assert row == {
        "file": "1.jpg", "width": 200, "height": 100, "time": datetime.fromisoformat("2022-12-31 09:52:50"), "time_text": None,
        "location": "7", "sequence": "s", "frame": 0, "frames": 3, "corrupt": True, "labels": None,
        "sequence_labels": None, "boxes": None,
    }  # fmt: skip


def test_an_unlabelled_picture_is_not_an_empty_one(tmp_path):
    found = read(tmp_path, [image(1), image(2), image(3)], [mark(2, 0), mark(3, 2), mark(3, 5), mark(3, 2)])
    assert found["labels"].to_pylist() == [None, [], ["fox", "hare"]]
    assert found["boxes"].to_pylist() == [None, [], None]


def test_boxes_become_relative(tmp_path):
    box = {"label": "fox", "x": 0.1, "y": 0.2, "width": 0.25, "height": 0.5}
    marks = [mark(bbox=[20, 20, 50, 50]), mark(bbox_relative=[0.1, 0.2, 0.25, 0.5])]
    assert read(tmp_path, [image()], marks)["boxes"].to_pylist() == [[box, box]]


def test_what_is_known_of_the_sequence_only_is_told_apart(tmp_path):
    whole = {"sequence_level_annotation": True}
    marks = [mark(1, 0, **whole), mark(2, 2, **whole), mark(2, 5), mark(3, 2, **whole), mark(3, 2)]
    found = read(tmp_path, [image(1), image(2), image(3)], marks)
    assert found["labels"].to_pylist() == [[], ["fox", "hare"], ["fox"]]
    assert found["sequence_labels"].to_pylist() == [[], ["fox"], None]


def test_a_picture_that_is_empty_and_not_has_both_labels(tmp_path):
    assert read(tmp_path, [image()], [mark(1, 0), mark(1, 2)])["labels"].to_pylist() == [["empty", "fox"]]


@pytest.mark.parametrize(
    ("category", "labels"),
    [
        ({"id": 9, "name": "Empty"}, []), ({"id": 0, "name": "Blank"}, []), ({"id": 0, "name": "false_trigger"}, []),
        ({"id": 9, "name": "blank"}, ["blank"]), ({"id": 0, "name": "deer"}, ["deer"]),
    ],
)  # fmt: skip
def test_which_category_means_empty(tmp_path, category, labels):
    found = read(tmp_path, [image()], [mark(1, category["id"])], [category])
    assert found["labels"].to_pylist() == [labels]
    assert again(tmp_path, found).equals(found)


@pytest.mark.parametrize("labels", [["Empty"], ["EMPTY", "fox"], [" empty"], ["empty"]])
def test_a_label_that_means_no_animal_is_an_error_in_place_of_an_empty_picture(tmp_path, labels):
    with pytest.raises(InvalidParamError, match=r"row 0 \('1'\): the label .* has an empty list of labels"):
        write_coco(pa.table({"file": ["1"], "labels": [labels]}), tmp_path / "x.json")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2022-12-31 09:52:50", datetime.fromisoformat("2022-12-31 09:52:50")),
        ("2022:12:31 09:52:50", datetime.fromisoformat("2022-12-31 09:52:50")),
        ("2022-12-31T09:52:50.25Z", datetime.fromisoformat("2022-12-31 09:52:50.250000")),
        ("2022-12-31 09:52", datetime.fromisoformat("2022-12-31 09:52:00")),
        ("0000-00-00 00:00:00", None),
        ("2099-01-01 00:00:00", None),
        ("1980-01-01 00:00:00", None),
        ("2022-02-30 00:00:00", None),
        ("31.12.2022", None),
    ],
)
def test_an_invalid_time_is_null_and_its_text_is_kept(tmp_path, text, time):
    found = read(tmp_path, [image(datetime=text)])
    assert found["time"].to_pylist() == [time]
    assert found["time_text"].to_pylist() == [None if text == "2022-12-31 09:52:50" else text]
    assert again(tmp_path, found).equals(found)


def test_a_time_may_be_a_day_ahead_but_not_more():
    now = datetime.fromisoformat("2024-05-01 00:00:00")
    assert camera_time("2024-05-01 23:00:00", now) is not None
    assert camera_time("2024-05-02 00:00:01", now) is None


def test_sizes_that_say_nothing_are_null(tmp_path):
    found = read(
        tmp_path, [image(1, width=-1, height=-1), image(2, width=0, height=None), image(3, width=640.0)]
    )
    assert found["width"].to_pylist() == [None, None, 640]
    assert found["height"].to_pylist() == [None, None, 100]


def test_fields_that_are_not_read_are_told(tmp_path):
    with pytest.warns(
        UserWarning, match=r"2 fields not read: `annotations\.count` \(1\), `images\.rights_holder` \(2\)"
    ):
        read(tmp_path, [image(1, rights_holder="x"), image(2, rights_holder="x")], [mark(count=2)])


@pytest.mark.parametrize(
    ("images", "annotations", "categories", "message"),
    [
        ({}, [], CATEGORIES, "`images` must be a list"),
        ([{"id": "1"}], [], CATEGORIES, "picture 0 has no `file_name`"),
        ([{"file_name": "1.jpg"}], [], CATEGORIES, r"picture 0 \('1.jpg'\) has no `id`"),
        ([image(), {**image(), "id": "2"}], [], CATEGORIES, "another picture has the same `file_name`"),
        ([image(), {**image(), "file_name": "2.jpg"}], [], CATEGORIES, "another picture has the same `id`"),
        ([image(width="x")], [], CATEGORIES, "`width` must be a whole number of 32 bits, got 'x'"),
        ([image(width=2**40)], [], CATEGORIES, "`width` must be a whole number of 32 bits"),
        ([image(location=1.5)], [], CATEGORIES, "`location` must be a text or a whole number, got 1.5"),
        ([image(corrupt="no")], [], CATEGORIES, "`corrupt` must be true or false"),
        ([image(location="\ud800")], [], CATEGORIES, "column `location`"),
        ([image()], [mark(7)], CATEGORIES, "annotations are of pictures that the file does not have: '7'"),
        ([image()], [mark(1, 9)], CATEGORIES, "annotation 0: `categories` has no category with the id 9"),
        ([image()], [mark(1, "fox")], CATEGORIES, "`category_id` must be a whole number"),
        ([image()], [mark(bbox=[1, 2, 3])], CATEGORIES, "`bbox` must be a list of 4 numbers"),
        ([image()], [mark(bbox=[1, 2, -3, 4])], CATEGORIES, r"picture 0 \('1.jpg'\): box .* has a negative size"),
        ([image()], [mark(bbox=[1, 2, float("nan"), 4])], CATEGORIES, "is not finite"),
        ([image(width=None)], [mark(bbox=[1, 2, 3, 4])], CATEGORIES, "needs the `width` and `height` of its picture, '1.jpg'"),
        ([image()], [mark(sequence_level_annotation=1)], CATEGORIES, "`sequence_level_annotation` must be true or false"),
        ([], [], [{"id": 1}], "category 0 must have an `id` and a `name`"),
        ([], [], [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], "another category has the id 1"),
    ],
)  # fmt: skip
def test_a_wrong_document_is_one_error(tmp_path, images, annotations, categories, message):
    with pytest.raises(DecodeError, match=rf"(?s)^read_coco: .*given\.json: .*{message}"):
        read(tmp_path, images, annotations, categories)


def test_a_file_beyond_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(_documents, "MAX_FILE_BYTES", 10)
    with pytest.raises(
        LimitExceededError, match=r"read_coco: .*given\.json has \d+ bytes, more than the limit of 10"
    ):
        read(tmp_path, [])


# -- writing ----------------------------------------------------------------------------------------------------------


def test_labels_come_from_boxes_without_a_column_of_labels(tmp_path):
    boxes = [[{"label": "fox", "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}], [], None]
    found = again(tmp_path, pa.table({"file": ["1", "2", "3"], "boxes": boxes}))
    assert found["labels"].to_pylist() == [["fox"], [], None]
    assert found["boxes"].to_pylist() == boxes


def test_the_file_is_in_pixels_and_ids_are_kept(tmp_path):
    found = read(tmp_path, [image()], [mark(bbox=[20, 20, 50, 50])])
    new = found.set_column(found.column_names.index("labels"), "labels", pa.array([["cat", "fox"]]))
    again(tmp_path, new, info={"version": "2"})
    document = json.loads((tmp_path / "written.json").read_text())
    assert document["info"] == {"version": "2"}
    assert document["categories"] == [*CATEGORIES, {"id": 6, "name": "cat"}]
    assert document["images"] == [{"id": "1.jpg", "file_name": "1.jpg", **SIZE}]
    assert document["annotations"] == [
        {"id": "0", "image_id": "1.jpg", "category_id": 2, "bbox": [20, 20, 50, 50]},
        {"id": "1", "image_id": "1.jpg", "category_id": 6},
    ]


def test_times_with_a_zone_are_the_time_of_the_clock_and_pandas_has_its_own_nulls(tmp_path):
    times = pa.array(
        [datetime.fromisoformat("2022-07-01 10:00:00"), None], pa.timestamp("ms", "Europe/Paris")
    )
    table = pa.table(
        {
            "file": ["1", "2"],
            "time": times,
            "width": [640, None],
            "height": [480, None],
            "labels": [["fox"], None],
        }
    )
    for one in (table, table.to_pandas()):
        found = again(tmp_path, one)
        assert found["time"].to_pylist() == [datetime.fromisoformat("2022-07-01 12:00:00"), None]
        assert found["width"].to_pylist() == [640, None]
        assert found["labels"].to_pylist() == [["fox"], None]


BOX = {"label": "fox", "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"labels": [[" "]]}, InvalidParamError, r"row 0 \('1'\): a label must not be blank"),
        ({"labels": [["fox", None]]}, InvalidParamError, "`labels` holds a null; it must hold strings"),
        ({"labels": [["hare"]], "boxes": [[BOX]]}, InvalidParamError, "a box has the label 'fox', which is not one of `labels`"),
        ({"boxes": [[{**BOX, "width": -1.0}]]}, InvalidParamError, "has a negative size"),
        ({"boxes": [[{**BOX, "x": float("inf")}]]}, InvalidParamError, "is not finite"),
        ({"labels": [["fox"]], "sequence_labels": [["hare"]]}, InvalidParamError, "`sequence_labels` .* are not all in `labels`"),
        ({"labels": ["fox"]}, SchemaMismatchError, "column `labels` must be lists of strings, got string"),
        ({"labels": [[1]]}, SchemaMismatchError, "column `labels` must be strings, got int64"),
        ({"time": ["2022"]}, SchemaMismatchError, "column `time` must be times, got string"),
        ({"width": [2**40]}, SchemaMismatchError, "column `width` must be whole numbers: "),
        ({"width": [640]}, InvalidParamError, "`width` and `height` must be greater than 0, or both null, got 640 and None"),
        ({"corrupt": [1]}, SchemaMismatchError, "column `corrupt` must be booleans, got int64"),
        ({"file": [" "]}, InvalidParamError, "`file` must be the name of a picture, got ' '"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_one_error(tmp_path, columns, error, message):
    with pytest.raises(error, match=f"^write_coco: .*{message}"):
        again(tmp_path, pa.table({"file": ["1"], **columns}))
    assert list(tmp_path.iterdir()) == []


def test_a_table_needs_files(tmp_path):
    with pytest.raises(ColumnNotFoundError, match="write_coco: column `file`: not found"):
        again(tmp_path, pa.table({"labels": [["fox"]]}))


def test_metadata_of_something_else_are_not_used(tmp_path):
    for kept in (b"{", b"[]", b'{"categories": [1, {"id": "x"}], "info": null}'):
        table = pa.table({"file": ["1"], "labels": [["fox"]]}).replace_schema_metadata({b"mmlrs.coco": kept})
        assert again(tmp_path, table)["labels"].to_pylist() == [["fox"]]


# -- round trips ------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda text: text.strip() and text.casefold().strip() != "empty"
)
TIMES = st.datetimes(datetime.fromisoformat("1990-01-01 00:00:00"), datetime.fromisoformat("2026-01-01"))
SHARE = st.floats(-0.5, 1.5, allow_nan=False)
SIZES = st.none() | st.integers(1, 10_000)


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 5))):
        labels = draw(st.none() | st.lists(TEXTS | st.just("fox"), max_size=3, unique=True).map(sorted))
        boxed = draw(st.lists(st.sampled_from(labels), max_size=3)) if labels else []
        boxes: Any = [
            {
                "label": label,
                "x": draw(SHARE),
                "y": draw(SHARE),
                "width": abs(draw(SHARE)),
                "height": abs(draw(SHARE)),
            }
            for label in boxed
        ]
        of_sequence: Any = (
            draw(st.lists(st.sampled_from(labels), unique=True).map(sorted)) or None if labels else None
        )
        if labels == []:
            of_sequence = draw(st.none() | st.just([]))
        found.append(
            {
                "file": f"{draw(TEXTS)}{number}", "width": (size := draw(SIZES)), "height": size and draw(st.integers(1, 10_000)),
                "time": draw(st.none() | TIMES), "time_text": None, "location": draw(st.none() | TEXTS),
                "sequence": draw(st.none() | TEXTS), "frame": draw(SIZES), "frames": draw(SIZES),
                "corrupt": draw(st.booleans()), "labels": labels, "sequence_labels": of_sequence,
                "boxes": [] if labels == [] else boxes or None,
            }
        )  # fmt: skip
    return found


@settings(max_examples=80, deadline=None)
@given(rows=rows())
def test_a_table_that_is_written_and_read_is_the_same(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    schema = read(folder, []).schema.remove_metadata()
    table = pa.Table.from_pylist(rows, schema)
    found = again(folder, table)
    assert found.equals(table)
    assert again(folder, found).equals(found, check_metadata=True)
