"""Autoencoders."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from mmlrs import _native
from mmlrs._generated import ann as _generated
from mmlrs.ann._driver import Outcome
from mmlrs.ann._estimator import NetworkEstimator, Run
from mmlrs.ann._labels import size_in
from mmlrs.ann._trained import TrainedNetwork
from mmlrs.base import is_spark
from mmlrs.engine.columns import Columns
from mmlrs.errors import InvalidParamError

__all__ = ["AutoEncoder", "AutoEncoderModel", "StackedAutoEncoder"]


class Encoder(NetworkEstimator):
    """An estimator of an autoencoder."""

    _labels = "input"
    _features = "inputCol"

    def _check_params(self) -> None:
        super()._check_params()
        layers = self._value("layers")
        if len(layers) < 2 or any(size < 1 for size in layers[1:]) or layers[0] < 0:
            raise InvalidParamError(
                f"{self._stage}: param `layers` must have at least two numbers, of which only the first may be 0, got {layers}"
            )

    def _sizes(self, dataset: Any, columns: Columns) -> list[int]:
        """Return the sizes of the encoder's layers."""
        first, *others = self._value("layers")
        return [first or size_in(self, dataset, columns.resolve(self._value("inputCol"))), *others]

    def _encoder(self, sizes: list[int]) -> list[dict[str, Any]]:
        """Return the description of the encoder's layers."""
        kinds = [[{"kind": "dense", "size": size}, {"kind": self._value("activation")}] for size in sizes[1:]]
        return [layer for pair in kinds for layer in pair]

    def _described(self, sizes: list[int], *, unit: bool) -> dict[str, Any]:
        """Return the description of the encoder and the decoder. `unit` says whether the inputs are from 0 to 1."""
        decoder = self._encoder([0, *sizes[-2::-1]])[:-1]
        loss = {"kind": "sigmoid_cross_entropy" if unit else "squared_error"}
        return {"version": 1, "input": [sizes[0]], "layers": self._encoder(sizes) + decoder, "loss": loss}

    def _description(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        return self._described(self._sizes(dataset, columns), unit=self._value("dataIn01Interval"))

    def _model_params(self, dataset: Any, columns: Columns) -> dict[str, Any]:
        return {"codeLayer": 2 * (len(self._value("layers")) - 1)}

    def _sized_by(self) -> str:
        return "param `layers`"


class AutoEncoder(Encoder, _generated.AutoEncoder):
    __doc__ = _generated.AutoEncoder.__doc__
    __module__ = "mmlrs.ann"


class StackedAutoEncoder(Encoder, _generated.StackedAutoEncoder):
    __doc__ = _generated.StackedAutoEncoder.__doc__
    __module__ = "mmlrs.ann"

    def _check_params(self) -> None:
        super()._check_params()
        if self._value("initialWeights") is not None:
            raise InvalidParamError(
                f"{self._stage}: param `initialWeights` is not for training layer by layer, which starts with random weights; use "
                "AutoEncoder to train all layers from given weights"
            )

    def _train(self, dataset: Any, columns: Columns, run: Run) -> Outcome:
        sizes = self._sizes(dataset, columns)
        parts, lines = self._layer_by_layer(dataset, columns, run, sizes)
        description = self._described(sizes, unit=self._value("dataIn01Interval"))
        weights = b"".join(parts)
        specification = self._specification(description, columns)
        if self._value("fineTune"):
            outcome = run(replace(specification, parameters=weights, part="all layers"), dataset)
            return Outcome(outcome.network, lines + outcome.lines, outcome.finish)
        return Outcome(_native.network_file(specification.network, weights), lines)

    def _layer_by_layer(
        self, dataset: Any, columns: Columns, run: Run, sizes: list[int]
    ) -> tuple[list[bytes], list[dict[str, Any]]]:
        """Return the weights of all layers, encoder first, and the histories of their training."""
        features = columns.resolve(self._value("inputCol"))
        encoder: list[bytes] = []
        decoder: list[bytes] = []
        lines: list[dict[str, Any]] = []
        current, column = dataset, features
        for number, (size, narrow) in enumerate(itertools.pairwise(sizes)):
            # The codes of a sigmoid are from 0 to 1, but not those of other functions.
            unit = self._value("dataIn01Interval") if number == 0 else self._value("activation") == "sigmoid"
            description = self._described([size, narrow], unit=unit)
            specification = self._specification(description, Columns.of(current, self._stage), column)
            part = f"layer {number + 1} of {len(sizes) - 1}"
            outcome = run(replace(specification, part=part), current)
            _, parameters = _native.read_network(outcome.network)
            cut = 4 * (size + 1) * narrow
            encoder.append(parameters[:cut])
            decoder.insert(0, parameters[cut:])
            lines += outcome.lines
            if number + 2 < len(sizes):
                layer = AutoEncoderModel(
                    inputCol=column,
                    outputCol=f"{self.uid}_{number}",
                    network=outcome.network,
                    codeLayer=2,
                    handleInvalid=self._value("handleInvalid"),
                )
                current, column = layer.transform(current), f"{self.uid}_{number}"
                if is_spark(current):
                    kept = [name for name in self._kept(columns) if name != features]
                    current = current.select(column, *kept)
        return encoder + decoder, lines


class AutoEncoderModel(TrainedNetwork, _generated.AutoEncoderModel):
    __doc__ = _generated.AutoEncoderModel.__doc__
    __module__ = "mmlrs.ann"

    def decoder(self, inputCol: str, outputCol: str) -> AutoEncoderModel:
        """Return a model that decodes codes.

        Parameters
        ----------
        inputCol : str
            Name of the column of codes.
        outputCol : str
            Name of the column to add with the decoded vectors.
        """
        return self.copy()._set(inputCol=inputCol, outputCol=outputCol, result="decoded")

    @property
    def encoder_weights(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The weights of the encoder, layer by layer, for `initialWeights` of a network that begins with the same layers."""
        return np.frombuffer(_native.read_network(self._encoder_network())[1], dtype="<f4")

    def _encoder_network(self) -> bytes:
        """Return the encoder as a network file."""
        return _native.network_part(self._value("network").read(), self._value("codeLayer"))
