"""The guide page for those who come from SynapseML and Deep Learning Pipelines names what exists."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from places import ROOT

from mmlrs.base import stage_class, stage_specs

PAGE = ROOT / "docs" / "guide" / "16-coming-from-synapseml.md"


#: The stages of SynapseML and MMLSpark whose work is that of mmlrs, and the classes and functions of Deep Learning Pipelines.
PREDECESSORS = """
AssembleFeatures BestModel CNTKLearner CNTKModel Cacher CheckpointData ClassBalancer CleanMissingData ComputeModelStatistics
ComputePerInstanceStatistics CountSelector DataConversion DropColumns DynamicMiniBatchTransformer EnsembleByKey Explode
FastVectorAssembler Featurize FindBestModel FixedMiniBatchTransformer FlattenBatch ImageFeaturizer ImageSetAugmenter
ImageTransformer IndexToValue Lambda ModelDownloader MultiColumnAdapter MultiNGram ONNXHub ONNXModel PageSplitter
PartitionConsolidator PartitionSample RenameColumn Repartition ResizeImageTransformer SelectColumns StratifiedRepartition
SummarizeData SuperpixelTransformer TextFeaturizer TextPreprocessor TimeIntervalMiniBatchTransformer Timer TrainClassifier
TrainRegressor TuneHyperparameters TuneHyperparametersModel UDFTransformer UnicodeNormalize UnrollBinaryImage UnrollImage
ValueIndexer ValueIndexerModel
DeepImageFeaturizer DeepImagePredictor DeepTextClassifier DeepVisionClassifier HorovodRunner KerasImageFileEstimator KerasImageFileTransformer KerasTransformer
TFImageTransformer TFInputGraph TFTransformer imageIO readImages registerKerasImageUDF
"""

_SPAN = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"(?P<path>[A-Za-z_][\w.]*)(?:=(?P<default>.+))?")


class Row(NamedTuple):
    """A row of a table: what its second column is called, its line, and its cells."""

    heading: str
    line: int
    cells: list[str]


def rows() -> Iterator[Row]:
    """The rows of all tables of the page."""
    heading = ""
    for number, line in enumerate(PAGE.read_text().splitlines(), start=1):
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            heading = ""
        elif not heading:
            heading = cells[1]
        elif not set(line) <= set("|-"):
            yield Row(heading, number, cells)


def names() -> list[tuple[int, str]]:
    """The names of mmlrs on the page, with their lines."""
    found = []
    for row in rows():
        spans = [span for cell in row.cells[1:] for span in _SPAN.findall(cell)]
        of_mmlrs = _SPAN.findall(row.cells[1]) if row.heading == "mmlrs" else []
        found += [(row.line, span) for span in spans if span in of_mmlrs or span.startswith("mmlrs.")]
    return found


def stage_param(path: str) -> dict[str, Any] | None:
    """The descriptor of a param `Class.param`, or None if there is none."""
    cls, _, member = path.rpartition(".")
    params = stage_specs()[cls]["params"] if cls in stage_specs() else []
    return next((param for param in params if param["name"] == member), None)


def exists(path: str) -> bool:
    """Whether a name `mmlrs.module.name` can be imported, or a class has a param or method `Class.name`."""
    if not path.startswith("mmlrs."):
        cls, _, member = path.partition(".")
        return cls in stage_specs() and (stage_param(path) is not None or hasattr(stage_class(cls), member))
    module, *members = path.split(".")
    found: Any = importlib.import_module(module)
    for member in members:
        found = getattr(found, member, None)
    return found is not None


@pytest.mark.parametrize(("line", "name"), names(), ids=[f"{line}-{name}" for line, name in names()])
def test_a_name_in_the_column_of_mmlrs_exists_and_has_the_default_that_is_stated(line, name):
    match = _NAME.fullmatch(name)
    assert match is not None, f"line {line}: `{name}` is not a name"
    path = match["path"]
    assert exists(path), f"line {line}: {path} does not exist"
    if match["default"] is not None:
        param = stage_param(path)
        assert param is not None, f"line {line}: {path} is not a param"
        assert param["default"] == ast.literal_eval(match["default"])


def test_every_row_leads_somewhere():
    found = list(rows())
    assert len(found) > 100
    for row in found:
        assert len(row.cells) == 3, f"line {row.line}: {len(row.cells)} cells"
        assert row.heading in ("mmlrs", "use instead"), row.heading
        assert _SPAN.search(row.cells[1]), f"line {row.line} names nothing"


def test_the_check_finds_wrong_names_and_defaults():
    assert exists("mmlrs.image.ImageFeaturizer")
    assert exists("ONNXModel.cut_at")
    assert not exists("mmlrs.image.ImageFeaturiser")
    assert not exists("ONNXModel.modelPayload")
    assert not exists("CNTKModel.miniBatcher")
    param = stage_param("ONNXModel.miniBatchSize")
    assert param is not None
    assert param["default"] == 64


def test_every_name_of_the_predecessors_is_on_the_page():
    old = {span.partition(".")[0].partition("(")[0] for row in rows() for span in _SPAN.findall(row.cells[0])}
    assert set(PREDECESSORS.split()) - old == set()
