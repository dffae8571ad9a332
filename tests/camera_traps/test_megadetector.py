"""Results of MegaDetector: read, written, read again, and what wrong files and tables get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.camera_traps import read_megadetector, write_megadetector
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, IoError, SchemaMismatchError

FOX = {"category": "1", "conf": 0.926, "bbox": [0.0, 0.2762, 0.1539, 0.2825]}
ANIMAL = {"label": "animal", "score": 0.926, "x": 0.0, "y": 0.2762, "width": 0.1539, "height": 0.2825}
NAMES = {"1": "animal", "2": "person", "3": "vehicle"}
IMAGES = [
    {"file": "a\\1.jpg", "detections": [FOX]},
    {"file": "a/2.jpg", "detections": [], "failure": None},
    {"file": "a/3.jpg", "detections": None, "failure": "Failure image access"},
]
DOCUMENT = {"info": {"format_version": "1.6"}, "detection_categories": NAMES, "images": IMAGES}


def read(folder: Path, document: Any) -> pa.Table:
    path = folder / "given.json"
    path.write_text(json.dumps(document))
    return read_megadetector(path)


def written(folder: Path, table: Any, **options: Any) -> Any:
    path = folder / "written.json"
    write_megadetector(table, path, **options)
    return json.loads(path.read_text())


def table(**columns: Any) -> pa.Table:
    return pa.table({"file": ["1.jpg"], "detections": [[ANIMAL]], **columns})


# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_failed_picture_is_not_an_empty_one(tmp_path):
    found = read(tmp_path, DOCUMENT)
    assert found.to_pylist() == [
        {"file": "a/1.jpg", "detections": [ANIMAL], "failure": None},
        {"file": "a/2.jpg", "detections": [], "failure": None},
        {"file": "a/3.jpg", "detections": None, "failure": "Failure image access"},
    ]


def test_a_failed_picture_with_an_empty_list_or_none_has_null_detections(tmp_path):
    images = [
        {"file": "1.jpg", "failure": "damaged", "detections": []},
        {"file": "2.jpg", "failure": "damaged"},
    ]
    assert read(tmp_path, {**DOCUMENT, "images": images})["detections"].to_pylist() == [None, None]


def test_classifications_are_a_member_if_the_file_has_classes(tmp_path):
    dog = {**FOX, "classifications": [["3", 0.9], ["1", 0.07]]}
    document = {
        **DOCUMENT,
        "classification_categories": {"1": "wolf", "3": "dog"},
        "images": [{"file": "1.jpg", "detections": [dog, FOX]}],
    }
    [first, second] = read(tmp_path, document)["detections"][0].as_py()
    assert first["classifications"] == [{"label": "dog", "score": 0.9}, {"label": "wolf", "score": 0.07}]
    assert second["classifications"] is None


def test_videos_have_their_frames(tmp_path):
    video = {
        "file": "1.mp4", "frame_rate": 20, "frames_processed": [0, 20], "detections": [{**FOX, "frame_number": 20}],
    }  # fmt: skip
    found = read(tmp_path, {**DOCUMENT, "images": [video, IMAGES[1]]})
    assert found["frame_rate"].to_pylist() == [20.0, None]
    assert found["frames_processed"].to_pylist() == [[0, 20], None]
    assert found["detections"][0][0]["frame_number"].as_py() == 20
    [again, _] = written(tmp_path, found)["images"]
    assert again == {**video, "frame_rate": 20.0}


def test_a_failed_video_has_no_frame_rate(tmp_path):
    video = {
        "file": "1.mp4",
        "frame_rate": -1.0,
        "frames_processed": [],
        "detections": None,
        "failure": "damaged",
    }
    found = read(tmp_path, {**DOCUMENT, "images": [video]})
    assert found["frame_rate"].to_pylist() == [None]
    assert written(tmp_path, found)["images"] == [video]


@pytest.mark.parametrize("version", ["1.0", "1.3", 1.4, "1.6", "1.7", 1])
def test_versions_of_the_first_generation_are_read(tmp_path, version):
    assert read(tmp_path, {**DOCUMENT, "info": {"format_version": version}}).num_rows == 3


@pytest.mark.parametrize("version", ["2.0", "0.9", 3])
def test_another_generation_is_refused(tmp_path, version):
    with pytest.raises(DecodeError, match=r"has version .* of the format; versions 1\.0 to 1\.6 can be read"):
        read(tmp_path, {**DOCUMENT, "info": {"format_version": version}})


def test_a_detection_of_no_category_counts_as_none_and_is_told(tmp_path):
    images = [{"file": "1.jpg", "detections": [{**FOX, "category": "9"}, {**FOX, "category": "0"}, FOX]}]
    with pytest.warns(
        UserWarning, match="1 detection of category '[90]', which the format counts as no"
    ) as told:
        found = read(
            tmp_path, {**DOCUMENT, "detection_categories": {**NAMES, "0": "empty"}, "images": images}
        )
    assert len(told) == 2
    assert found["detections"].to_pylist() == [[ANIMAL]]


def test_fields_that_are_not_read_are_told(tmp_path):
    images = [{**IMAGES[1], "exif": {}}, {**IMAGES[2], "exif": {}}]
    with pytest.warns(UserWarning, match=r"1 field not read: `images\.exif` \(2\)"):
        read(tmp_path, {**DOCUMENT, "images": images})


def image(**members: Any) -> Any:
    return {**DOCUMENT, "images": [IMAGES[1], {"file": "2.jpg", "detections": [FOX], **members}]}


def detection(**members: Any) -> Any:
    return image(detections=[FOX, {**FOX, **members}])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], r"must hold a JSON object, but holds \[\]"),
        ({}, "`info` must be an object, got None"),
        ({**DOCUMENT, "info": {}}, '`info.format_version` must be a version such as "1.6", got None'),
        ({**DOCUMENT, "info": {"format_version": "new"}}, "got 'new'"),
        ({**DOCUMENT, "detection_categories": None}, "`detection_categories` must be an object"),
        ({**DOCUMENT, "detection_categories": {"x": "fox"}}, "an id must be a whole number as a text, got 'x'"),
        ({**DOCUMENT, "detection_categories": {"1": " "}}, "category 1 must have a name"),
        ({**DOCUMENT, "images": {}}, "`images` must be a list"),
        ({**DOCUMENT, "images": ["1.jpg"]}, "item 0 must be an object, got '1.jpg'"),
        (image(file=""), "picture 1 has no `file`"),
        (image(file="a\\2.jpg"), r"picture 1 \('a/2.jpg'\): another picture has the same `file`"),
        (image(file="\ud800.jpg"), "column `file`"),
        (image(detections=None), r"picture 1 \('2.jpg'\) has neither `detections` nor a `failure`"),
        (image(failure="damaged"), "has both `detections` and a `failure`"),
        (image(failure=3), "`failure` must be a text, got 3"),
        (image(detections={}), "`detections` must be a list"),
        (image(frame_rate=-1), "`frame_rate` must be greater than 0, got -1"),
        (image(detections=[1]), "detection 0 must be an object"),
        (image(frames_processed=[-1]), "`frames_processed` must be a list of whole numbers"),
        (detection(conf=float("nan")), r"picture 1 \('2.jpg'\): score nan is not between 0 and 1"),
        (detection(conf=1.01), "score 1.01 is not between"),
        (detection(conf="0.5"), r"picture 1 \('2.jpg'\), detection 1: `conf` must be a number, got '0.5'"),
        (detection(conf=True), "`conf` must be a number, got True"),
        (detection(bbox=[0.9, 0, 0.2, 0.1]), "box x 0.9, y 0.0, width 0.2, height 0.1 is not inside the picture"),
        (detection(bbox=[0.9, 0, -0.2, 0.1]), "has a negative size"),
        (detection(bbox=[0.1, float("inf"), 0.2, 0.1]), "is not finite"),
        (detection(bbox=[0.1, 0.2, 0.1]), "`bbox` must be a list of 4 numbers"),
        (detection(bbox=[10**400, 0, 0, 0]), "`bbox` must be a number"),
        (detection(classifications=[["7", 0.5]]), "no category with the id '7'"),
        (detection(category=None), "has no `category`"),
    ],
)  # fmt: skip
def test_a_wrong_document_is_one_error(tmp_path, document, message):
    with pytest.raises(DecodeError, match=rf"(?s)^read_megadetector: .*given\.json: .*{message}"):
        read(tmp_path, document)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"), (b"{", "is not JSON"), (b"\xff", "is not UTF-8"), (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"images": [{"file": "1.jpg", "detections": [], "detections": null}]}', "object of '1.jpg' has the key 'detections' twice; keep"),
        (b'{"images": [], "info": {}, "images": []}', "^read_megadetector: [^:]*: an object has the key 'images' twice"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_document_are_one_error(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=message):
        read_megadetector(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(IoError, match=r"read_megadetector: .*none\.json cannot be read: No such file"):
        read_megadetector(tmp_path / "none.json")
    with pytest.raises(
        InvalidParamError, match=r"param `path` must be a local path, got s3://bucket/x\.json"
    ):
        read_megadetector("s3://bucket/x.json")
    with pytest.raises(InvalidParamError, match="read_megadetector: param `path` must be a path, got int 3"):
        read_megadetector(3)


# -- writing ----------------------------------------------------------------------------------------------------------


def test_the_file_says_what_other_tools_ask_for(tmp_path):
    document = written(tmp_path, table(), detector="model.onnx", typical_threshold=0.3)
    assert document["info"].pop("detection_completion_time")[:2] == "20"
    assert document["info"] == {
        "format_version": "1.6",
        "detector": "model.onnx",
        "detector_metadata": {"typical_detection_threshold": 0.3, "conservative_detection_threshold": 0.05},
    }
    assert document["detection_categories"] == NAMES
    assert document["images"] == [{"file": "1.jpg", "detections": [FOX]}]


def test_what_was_read_is_kept(tmp_path):
    info = {
        "format_version": "1.4", "detector": "md_v5a.0.0.pt", "detection_completion_time": "2026-05-26 19:11:27",
        "detector_metadata": {"megadetector_version": "v5a.0.0", "typical_detection_threshold": 0.8},
    }  # fmt: skip
    document = {**DOCUMENT, "info": info, "detection_categories": {"7": "animal", "9": "bird"}}
    document["images"] = [{"file": "1.jpg", "detections": [{**FOX, "category": "7"}]}]
    again = written(
        tmp_path, read(tmp_path, document), conservative_threshold=0.1, info={"classifier": "c.onnx"}
    )
    assert again["detection_categories"] == {"7": "animal", "9": "bird"}
    assert again["images"] == document["images"]
    metadata = {**info["detector_metadata"], "conservative_detection_threshold": 0.1}
    assert again["info"] == {
        **info,
        "format_version": "1.6",
        "classifier": "c.onnx",
        "detector_metadata": metadata,
    }


def test_labels_get_ids_in_the_order_that_is_given_or_after_the_usual_ones(tmp_path):
    lynx = table(detections=[[{**ANIMAL, "label": "lynx"}]])
    assert written(tmp_path, lynx)["detection_categories"] == {**NAMES, "4": "lynx"}
    assert (
        written(tmp_path, lynx, categories=["fox", "lynx"])["images"][0]["detections"][0]["category"] == "2"
    )
    assert written(tmp_path, lynx, categories={"12": "lynx"})["detection_categories"] == {"12": "lynx"}


def test_numbers_are_rounded_and_boxes_end_at_the_edge(tmp_path):
    rough = {
        "label": "animal",
        "score": 0.12345,
        "x": 0.500049,
        "y": -0.0004,
        "width": 0.5004,
        "height": 0.25,
    }
    [found] = written(tmp_path, table(detections=[[rough]]))["images"][0]["detections"]
    assert found["conf"] == 0.123
    assert found["bbox"] == [0.5, 0.0, 0.5, 0.2496]


def test_classes_are_written_best_first(tmp_path):
    ranked = [{"label": "wolf", "score": 0.1}, {"label": "dog", "score": 0.8765}]
    document = written(tmp_path, table(detections=[[{**ANIMAL, "classifications": ranked}]]))
    assert document["classification_categories"] == {"0": "dog", "1": "wolf"}
    assert document["images"][0]["detections"][0]["classifications"] == [["0", 0.876], ["1", 0.1]]


def test_paths_become_relative_with_forward_slashes(tmp_path):
    root = tmp_path / "cards"
    found = table(file=[f"file:{root}/north/1.jpg"])
    assert written(tmp_path, found, root=root)["images"][0]["file"] == "north/1.jpg"
    assert written(tmp_path, table(file=["north\\1.jpg"]))["images"][0]["file"] == "north/1.jpg"


def test_pandas_and_polars_frames_are_written_too(tmp_path):
    expected = written(tmp_path, table())["images"]
    assert written(tmp_path, table().to_pandas())["images"] == expected
    polars = pytest.importorskip("polars")
    assert written(tmp_path, polars.from_arrow(table()))["images"] == expected


@pytest.mark.spark
def test_a_frame_of_spark_is_collected(tmp_path, spark):
    frame = spark.createDataFrame(
        [("1.jpg", [ANIMAL]), ("2.jpg", [])],
        "file string, detections array<struct<label: string, score: float, x: float, y: float, width: float, height: float>>",
    )
    images = written(tmp_path, frame)["images"]
    assert {image["file"]: image["detections"] for image in images} == {"1.jpg": [FOX], "2.jpg": []}


def one(**members: Any) -> pa.Table:
    return table(detections=[[{**ANIMAL, **members}]])


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (table(detections=pa.array([None], pa.list_(pa.null()))), {}, r"row 0 \('1.jpg'\): `detections` is null, so the picture failed, and"),
        (table(failure=["damaged"]), {}, "has a `failure` 'damaged' and `detections`, which must be null"),
        (one(score=float("nan")), {}, r"row 0 \('1.jpg'\): score nan is not between 0 and 1"),
        (one(score=-0.1), {}, "score -0.1 is not between"),
        (one(score=None), {}, "`detections` has a null `score`"),
        (one(label=None), {}, "`detections` has a null `label`"),
        (one(x=0.9), {}, "is not inside the picture; coordinates are relative to it"),
        (one(x=0.9, width=-0.1), {}, "has a negative size"),
        (one(x=float("nan")), {}, "is not finite"),
        (one(label=" "), {}, "' ' is not the label of a detection"),
        (one(label="empty"), {}, "an empty picture has an empty list"),
        (one(label="lynx"), {"categories": ["fox"]}, "'lynx' is not one of param `categories`, 'fox'"),
        (one(classifications=[{"label": "a", "score": 2.0}]), {}, "`classifications` must have scores between 0 and 1"),
        (table(detections=[[ANIMAL, None]]), {}, "`detections` holds a null"),
        (table(file=["/cards/1.jpg"]), {}, "must be a relative path; pass the folder of the pictures as `root`"),
        (table(file=["C:\\cards\\1.jpg"]), {}, "must be a relative path"),
        (table(file=["/cards/1.jpg"]), {"root": "/other"}, "is not below `root`, /other/"),
        (table(file=["a/../1.jpg"]), {}, "must be a path to a file, without"),
        (table(file=[None]), {}, "`file` must be the name of a picture, got None"),
        (table(file=["1.mp4"]), {}, "a video needs `frame_rate`, `frames_processed`, and `frame_number`"),
        (table(frame_rate=[0.0]), {}, "`frame_rate` must be greater than 0"),
        (table(), {"categories": "animal"}, "param `categories` must be a list of labels"),
        (table(), {"categories": {"0": "empty"}}, "\"0\" means an empty picture"),
        (table(), {"categories": [""]}, "a label must be a text that is not blank"),
        (table(), {"categories": []}, "must have at least one label"),
        (table(), {"typical_threshold": 2}, "param `typical_threshold` must be a number from 0 to 1, got 2"),
        (table(), {"conservative_threshold": 0.5}, "param `conservative_threshold` must be at most `typical_threshold`"),
        (table(), {"detector": ""}, "param `detector` must be a name"),
        (table(), {"info": {"a": object()}}, "param `info` cannot be JSON"),
        (table(), {"info": 1}, "param `info` must be a dict"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_one_error_and_leaves_no_file(tmp_path, rows, options, message):
    with pytest.raises(InvalidParamError, match=f"^write_megadetector: .*{message}"):
        write_megadetector(rows, tmp_path / "x.json", **options)
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_listed_once(tmp_path):
    both = pa.concat_tables([table(), table()])
    with pytest.raises(InvalidParamError, match=r"a picture must have one row; repeated: '1\.jpg'"):
        written(tmp_path, both)
    alike = pa.concat_tables([table(file=["a/1.jpg"]), table(file=["a\\1.jpg"])])
    with pytest.raises(InvalidParamError, match=r"has the same path as row 0, 'a/1\.jpg'"):
        written(tmp_path, alike)


def test_a_missing_column_or_one_of_another_type_is_named(tmp_path):
    with pytest.raises(ColumnNotFoundError, match="write_megadetector: column `detections`: not found"):
        written(tmp_path, pa.table({"file": ["1.jpg"]}))
    with pytest.raises(
        SchemaMismatchError, match="column `detections` must be lists of detections, got string"
    ):
        written(tmp_path, table(detections=["x"]))
    with pytest.raises(
        SchemaMismatchError, match="must be lists of structs with label, score, x, y, width, height"
    ):
        written(tmp_path, table(detections=[[{"label": "fox"}]]))
    with pytest.raises(SchemaMismatchError, match="write_megadetector: cannot write a list"):
        written(tmp_path, [1])


def test_an_older_file_survives_an_error_and_is_replaced_by_a_complete_one(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("older")
    with pytest.raises(InvalidParamError):
        write_megadetector(one(x=0.9), path)
    assert path.read_text() == "older"
    write_megadetector(table(), path)
    assert read_megadetector(path).num_rows == 1
    with pytest.raises(IoError, match=r"write_megadetector: .*none/x\.json cannot be written"):
        write_megadetector(table(), tmp_path / "none" / "x.json")


# -- round trips ------------------------------------------------------------------------------------------------------

CLASSES = ["wolf", "dog", "größer"]


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A document as MegaDetector writes it."""

    def share(decimals: int, most: float = 1.0) -> float:
        return draw(st.integers(0, int(most * 10**decimals + 0.5))) / 10**decimals

    def found() -> Any:
        x, y = share(4), share(4)
        one = {
            "category": draw(st.sampled_from(list(NAMES))), "conf": share(3), "bbox": [x, y, share(4, 1 - x), share(4, 1 - y)],
        }  # fmt: skip
        if draw(st.booleans()):
            ranked = draw(st.permutations(["0", "1", "2"]))[: draw(st.integers(0, 3))]
            scores = sorted((share(3) for _ in ranked), reverse=True)
            one["classifications"] = [list(pair) for pair in zip(ranked, scores, strict=True)]
        return one

    images = []
    for number in range(draw(st.integers(0, 6))):
        file = f"{draw(st.sampled_from(['a', 'b/ü', '日本']))}/{number}.jpg"
        if draw(st.integers(0, 3)) == 0:
            images.append(
                {"file": file, "detections": None, "failure": draw(st.sampled_from(["Failure", 'é\n"']))}
            )
        else:
            images.append({"file": file, "detections": [found() for _ in range(draw(st.integers(0, 3)))]})
    info = {
        "detection_completion_time": "2026-05-26 19:11:27", "format_version": "1.6", "detector": "d",
        "detector_metadata": {"typical_detection_threshold": 0.2, "conservative_detection_threshold": 0.05},
    }  # fmt: skip
    return {
        "info": info, "detection_categories": NAMES,
        "classification_categories": dict(zip("012", CLASSES, strict=True)), "images": images,
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(document=documents())
def test_a_document_that_is_read_and_written_is_the_same(document, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    found = read(folder, document)
    assert written(folder, found) == document
    assert read_megadetector(folder / "written.json").equals(found, check_metadata=True)
