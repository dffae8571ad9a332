"""What all models of networks have: weights, a description, a history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.ann._weights import read_network

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mmlrs._stage import Stage

    _Base = Stage
else:
    _Base = object

__all__ = ["TrainedNetwork"]

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


class TrainedNetwork(_Base):
    """The methods of models that hold a trained network."""

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
