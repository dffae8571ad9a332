"""Epochs of Adam with PyTorch or JAX on one thread: ``python -m bench.ann.peer_job torch|jax FILE``, in the peer's environment.

It needs neither mmlrs nor pyarrow. `FILE` holds the rows, see `bench.ann.epochs`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.server import serve

RATE, BATCH = 0.001, 128

#: A job does one epoch, and returns the mean loss of its batches.
Epoch = Callable[[], float]


def batches(rows: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of the batches of an epoch, in random order."""
    order = np.random.default_rng(epoch).permutation(rows)
    for start in range(0, rows, BATCH):
        yield order[start : start + BATCH]


class WithTorch:
    """PyTorch as its guide for CPUs recommends: one thread per core, fused Adam, convolutions on pictures with channels last."""

    def __init__(self) -> None:
        self.torch = import_module("torch")
        self.torch.set_num_threads(1)
        self.torch.manual_seed(0)
        self.about = f"PyTorch {self.torch.__version__}"

    def perceptron(self, sizes: Sequence[int], x: Any, y: Any) -> Epoch:
        nn = self.torch.nn
        layers: list[Any] = []
        for inputs, outputs in pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return self._epoch(nn.Sequential(*layers[:-1]), self.torch.from_numpy(x), y)

    def convolutions(self, side: int, x: Any, y: Any) -> Epoch:
        nn = self.torch.nn
        convolved = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU()]
        dense = [nn.Linear(64 * (side // 2) ** 2, 128), nn.ReLU(), nn.Linear(128, 10)]
        network = nn.Sequential(*convolved, nn.MaxPool2d(2), nn.Flatten(), *dense)
        form = self.torch.channels_last
        pictures = self.torch.from_numpy(x).reshape(-1, 1, side, side).to(memory_format=form)
        return self._epoch(network.to(memory_format=form), pictures, y)

    def _epoch(self, network: Any, x: Any, y: Any) -> Epoch:
        torch = self.torch
        for layer in network:
            if hasattr(layer, "weight"):
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                torch.nn.init.zeros_(layer.bias)
        labels = torch.from_numpy(y.astype(np.int64))
        optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
        criterion = torch.nn.CrossEntropyLoss()
        done = 0

        def epoch() -> float:
            nonlocal done
            losses = []
            for rows in batches(len(y), done):
                chosen = torch.from_numpy(rows)
                optimizer.zero_grad(set_to_none=True)
                loss = criterion(network(x[chosen]), labels[chosen])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            done += 1
            return float(np.mean(losses))

        return epoch


class WithJax:
    """JAX with one compiled function per step, which replaces parameters and moments in place."""

    def __init__(self) -> None:
        self.jax = import_module("jax")
        self.random = np.random.default_rng(0)
        self.about = f"JAX {self.jax.__version__}"

    def _dense(self, inputs: int, outputs: int) -> tuple[Any, Any]:
        weights = self.random.normal(size=(inputs, outputs)) * np.sqrt(2 / inputs)
        return weights.astype(np.float32), np.zeros(outputs, np.float32)

    def _kernel(self, inputs: int, outputs: int) -> tuple[Any, Any]:
        weights = self.random.normal(size=(3, 3, inputs, outputs)) * np.sqrt(2 / (9 * inputs))
        return weights.astype(np.float32), np.zeros(outputs, np.float32)

    def perceptron(self, sizes: Sequence[int], x: Any, y: Any) -> Epoch:
        relu = self.jax.nn.relu

        def outputs(parameters: Any, values: Any) -> Any:
            for weights, bias in parameters[:-1]:
                values = relu(values @ weights + bias)
            weights, bias = parameters[-1]
            return values @ weights + bias

        pairs = pairwise(sizes)
        return self._epoch(outputs, [self._dense(*pair) for pair in pairs], x, y)

    def convolutions(self, side: int, x: Any, y: Any) -> Epoch:
        lax, relu = self.jax.lax, self.jax.nn.relu
        convolve = partial(
            lax.conv_general_dilated,
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

        def outputs(parameters: Any, values: Any) -> Any:
            (first, second, third, last) = parameters
            for weights, bias in (first, second):
                values = relu(convolve(values, weights) + bias)
            values = lax.reduce_window(values, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            values = relu(values.reshape(len(values), -1) @ third[0] + third[1])
            return values @ last[0] + last[1]

        parameters = [
            self._kernel(1, 32),
            self._kernel(32, 64),
            self._dense(64 * (side // 2) ** 2, 128),
            self._dense(128, 10),
        ]
        return self._epoch(outputs, parameters, x.reshape(-1, side, side, 1), y)

    def _step(self, outputs: Callable[[Any, Any], Any]) -> Callable[..., Any]:
        """Return the compiled step of Adam."""
        jax, numpy = self.jax, import_module("jax.numpy")

        def loss_of(parameters: Any, x: Any, y: Any) -> Any:
            logs = jax.nn.log_softmax(outputs(parameters, x))
            return -numpy.take_along_axis(logs, y[:, None], axis=1).mean()

        def step(parameters: Any, first: Any, second: Any, number: Any, x: Any, y: Any) -> Any:
            loss, gradient = jax.value_and_grad(loss_of)(parameters, x, y)
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradient)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradient)
            rate = RATE * numpy.sqrt(1 - 0.999**number) / (1 - 0.9**number)
            changed = jax.tree.map(
                lambda p, m, v: p - rate * m / (numpy.sqrt(v) + 1e-8), parameters, first, second
            )
            return changed, first, second, loss

        return jax.jit(step, donate_argnums=(0, 1, 2))

    def _epoch(self, outputs: Callable[[Any, Any], Any], parameters: Any, x: Any, y: Any) -> Epoch:
        step, zeros = self._step(outputs), partial(self.jax.tree.map, np.zeros_like)
        state = (parameters, zeros(parameters), zeros(parameters))
        done, number = 0, 0

        def epoch() -> float:
            nonlocal state, done, number
            losses = []
            for rows in batches(len(y), done):
                number += 1
                *new, loss = step(*state, np.float32(number), x[rows], y[rows])
                state = tuple(new)
                losses.append(loss)
            done += 1
            return float(np.mean(losses))

        return epoch


def main() -> None:
    peer, file = sys.argv[1:]
    library: Any = {"torch": WithTorch, "jax": WithJax}[peer]()
    rows = np.load(file)
    jobs = {
        "perceptron": library.perceptron(rows["sizes"].tolist(), rows["flat_x"], rows["flat_y"]),
        "convolutions": library.convolutions(int(rows["side"]), rows["picture_x"], rows["picture_y"]),
    }
    losses = {name: [job() for _ in range(2)] for name, job in jobs.items()}  # which also compiles
    serve(jobs, json.dumps({"library": library.about, "losses": losses}))


if __name__ == "__main__":
    main()
