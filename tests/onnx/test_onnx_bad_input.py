"""What `ONNXModel` says about bad models, params, columns and rows."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap

import networks
import numpy as np
import onnx
import pyarrow as pa
import pytest
from networks import network, node, value
from onnx import TensorProto

from mmlrs.errors import (
    ColumnNotFoundError,
    DecodeError,
    ExecutionError,
    InvalidParamError,
    IoError,
    MmlrsError,
    ModelLoadError,
    SchemaMismatchError,
)
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_model

ROW = [1.0, 2.0, 3.0, 4.0]
TABLE = pa.table({"x": [ROW, ROW]})


def stage(**params) -> ONNXModel:
    return ONNXModel(**{"model": networks.linear(), "inputCol": "x", "outputCol": "y", **params})


# -- models -----------------------------------------------------------------------------------------------------------


def test_a_missing_model_file_is_named(tmp_path):
    with pytest.raises(IoError, match=r"^ONNXModel: .*/none\.onnx: ") as error:
        stage(model=tmp_path / "none.onnx").transform(TABLE)
    assert isinstance(error.value, OSError)


def test_a_folder_is_not_a_model(tmp_path):
    with pytest.raises(ModelLoadError, match="is a folder; a model is an ONNX file"):
        stage(model=tmp_path).transform(TABLE)


@pytest.mark.parametrize("keep", [0, 1, 10, 0.3, 0.5, 0.9])
def test_a_truncated_model_is_one_clear_error(keep, tmp_path):
    content = networks.linear(40, 30).SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ModelLoadError, match=r"^ONNXModel: .*model\.onnx.*(empty|not an ONNX model)"):
        stage(model=path).transform(TABLE)


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n", b"{}", b"PK\x03\x04" * 50, b"\x00" * 400, bytes(range(256))]
)
def test_bytes_that_are_no_model_are_one_clear_error(content):
    with pytest.raises(ModelLoadError, match="ONNX model"):
        stage(model=content).transform(TABLE)


def test_a_model_that_onnxruntime_refuses_is_one_clear_error():
    model = network([node("NoSuchOperator", ["x"], ["y"])], [value("x", ["N", 4])], [value("y", ["N", 4])])
    with pytest.raises(
        ModelLoadError, match=r"ONNXModel: ONNX Runtime cannot load the model: .*NoSuchOperator"
    ):
        stage(model=model).transform(TABLE)


def test_a_model_must_be_given():
    with pytest.raises(InvalidParamError, match="ONNXModel: param `model` must be set"):
        ONNXModel(inputCol="x", outputCol="y").transform(TABLE)


def test_an_output_without_a_column_form_is_one_clear_error():
    split = node("SplitToSequence", ["x"], ["parts"], axis=1)
    kind = onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    model = network([split], [value("x", ["N", 4])], [onnx.helper.make_value_info("parts", kind)])
    with pytest.raises(ModelLoadError, match=r"output `parts` is a sequence.*, which no column can hold"):
        stage(model=model).transform(TABLE)


def test_an_output_that_is_not_one_row_per_row_is_one_clear_error():
    model = network(
        [node("ReduceSum", ["x"], ["y"], keepdims=1)], [value("x", ["N", 4])], [value("y", [1, 1])]
    )
    with pytest.raises(ExecutionError, match=r"ONNXModel: output `y` has shape \[1, 1\] for 2 rows"):
        stage(model=model).transform(TABLE)


# -- feedDict, fetchDict and the other params -------------------------------------------------------------------------


def test_a_feed_dict_the_wrong_way_round_is_told_which_way():
    with pytest.raises(InvalidParamError) as error:
        ONNXModel(model=networks.linear(), feedDict={"numbers": "x"}).transform(pa.table({"numbers": [ROW]}))
    assert str(error.value) == (
        "ONNXModel: param `feedDict` maps model input -> column, but `x` is an input of the model and `numbers` is not; "
        'write {"x": "numbers"}'
    )


def test_a_fetch_dict_the_wrong_way_round_is_told_which_way():
    with pytest.raises(InvalidParamError) as error:
        ONNXModel(model=networks.linear(), inputCol="x", fetchDict={"y": "scores"}).transform(TABLE)
    assert str(error.value) == (
        "ONNXModel: param `fetchDict` maps new column -> model output, but `y` is an output of the model and `scores` is "
        'not; write {"scores": "y"}'
    )


def test_an_empty_fetch_dict_is_refused():
    with pytest.raises(
        InvalidParamError, match=r"^ONNXModel: param `fetchDict` is empty.*outputs `y`, or leave it unset"
    ):
        stage(outputCol=None, fetchDict={}).transform(TABLE)


@pytest.mark.parametrize("name", ["FLOAT8E4M3FN", "FLOAT8E5M2", "UINT4", "INT4", "FLOAT4E2M1", "COMPLEX64"])
def test_an_element_type_that_cannot_be_read_goes_by_its_onnx_name(name):
    kind = TensorProto.DataType.Value(name)
    model = network(
        [node("Identity", ["x"], ["y"])], [value("x", ["N", 4], kind)], [value("y", ["N", 4], kind)]
    )
    model.ir_version, model.opset_import[0].version = 11, 23
    with pytest.raises(MmlrsError, match=rf"^ONNXModel: .*`[xy]`,? .*{name}") as error:
        stage(model=model).transform(TABLE)
    assert "ONNX type" not in str(error.value)


# -- tensors of unknown rank ------------------------------------------------------------------------------------------


def of_unknown_rank(operation: onnx.NodeProto) -> onnx.ModelProto:
    return network([operation], [value("x", None)], [value("y", None)])


def test_tensors_of_unknown_rank_take_their_shape_from_the_data():
    model = of_unknown_rank(node("Identity", ["x"], ["y"]))
    cubes = np.arange(24.0).reshape(2, 3, 2, 2).tolist()
    for cells in ([1.0, 2.0], [ROW, ROW], cubes):
        made = {
            form: ONNXModel(model=model, outputType=form).transform(pa.table({"x": cells}))["y"].to_pylist()
            for form in ("array", "vector", "tensor")
        }
        assert made["array"] == cells
        assert made["vector"] == [np.ravel(cell).tolist() for cell in cells]
        assert [cell["shape"] for cell in made["tensor"]] == [list(np.shape(cell)) for cell in cells]


def test_an_output_whose_rank_no_trial_tells_names_the_output_types_that_work():
    model = of_unknown_rank(node("Identity", ["x"], ["y"]))
    tensors = ONNXModel(model=model, outputType="tensor").transform(pa.table({"x": [ROW]})).select(["y"])
    again = ONNXModel(model=model, inputCol="y", outputCol="z")
    with pytest.raises(
        ModelLoadError, match=r'rank of output `y` is not known .* outputType "vector" or "tensor"'
    ):
        again.transform(tensors)
    assert again.setOutputType("vector").transform(tensors)["z"].to_pylist() == [ROW]


@pytest.mark.parametrize("param", ["softMaxDict", "argMaxDict"])
def test_a_softmax_or_argmax_dict_the_wrong_way_round_is_told_which_way(param):
    with pytest.raises(
        InvalidParamError, match=rf'`{param}` maps output column -> new column.*write \{{"y": "best"\}}'
    ):
        stage(**{param: {"best": "y"}}).transform(TABLE)


def test_an_unknown_tensor_lists_outputs_and_near_names():
    with pytest.raises(
        ModelLoadError, match=r"no tensor `hiden`; its outputs are `y`, .*similar names are `hidden`"
    ):
        stage(outputCol=None, fetchDict={"h": "hiden"}).transform(TABLE)


def test_an_unknown_model_input_lists_the_inputs():
    with pytest.raises(
        InvalidParamError, match="names `z`, which is not an input of the model; its inputs are `x`"
    ):
        stage(inputCol=None, feedDict={"z": "a"}).transform(pa.table({"a": [ROW]}))


def test_an_input_that_nothing_feeds_is_named():
    model = network(
        [node("Add", ["a", "b"], ["y"])], [value("a", ["N", 4]), value("b", ["N", 4])], [value("y", ["N", 4])]
    )
    with pytest.raises(InvalidParamError, match=r"`feedDict` lacks the model input `b`, a float32\[N, 4\]"):
        ONNXModel(model=model, feedDict={"a": "x"}).transform(TABLE)
    with pytest.raises(
        InvalidParamError,
        match="`inputCol` needs a model with one input, got `a`, `b`; use feedDict",
    ):
        stage(model=model).transform(TABLE)


def test_a_dict_and_a_column_param_for_the_same_thing_are_refused():
    with pytest.raises(InvalidParamError, match="`inputCol` cannot be set together with feedDict"):
        stage(feedDict={"x": "x"}).transform(TABLE)
    with pytest.raises(InvalidParamError, match="`outputCol` cannot be set together with fetchDict"):
        stage(fetchDict={"a": "y"}).transform(TABLE)


def test_two_columns_of_the_same_name_are_refused():
    with pytest.raises(InvalidParamError, match="`softMaxDict` names the new column `y` a second time"):
        stage(softMaxDict={"y": "y"}).transform(TABLE)
    with pytest.raises(SchemaMismatchError, match="ONNXModel: column `y`: would be written twice"):
        stage(handleInvalid="keep", errorCol="y").transform(TABLE)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"miniBatchSize": 0}, "param `miniBatchSize` must be at least 1, got 0"),
        ({"intraOpThreads": -1}, "param `intraOpThreads` must be between 0 and 1024, got -1"),
        ({"device": "gpu"}, 'param `device` must be "auto", "cpu", "cuda" or "cuda:N", got "gpu"'),
        ({"outputType": "list"}, 'param `outputType` must be one of "array", "vector", "tensor", got "list"'),
        (
            {"handleInvalid": "drop"},
            'param `handleInvalid` must be one of "error", "skip", "keep", got "drop"',
        ),
    ],
)
def test_a_value_outside_its_range_is_told_with_the_range(params, words):
    with pytest.raises(InvalidParamError, match="ONNXModel: " + words):
        stage(**params).transform(TABLE)


def test_cuda_that_is_not_there_is_an_error_that_says_what_to_do():
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has a GPU runtime")
    for device in ("cuda", "cuda:1"):
        with pytest.raises(
            ModelLoadError, match=r'ONNXModel: device "cuda" is not available: .*onnxruntime-gpu'
        ):
            stage(device=device).transform(TABLE)
    assert stage(device="auto").transform(TABLE).num_rows == 2


def test_a_missing_onnxruntime_package_is_one_clear_error():
    program = """
        import sys

        sys.modules["onnxruntime"] = None  # as if it were not installed
        import pyarrow as pa
        from mmlrs.errors import ModelLoadError
        from mmlrs.onnx import ONNXModel
        from mmlrs.testing import sample_model

        stage = ONNXModel(model=sample_model(), inputCol="x")
        print(stage.model_inputs()[0]["name"])
        try:
            stage.transform(pa.table({"x": [[0.0, 1.0, 2.0, 3.0]]}))
        except ModelLoadError as error:
            print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    name, message = done.stdout.strip().split("\n")
    assert name == "x", "what a model reads is told without the runtime"
    assert message.startswith("ONNXModel: ")
    assert "onnxruntime is not installed: pip install onnxruntime" in message


# -- columns ----------------------------------------------------------------------------------------------------------


def test_a_missing_input_column_is_named_with_what_there_is():
    with pytest.raises(
        ColumnNotFoundError, match="ONNXModel: column `x`: not found; the columns are `a`, `b`"
    ):
        stage().transform(pa.table({"a": [1], "b": [2]}))
    with pytest.raises(KeyError):
        stage().transform(pa.table({"a": [1]}))


def test_an_output_column_that_exists_is_named():
    with pytest.raises(SchemaMismatchError, match="ONNXModel: column `y` already exists"):
        stage().transform(pa.table({"x": [ROW], "y": [1]}))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["one"], "cannot feed input `x`, a float32"),
        ([["a", "b", "c", "d"]], "cannot feed input `x`, a float32"),
        ([{"a": 1}], "ONNXModel reads number, string, vector, array, tensor"),
        ([b"1234"], "ONNXModel reads number, string, vector, array, tensor"),
    ],
)
def test_a_column_of_the_wrong_type_names_what_is_read(cells, words):
    with pytest.raises(SchemaMismatchError, match=rf"ONNXModel: column `x`: .*{words}"):
        stage().transform(pa.table({"x": cells}))


@pytest.mark.parametrize("policy", ["error", "skip", "keep"])
@pytest.mark.parametrize("cells", [[1.0, 2.0], [1, None], [True, False]])
def test_a_column_of_numbers_for_an_input_of_vectors_is_an_error_of_the_column(cells, policy):
    words = r"has shape \[\], which does not fit the row shape \[4\] of input `x`"
    with pytest.raises(
        SchemaMismatchError, match=f"ONNXModel: column `x`: has type .*, and so every row {words}"
    ):
        stage(handleInvalid=policy).transform(pa.table({"x": cells}))


def test_a_column_of_nulls_holds_no_numbers():
    nulls = pa.table({"x": pa.array([None, None], pa.float32())})
    assert stage(handleInvalid="keep").transform(nulls)["y"].null_count == 2


def test_an_image_column_points_to_the_image_stages():
    from mmlrs.image import ImageTransformer
    from mmlrs.testing import sample_image

    images = ImageTransformer(outputCol="x").transform(pa.table({"image": [sample_image()]}))
    with pytest.raises(SchemaMismatchError, match="holds images; use ImageFeaturizer"):
        stage(inputCol=None, feedDict={"x": "x"}).transform(images)


def test_a_wrong_type_is_told_before_any_row_is_read():
    with pytest.raises(SchemaMismatchError):
        stage().transform(pa.table({"x": pa.array([], pa.string())}))


# -- rows -------------------------------------------------------------------------------------------------------------

BAD_ROWS = {
    "null": (None, "is null"),
    "null inside": ([1.0, None, 3.0, 4.0], "holds a null"),
    "too short": ([1.0, 2.0, 3.0], r"has shape \[3\], which does not fit the row shape \[4\] of input `x`"),
    "too long": ([1.0] * 5, r"has shape \[5\], which does not fit the row shape \[4\] of input `x`"),
    "empty": ([], r"has shape \[0\], which does not fit the row shape \[4\] of input `x`"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_one_clear_error_by_default(kind):
    bad, reason = BAD_ROWS[kind]
    with pytest.raises(
        DecodeError, match=f"^ONNXModel: column `x`, row 1 of the table: {reason}; handleInvalid=.*$"
    ):
        stage().transform(pa.table({"x": [ROW, bad, ROW]}))


@pytest.mark.parametrize("form", ["array", "vector", "tensor"])
@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_null_with_its_reason_under_keep(kind, form):
    bad, reason = BAD_ROWS[kind]
    keeping = stage(
        handleInvalid="keep",
        errorCol="why",
        outputType=form,
        softMaxDict={"y": "p"},
        argMaxDict={"y": "best"},
    )
    made = keeping.transform(pa.table({"x": [ROW, bad, ROW]}))
    good = stage(outputType=form).transform(pa.table({"x": [ROW]}))["y"][0].as_py()
    assert made["y"].to_pylist() == [good, None, good]
    assert made["p"].null_count == made["best"].null_count == 1
    first, why, last = made["why"].to_pylist()
    assert (first, last) == (None, None)
    assert re.search(reason, why)


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_dropped_under_skip(kind):
    bad, _ = BAD_ROWS[kind]
    made = stage(handleInvalid="skip", errorCol="why").transform(
        pa.table({"x": [ROW, bad, ROW], "i": [0, 1, 2]})
    )
    assert made["i"].to_pylist() == [0, 2]
    assert made["why"].to_pylist() == [None, None]


def test_a_ragged_row_is_told_so():
    model = network([node("Abs", ["x"], ["y"])], [value("x", ["N", "A", "B"])], [value("y", ["N", "A", "B"])])
    with pytest.raises(DecodeError, match="row 0 of the table: is ragged: it has arrays of length 1 and 2"):
        stage(model=model).transform(pa.table({"x": [[[1.0], [1.0, 2.0]]]}))


def test_a_number_that_does_not_fit_the_element_type_is_a_bad_row():
    model = network(
        [node("Identity", ["x"], ["y"])],
        [value("x", ["N"], TensorProto.INT8)],
        [value("y", ["N"], TensorProto.INT8)],
    )
    made = stage(model=model, handleInvalid="keep", errorCol="why").transform(pa.table({"x": [1, 1000, -5]}))
    assert made["y"].to_pylist() == [1, None, -5]
    assert made["why"].to_pylist() == [None, "holds 1000, which int8 cannot hold", None]


@pytest.mark.parametrize(
    ("kind", "values", "name", "lost"),
    [
        (TensorProto.INT64, [2.0, 2.5, float("nan")], "int64", {1: "2.5", 2: "NaN"}),
        (TensorProto.BOOL, [2.0, 0.0, float("nan")], "bool", {2: "NaN"}),
        (TensorProto.FLOAT16, [2.0, 2.0**40, float("inf")], "float16", {1: "1099511627776.0"}),
        (TensorProto.FLOAT, [2.0, 1e300, float("nan")], "float32", {1: "1e300"}),
    ],
)
def test_a_number_is_never_cut_to_fit_the_element_type(kind, values, name, lost):
    model = network(
        [node("Identity", ["x"], ["y"])],
        [value("x", ["N"], kind)],
        [value("y", ["N"], kind)],
    )
    tensors = [{"dtype": "float64", "shape": [], "data": np.float64(number).tobytes()} for number in values]
    for column in (values, tensors):
        made = stage(model=model, handleInvalid="keep", errorCol="why").transform(pa.table({"x": column}))
        assert {row: why for row, why in enumerate(made["why"].to_pylist()) if why} == {
            row: f"holds {number}, which {name} cannot hold" for row, number in lost.items()
        }


def test_text_for_a_network_of_numbers_is_refused_with_the_remedy():
    with pytest.raises(SchemaMismatchError, match=r"column `x`: has type array<string>, .*cast the column"):
        stage(model=networks.linear()).transform(pa.table({"x": [["a", "b", "c", "d"]]}))


def test_a_row_that_the_network_fails_on_spoils_only_itself():
    model = network(
        [node("Gather", ["table", "x"], ["y"])],
        [value("x", ["N"], TensorProto.INT64)],
        [value("y", ["N"])],
        {"table": np.array([10, 20, 30], np.float32)},
    )
    table = pa.table({"x": [0, 2, 99, 1]})
    made = stage(model=model, handleInvalid="keep", errorCol="why").transform(table)
    assert made["y"].to_pylist() == [10, 30, None, 20]
    assert "ONNX Runtime" in made["why"][2].as_py()
    with pytest.raises(ExecutionError, match=r"ONNXModel: .*ONNX Runtime"):
        stage(model=model).transform(table)


def test_a_batch_of_only_bad_rows_gives_only_nulls():
    table = pa.table({"x": pa.array([None, None], pa.list_(pa.float32()))})
    for form in ("array", "vector", "tensor"):
        made = stage(handleInvalid="keep", outputType=form, softMaxDict={"y": "p"}).transform(table)
        assert made["y"].to_pylist() == [None, None] == made["p"].to_pylist()
    assert stage(handleInvalid="skip").transform(table).num_rows == 0


def test_an_empty_table_has_the_columns_and_no_rows():
    empty = stage(softMaxDict={"y": "p"}, argMaxDict={"y": "b"}).transform(TABLE.slice(0, 0))
    assert empty.num_rows == 0
    assert empty.column_names == ["x", "y", "p", "b"]


def test_every_error_is_an_mmlrs_error():
    for table in (pa.table({"a": [1]}), pa.table({"x": [None, ROW]}), pa.table({"x": ["a"]})):
        with pytest.raises(MmlrsError, match=r"^ONNXModel: "):
            stage().transform(table)


# -- Spark ------------------------------------------------------------------------------------------------------------


@pytest.mark.spark
class TestOnSpark:
    SCHEMA = "i int, x array<float>"

    def test_columns_and_types_are_checked_before_the_job(self, spark):
        df = spark.createDataFrame([(1, ROW)], self.SCHEMA)
        with pytest.raises(
            ColumnNotFoundError, match="ONNXModel: column `z`: not found; the columns are `i`, `x`"
        ):
            stage(inputCol="z").transform(df)
        with pytest.raises(SchemaMismatchError, match="ONNXModel: column `I` already exists"):
            stage(outputCol="I").transform(df)  # Spark's names ignore case
        with pytest.raises(SchemaMismatchError, match=r"ONNXModel: column `x`.*cannot feed input"):
            stage().transform(df.selectExpr("cast(x as array<string>) x"))

    def test_a_bad_row_fails_the_job_with_the_stage_the_column_and_the_cause(self, spark):
        df = spark.createDataFrame([(1, ROW), (2, None)], self.SCHEMA).coalesce(1)
        with pytest.raises(Exception, match="ONNXModel: column `x`, row 1 of the batch: is null"):
            stage().transform(df).collect()

    def test_bad_rows_are_counted_with_sql_under_keep(self, spark):
        rows = [(1, ROW), (2, None), (3, [1.0]), (4, None)]
        made = stage(handleInvalid="keep", errorCol="why").transform(spark.createDataFrame(rows, self.SCHEMA))
        counts = dict(made.where("why is not null").groupBy("why").count().collect())
        assert counts == {
            "is null": 2,
            "has shape [1], which does not fit the row shape [4] of input `x`": 1,
        }
        assert made.where("y is null").count() == 3

    def test_bad_rows_are_dropped_under_skip(self, spark):
        df = spark.createDataFrame([(1, ROW), (2, None), (3, ROW)], self.SCHEMA)
        assert sorted(r.i for r in stage(handleInvalid="skip").transform(df).collect()) == [1, 3]

    def test_empty_partitions_and_empty_frames_give_no_rows(self, spark):
        df = spark.createDataFrame([(1, ROW)], self.SCHEMA).repartition(4)
        for policy in ("error", "skip", "keep"):
            keeping = stage(handleInvalid=policy, outputType="vector")
            assert keeping.transform(df).count() == 1
            assert len(keeping.transform(df).collect()) == 1
            assert keeping.transform(df.where("false")).collect() == []

    def test_a_side_effect_free_failure_leaves_the_frame_usable(self, spark):
        df = spark.createDataFrame([(1, ROW)], self.SCHEMA)
        with pytest.raises(InvalidParamError):
            stage(miniBatchSize=0).transform(df)
        assert df.count() == 1


@pytest.mark.parametrize("handle_invalid", ["error", "skip", "keep"])
@pytest.mark.parametrize(
    ("column", "cause"),
    [
        (pa.array([[1.0, 2.0, 3.0]], pa.list_(pa.float32(), 3)), r"every row has shape \[3\]"),
    ],
)
def test_a_type_whose_rows_cannot_fit_is_an_error_of_the_schema(column, cause, handle_invalid):
    stage = ONNXModel(model=sample_model(), inputCol="x", handleInvalid=handle_invalid)
    with pytest.raises(
        SchemaMismatchError, match=cause + r", which does not fit the row shape \[4\] of input `x`"
    ):
        stage.transform(pa.table({"x": column}))
