"""The daemon of the Python workers of the tests' sessions: pyspark's own, but imported modules are no garbage.

pyspark collects garbage after every task, and each time it visits all objects of pandas, pyarrow and pyspark: 40 to 80 ms, ten
times what a small task computes. Here they are frozen after the task that imports them.
"""

import gc
import socket
import sys

from pyspark import daemon

_worker = daemon.worker
_modules = 0


def worker(sock: socket.socket, authenticated: bool) -> int:
    """Run a task; if it imported something, collect and freeze what there is now."""
    global _modules
    code = _worker(sock, authenticated)
    if len(sys.modules) != _modules:
        _modules = len(sys.modules)
        gc.collect()
        gc.freeze()
    return code


daemon.worker = worker

if __name__ == "__main__":
    daemon.manager()
