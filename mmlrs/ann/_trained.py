"""What all models of networks have: weights, a description, a history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._paths import PathLike
from mmlrs.ann._weights import read_network

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mmlrs._stage import Stage

    _Base = Stage
else:
    _Base = object

__all__ = ["HasHistory", "TrainedNetwork"]

_HISTORY = pa.schema(
    [
        ("iteration", pa.int64()),
        ("loss", pa.float64()),
        ("validation_loss", pa.float64()),
        ("validation_metric", pa.float64()),
        ("step_size", pa.float64()),
        ("seconds", pa.float64()),
        ("rows_per_second", pa.float64()),
        ("bytes_sent", pa.int64()),
    ]
)


class HasHistory(_Base):
    """The methods of models that have a history of their training."""

    @property
    def history(self) -> pa.Table:
        """The history of the training, one row per iteration or epoch.

        Columns are `iteration` (0 is the loss before the first iteration), `loss`, `validation_loss`, `validation_metric` (the
        accuracy, or for values the root mean squared error), `step_size`, `seconds`, `rows_per_second` and `bytes_sent` (by one
        worker). A model that was not trained here has no rows.
        """
        lines = json.loads(self._value("trainingHistory") or "{}").get("lines", [])
        return pa.Table.from_pylist(lines, schema=_HISTORY)

    @property
    def finish(self) -> str | None:
        """Why the training ended: "converged", "iterations", "stopped" (early), "diverged", or None if it is not known."""
        finish: str | None = json.loads(self._value("trainingHistory") or "{}").get("finish")
        return finish


class TrainedNetwork(HasHistory):
    """The methods of models that hold a trained network."""

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """The weights, layer by layer. A dense layer has its weights, one row per input, then its biases, as in Spark ML."""
        import numpy as np

        _, parameters = read_network(self._stage, self._value("network").read())
        return np.frombuffer(parameters, dtype="<f4")

    @property
    def description(self) -> dict[str, Any]:
        """The layers and the loss of the network, as JSON data."""
        text, _ = read_network(self._stage, self._value("network").read())
        described: dict[str, Any] = json.loads(text)
        return described

    def _image_settings(self) -> dict[str, Any]:
        """Return how a network for images reads them, as in the metadata `mmlrs.image` of ONNX models, if not as they are."""
        return {}

    def to_onnx(self, path: PathLike | None = None) -> bytes:
        """Return the network as an ONNX model, and write it to a file.

        The input has the name of the column of features: numbers in single precision of shape (rows, size), or for a network for
        images (rows, channels, height, width). The outputs have the names of the columns that the model adds. Those of a
        classifier are the probabilities (the first output) and the raw predictions, in single precision of shape (rows, classes),
        the number of the class as a double of shape (rows, 1), and, if the model has `labels`, `predictedLabel`, strings of shape
        (rows, 1). Another network has one output in single precision of shape (rows, values).

        ONNX knows no errors of single rows: a row with NaN or an infinity has NaN in all numbers and an empty string as label.
        Scores differ from those of the model by rounding only (1e-5).

        The names of the classes, and the size of images, are in the metadata `mmlrs.image`. With it, `ONNXModel` and
        `ImageClassifier` know the classes. The file needs ONNX Runtime 1.23 or newer, without mmlrs.

        Parameters
        ----------
        path : path, optional
            The file to write. If not given, only the bytes are returned.

        Returns
        -------
        bytes
            The serialized ONNX model.

        Raises
        ------
        InvalidParamError
            The network is not set or damaged, two columns have the same name, or the path is not a local one.
        LimitExceededError
            The network is larger than 2 GB.
        MissingPackageError
            The package onnx is not installed.
        IoError
            The file cannot be written.

        Examples
        --------
        >>> import pyarrow as pa
        >>> from mmlrs.ann import MultilayerPerceptronClassifier
        >>> from mmlrs.onnx import ONNXModel
        >>> rows = pa.table({"features": [[0.0], [1.0], [2.0], [3.0]], "label": [0.0, 0.0, 1.0, 1.0]})
        >>> model = MultilayerPerceptronClassifier(layers=[1, 2], seed=1).fit(rows)
        >>> scores = ONNXModel(model=model.to_onnx(), fetchDict={"class": "prediction"})
        >>> scores.transform(rows)["class"].to_pylist()
        [[0.0], [0.0], [1.0], [1.0]]
        """
        from mmlrs.ann._onnx import export
        from mmlrs.compiled._onnx import write

        content = export(self)
        if path is not None:
            write(path, content, f"{self._stage}: to_onnx:")
        return content
