"""What the tests of barrier jobs run in the workers: sums over sockets, and what goes wrong there.

The state is the sum of the jobs so far, followed by as many bytes as a test wants.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from pyspark import cloudpickle

from mmlrs.engine.barrier_task import State
from mmlrs.errors import DecodeError

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers do not find the tests

SUM = "=q"
SIZE = 8


def total(state: Sequence[Any]) -> int:
    return int(struct.unpack_from(SUM, b"".join(state))[0])


class Sum:
    """Adds the numbers of all rows to the state. Rank 0 sums, and the others ask it for the result."""

    seconds = 20.0

    def __init__(self, padding: int = 0, flag: str = "", times: int = 1) -> None:
        self.padding = padding  # its size
        self.flag = flag
        self.times = times

    def bytes(self) -> bytes:
        """Return the rest of the state."""
        return (bytes(range(256)) * (1 + self.padding // 256))[: self.padding]

    def listen(self, host: str) -> int:
        self.server = socket.create_server((host, 0))
        self.server.settimeout(self.seconds)
        return int(self.server.getsockname()[1])

    def run(
        self,
        batches: Iterator[Any],
        rank: int,
        addresses: list[str],
        token: bytes,
        root: int,
        state: Iterator[bytes] | None,
        threads: int,
    ) -> tuple[State | None, str]:
        columns = [column for batch in batches for column in batch.columns]
        numbers = [number for column in columns for number in column.to_pylist()]
        old = b"".join(state) if state is not None else b""
        assert (rank == root) == (state is not None)
        if old:
            assert old[SIZE:] == self.bytes()
        before = struct.unpack_from(SUM, old)[0] if old else 0
        self.disturb(rank, root)
        after = self.exchange(rank, addresses, token, before + sum(numbers))
        report = json.dumps({"rows": len(numbers), "root": root, "after": after, "threads": threads})
        new = State(SIZE + self.padding, [struct.pack(SUM, after), self.bytes()])
        return (new if rank == 0 else None), report

    def exchange(self, rank: int, addresses: list[str], token: bytes, value: int) -> int:
        """Return the sum over all ranks."""
        with self.server:
            if rank:
                host, port = addresses[0].rsplit(":", 1)
                with socket.create_connection((host, int(port)), timeout=self.seconds) as peer:
                    peer.sendall(token + struct.pack(SUM, value))
                    return int(struct.unpack(SUM, received(peer, SIZE))[0])
            peers = [self.server.accept()[0] for _ in addresses[1:]]
            for peer in peers:
                peer.settimeout(self.seconds)
                assert received(peer, len(token)) == token
                value += struct.unpack(SUM, received(peer, SIZE))[0]
            for peer in peers:
                peer.sendall(struct.pack(SUM, value))
                peer.close()
            return value

    def disturb(self, rank: int, root: int) -> None:
        """Do what the test is about."""

    def first(self) -> bool:
        """Return whether this happens, which is noted in the file, no more than `times` times."""
        with open(self.flag, "a+") as file:
            file.write("x")
            return file.tell() <= self.times


def received(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = peer.recv(size - len(data))
        if not piece:
            raise ConnectionResetError("the peer closed the connection")
        data += piece
    return data


class Killed(Sum):
    """A worker dies in the second job."""

    def disturb(self, rank: int, root: int) -> None:
        if rank == 1 and root == 0 and self.first():
            os.kill(os.getpid(), signal.SIGKILL)


class KilledFirst(Killed):
    """A worker dies in the first job."""

    def disturb(self, rank: int, root: int) -> None:
        super().disturb(rank, 0)


class Waiting(Sum):
    """A job that does not end by itself."""

    def disturb(self, rank: int, root: int) -> None:
        if rank == 1:
            self.first()
            time.sleep(600)


class Late(Sum):
    """A worker does not open its port, in the first job."""

    def listen(self, host: str) -> int:
        from pyspark import TaskContext

        context: Any = TaskContext.get()
        if context.partitionId() == 1 and self.first():
            time.sleep(600)
        return super().listen(host)


class Refusing(Sum):
    """The rows of one worker are wrong."""

    def disturb(self, rank: int, root: int) -> None:
        if rank == 1:
            self.first()
            raise DecodeError("Net: column `x`: row 7: has NaN")


class Faulty(Sum):
    """The code of the work is wrong."""

    def disturb(self, rank: int, root: int) -> None:
        if rank == 0:
            self.first()
        raise ValueError("shapes do not fit")
