"""A slow network on one machine: a port whose connections carry a limited number of bytes per second."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
#: Bytes that are passed on at once.
PIECE = 1 << 14


def pump(source: socket.socket, target: socket.socket, rate: float) -> None:
    """Pass on bytes until the source ends, each piece when a link of this rate would have carried it."""
    free = time.perf_counter()
    # A worker that stops also closes connections on which others still send.
    with suppress(OSError):
        while piece := source.recv(PIECE):
            free = max(free, time.perf_counter()) + len(piece) / rate
            time.sleep(max(0.0, free - time.perf_counter()))
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class SlowLinks:
    """Ports that pass connections on, each with its own link of so many bytes per second in both directions.

    Parameters
    ----------
    rate : float
        Bytes per second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._threads: list[Thread] = []

    def port(self, target: int) -> int:
        """Return a new port, whose connections lead to the port `target`."""
        listener = socket.create_server((HOST, 0))
        self._keep(listener)
        self._start(self._accept, listener, target)
        number: int = listener.getsockname()[1]
        return number

    def _keep(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open += sockets

    def _start(self, work: object, *given: object) -> None:
        thread = Thread(target=work, args=given, daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, target: int) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                here, _ = listener.accept()
                self._keep(here)
                try:
                    there = socket.create_connection((HOST, target))
                except OSError:
                    here.close()
                    continue
                self._keep(there)
                for end in (here, there):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(pump, here, there, self._rate)
                self._start(pump, there, here, self._rate)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._open:
            # A thread that waits for the socket goes on at once.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for end in self._open:
            end.close()
