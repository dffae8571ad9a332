"""The limit of the main job: decoding alone, then inference alone, on the same cores without Spark."""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import pyarrow as pa
from PIL import Image

from bench import decode, peers
from bench.networks import Graph

#: Minimum shortest side after a reduced decode, as a multiple of the target side.
MARGIN = 1.7
#: The reductions of libjpeg-turbo that OpenCV offers.
REDUCED = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}


def decode_pixels(files: Sequence[bytes]) -> None:
    """Decode JPEG files at the reduced scale that suits the network's input, and discard the pixels.

    OpenCV's wheel contains libjpeg-turbo and returns the decoded pixels unchanged.
    """
    cv2.setNumThreads(1)
    for file in files:
        if cv2.imdecode(np.frombuffer(file, dtype=np.uint8), reduction(file)) is None:
            raise ValueError("not an image")


def reduction(file: bytes) -> int:
    """Return OpenCV's flag for the smallest scale that keeps the margin."""
    with Image.open(io.BytesIO(file)) as picture:
        shortest = min(picture.size)
    fitting = (flag for factor, flag in REDUCED.items() if shortest / factor >= MARGIN * peers.SIDE)
    return next(fitting, cv2.IMREAD_COLOR)


def work(pipe: Connection, network: Graph, files: list[bytes], batch: int) -> None:
    """Run one process: carry out each command from the pipe, and send it back when it is done."""
    running = peers.session(network)
    batches = [files[start : start + batch] for start in range(0, len(files), batch)]
    columns = [pa.array(part, pa.binary()) for part in batches]
    ready = decode.tensor_with_mmlrs(files[:batch])
    while (command := pipe.recv()) is not None:
        for part, column in zip(batches, columns, strict=True):
            if command == "tensors":
                decode.tensor_with_mmlrs(column)
            elif command == "pixels":
                decode_pixels(part)
            else:
                peers.infer(running, network, ready[: len(part)], batch)
        pipe.send(command)


class Limit:
    """One single-threaded process per core, each with its share of the files in memory."""

    def __init__(self, network: Graph, files: list[bytes], cores: int, batch: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        self._processes = []
        for core in range(cores):
            here, there = context.Pipe()
            process = context.Process(
                target=work, args=(there, network, files[core::cores], batch), daemon=True
            )
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def _all(self, command: str) -> None:
        for pipe in self._pipes:
            pipe.send(command)
        for pipe in self._pipes:
            pipe.recv()

    def tensors(self) -> None:
        """Convert JPEG to network input with mmlrs."""
        self._all("tensors")

    def pixels(self) -> None:
        """Decode JPEG to pixels at the reduced scale, and nothing else."""
        self._all("pixels")

    def infer(self) -> None:
        """Run the network on prepared tensors."""
        self._all("infer")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(timeout=10)
