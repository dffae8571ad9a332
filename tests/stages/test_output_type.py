"""`outputType` of every stage that makes vectors: the same numbers as vectors and as arrays of floats, on tables and on Spark."""

from __future__ import annotations

import importlib

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.base import stage_specs
from mmlrs.errors import InvalidParamError, LimitExceededError
from mmlrs.featurize import CountSelector, FastVectorAssembler, Featurize
from mmlrs.image import UnrollBinaryImage
from mmlrs.testing import sample_image, sample_stage
from mmlrs.text import TextFeaturizer

#: The estimators only pass the param on to their models.
STAGES = [
    name
    for name, spec in stage_specs().items()
    if spec["kind"] != "estimator"
    for param in spec["params"]
    if param["name"] == "outputType" and "tensor" not in str(param)
]
TABLE = pa.table(
    {
        "number": [0.1, 2.0, None],
        "counts": [[0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0], None],
        "words": ["to be", "or not to be", "be"],
        "image": [sample_image("png"), sample_image("jpeg"), None],
    }
)


def dense(cells: list) -> list:
    """Vectors in any form as lists of 32-bit floats."""

    def values(cell):
        if not isinstance(cell, dict):
            return np.float32(cell)
        if cell["type"] == 1:
            return np.float32(cell["values"])
        full = np.zeros(cell["size"], np.float32)
        full[cell["indices"]] = cell["values"]
        return full

    return [None if cell is None else values(cell).tolist() for cell in cells]


def both(stage, table: pa.Table, output: str) -> list:
    """The cells as an array, which equal those as a vector."""
    vectors = stage.transform(table)
    arrays = stage.copy()._set(outputType="array").transform(table)
    field = arrays.schema.field(output)
    assert pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
    assert field.type.value_type == pa.float32()
    assert not field.metadata
    cells = arrays[output].to_pylist()
    np.testing.assert_equal(cells, dense(vectors[output].to_pylist()))
    return cells


def test_the_stages_that_make_vectors_have_the_param():
    assert {"FastVectorAssembler", "FeaturizeModel", "ImageFeaturizer", "UnrollImage"} <= set(STAGES)


@pytest.mark.parametrize("name", STAGES)
def test_arrays_have_the_numbers_of_vectors(name):
    cls = getattr(importlib.import_module(f"mmlrs.{stage_specs()[name]['module']}"), name)
    stage, data = sample_stage(cls)
    if "decodePredictions" in {param.name for param in stage.params}:
        stage._set(decodePredictions=False)
    assert any(both(stage, data, stage.getOutputCol()))


def fitted(estimator):
    return estimator.fit(TABLE.slice(0, 2))


CASES = {
    "assembler": lambda: FastVectorAssembler(
        inputCols=["number", "counts"], outputCol="v", handleInvalid="keep"
    ),
    "featurizer": lambda: fitted(Featurize(inputCols=["number", "counts"], outputCol="v")),
    "selector": lambda: fitted(CountSelector(inputCol="counts", outputCol="v", handleInvalid="keep")),
    "text": lambda: fitted(TextFeaturizer(inputCol="words", outputCol="v", numFeatures=32)),
    "pixels": lambda: UnrollBinaryImage(outputCol="v", height=2, width=3, handleInvalid="keep"),
}


@pytest.mark.parametrize("case", CASES)
def test_spark_gives_arrays_of_floats(case, spark):
    stage = CASES[case]()
    table = TABLE.select(["number", "words", "image", "counts"])
    if case == "featurizer":
        table = table.slice(0, 2)
    expected = both(stage, table, "v")
    out = stage.copy()._set(outputType="array").transform(spark.createDataFrame(table)).select("v")
    assert out.schema["v"].dataType.simpleString() == "array<float>"
    np.testing.assert_equal([row.v for row in out.collect()], expected)


def test_the_estimator_passes_the_type_on():
    model = Featurize(inputCols=["number"], outputCol="v", outputType="array").fit(TABLE)
    assert model.getOutputType() == "array"


def test_a_number_that_does_not_fit_into_a_float_is_an_error():
    stage = FastVectorAssembler(inputCols=["x"], outputCol="v", outputType="array")
    with pytest.raises(
        InvalidParamError, match=r"param `outputType` \"array\": the number 1e300 does not fit"
    ):
        stage.transform(pa.table({"x": [1e300]}))


def test_an_array_of_a_huge_vector_is_an_error_that_names_the_limit():
    stage = TextFeaturizer(inputCol="words", outputCol="v", numFeatures=2**31 - 1, useIDF=False)
    model = stage._set(outputType="array").fit(TABLE)
    with pytest.raises(LimitExceededError, match="the arrays of one batch exceed 268435456 numbers"):
        model.transform(TABLE)
