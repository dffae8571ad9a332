"""Networks with a trained head as models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._generated import ann as _generated
from mmlrs.ann._backbone import owner, read, reader
from mmlrs.ann._estimators import NeuralNetworkClassificationModel
from mmlrs.ann._trained import HasHistory
from mmlrs.engine.callers import run_as
from mmlrs.models import model_info

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable
    from mmlrs.base import NativeTransformer

__all__ = ["FineTunedModel"]

#: The output of a network with a trained head that the model reads.
_RAW = "rawPrediction"


class FineTunedModel(HasHistory, _generated.FineTunedModel):
    __doc__ = _generated.FineTunedModel.__doc__
    __module__ = "mmlrs.ann"

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The weights of the head, layer by layer: the weights of a layer, one row per input, then its biases.

        Raises
        ------
        InvalidParamError
            The network has no trained head.
        MissingPackageError
            The package onnx is not installed.
        """
        from mmlrs.ann._merge import trained_head

        return trained_head(self._stage, self._value("model"))[1]

    @property
    def description(self) -> dict[str, Any]:
        """The layers and the loss of the head, as JSON data. Raises as `weights` does."""
        from mmlrs.ann._merge import trained_head

        return trained_head(self._stage, self._value("model"))[0]

    def _transform_table(self, table: pa.Table) -> pa.Table:
        from mmlrs.train.predicted import with_labels_in_table

        scored, values = self._scored(table)
        return with_labels_in_table(*self._labelled(scored.drop_columns([values])))

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark
        from mmlrs.train.predicted import with_labels_on_spark

        scored, values = self._scored(df)
        lineage = {name: value for name, value in spark.lineage_of(scored).items() if name in df.columns}
        return spark.with_lineage(with_labels_on_spark(*self._labelled(scored.drop(values))), lineage)

    def _labelled(self, scored: Any) -> tuple[str, Any, list[Any], str, str]:
        """Return what adds the labels of predictions."""
        prediction, output = self._value("predictionCol"), self._value("predictedLabelCol")
        return self._stage, scored, list(self._value("labels")), prediction, output

    def _scored(self, dataset: FrameOrTable) -> tuple[Any, str]:
        """Add the predictions, and the values of the last layer in a column of this name."""
        [column] = self._inputs(dataset)
        stage, classifier = self._parts(column)
        scored = read(stage, owner(self._stage), dataset)
        words = (f"column `{self._values}`", f"the values of column `{column}`")
        return run_as(owner(self._stage, "model", words), classifier, scored), self._values

    @property
    def _values(self) -> str:
        """The column of the values of the last layer, which the stages of the model share."""
        return f"{self.uid}_values"

    def _parts(self, column: str) -> tuple[NativeTransformer, NativeTransformer]:
        """Return the stage that adds the values of the last layer, and the one that makes classes of them."""
        model, invalid = self._value("model"), self._value("handleInvalid")
        names = [output["name"] for output in model_info(model)["outputs"]]
        tensor = next((name for name in names if name.startswith(_RAW)), names[0])
        kind, tokenizer = self._value("inputKind"), self._value("tokenizer")
        stage = reader(kind, model, tensor, (column, self._values), invalid, tokenizer, features=False)
        return stage.copy({"errorCol": self._value("errorCol")}), self._classifier()

    def _classifier(self) -> Any:
        """Return the stage that makes classes of the values of the last layer: a network that hands them on."""
        labels = self._value("labels")
        described = {"version": 1, "input": [len(labels)], "layers": [{"kind": "flatten"}]}
        network = json.dumps(described | {"loss": {"kind": "cross_entropy", "smoothing": 0.0}})
        return NeuralNetworkClassificationModel(
            featuresCol=self._values,
            predictionCol=self._value("predictionCol"),
            rawPredictionCol=self._value("rawPredictionCol"),
            probabilityCol=self._value("probabilityCol"),
            thresholds=self._value("thresholds"),
            labels=labels,
            network=_native.network_file(network, b""),
            handleInvalid=self._value("handleInvalid"),
        )
