"""Epochs of Adam on one thread, beside PyTorch, JAX and the bare matrix products."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench.ann import direct
from bench.ann.datasets import Rows, fashion
from bench.measure import Figure, NotInstalledError, Setting, seconds, side_by_side
from bench.server import Server
from bench.trees import one_core
from mmlrs import _native

ROOT = Path(__file__).resolve().parents[2]
SIDE = 28
#: Share by which the mean loss of the second epoch may differ; the initial weights are other random numbers.
ALIKE = 0.25
#: Rows of the epochs, and how many times faster than each peer an epoch must be.
ROWS = {"perceptron": 6_000, "convolutions": 1_280}
QUICK_ROWS = 1_280
#: The products of one batch are repeated so many times, and the median counts.
PRODUCTS = 20
TARGETS = {
    ("perceptron", "torch"): 1.5,
    ("perceptron", "jax"): 1.5,
    ("convolutions", "torch"): 1.0,
    ("convolutions", "jax"): 2.0,
}
#: Minimum share of the speed of bare matrix products, in per cent.
SHARE = 80.0
WORDS = {
    "perceptron": "perceptron {sizes}",
    "convolutions": "convolutions 3x3 of 32 and 64, pool, dense 128, 10",
}


def python_of(peer: str) -> Path:
    """Return the Python of a peer's environment."""
    return ROOT / f".venv-bench-{peer}" / "bin" / "python"


def server(peer: str, file: Path) -> Server:
    """Return a process of a peer. Its one core is that of the caller."""
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [str(python_of(peer)), "-m", "bench.ann.peer_job", peer, str(file)]
    return Server(command, {**kept, **one, "XLA_FLAGS": flags}, str(ROOT))


def operations(sizes: tuple[int, ...], rows: int) -> float:
    """Return the additions and multiplications of the products of an epoch: forward, by the weights, by the inputs."""
    weights = [inputs * outputs for inputs, outputs in pairwise(sizes)]
    return 2.0 * rows * (3 * sum(weights) - weights[0])  # nothing needs the derivatives by the rows


def _chosen(setting: Setting) -> tuple[tuple[int, ...], dict[str, Rows]]:
    """Return the sizes of the perceptron, and the rows of both networks."""
    counts = {name: min(count, QUICK_ROWS) if setting.quick else count for name, count in ROWS.items()}
    train = fashion(max(counts.values())).train
    return direct.SMALL if setting.quick else direct.LARGE, {
        name: train[:count] for name, count in counts.items()
    }


def _write(file: Path, sizes: tuple[int, ...], rows: dict[str, Rows]) -> None:
    flat, pictures = rows["perceptron"], rows["convolutions"]
    np.savez(
        file,
        sizes=np.array(sizes),
        side=SIDE,
        flat_x=flat.x,
        flat_y=flat.y,
        picture_x=pictures.x,
        picture_y=pictures.y,
    )


def _check(name: str, ours: list[float], about: dict[str, Any]) -> None:
    """Raise unless the second epoch of a peer had about the loss of ours."""
    theirs = about["losses"][name]
    if abs(theirs[1] / ours[1] - 1) > ALIKE:
        raise AssertionError(f"{name}: the losses of {about['library']} are {theirs}, ours {ours}")


def _name(network: str, sizes: tuple[int, ...]) -> str:
    return WORDS[network].format(sizes="-".join(map(str, sizes)))


def products(description: str, rows: int) -> float:
    """Return the seconds of the bare matrix products of an epoch. Its last batch may be a part of one."""
    batch: int = direct.SETTINGS["batch_size"]
    return rows / batch * _native.time_products(description, batch, PRODUCTS)


def _share(made: Any, sizes: tuple[int, ...], rows: int, pairs: int) -> Figure:
    """Compare an epoch of the perceptron with its bare matrix products, by turns."""
    timed = side_by_side(
        lambda: seconds(partial(made.run, 1)),
        partial(products, direct.perceptron(sizes), rows),
        pairs,
        warm_up=False,  # the epochs before were the warm-up
        clock=lambda times: float(times()),
    )
    return Figure(
        f"share of the speed of bare matrix products, one thread, {_name('perceptron', sizes)}",
        100 * timed.ratio,
        "%",
        target=SHARE,
        detail=f"an epoch of {rows:,} rows, {timed.seconds('the products of its layers by the same kernels, alone')}",
    )


def epochs(setting: Setting) -> Iterator[Figure]:
    """An epoch of Adam in batches of 128 rows of Fashion-MNIST, on one thread, beside PyTorch and JAX on the same core, and the bare products."""
    peers = [peer for peer in ("torch", "jax") if python_of(peer).exists()]
    if not peers:
        raise NotInstalledError("neither PyTorch nor JAX is installed: scripts/bench_peers.sh jax, or torch")
    sizes, rows = _chosen(setting)
    described = {"perceptron": direct.perceptron(sizes), "convolutions": direct.convolutions(SIDE)}
    with one_core(), tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        file = Path(folder) / "rows.npz"
        _write(file, sizes, rows)
        ours = {name: direct.trainer(text, rows[name], iterations=10**6) for name, text in described.items()}
        losses = {name: [line["loss"] for line in direct.run(made, 2)] for name, made in ours.items()}
        yield _share(ours["perceptron"], sizes, len(rows["perceptron"]), setting.pairs(5))
        for peer in peers:
            with server(peer, file) as running:
                about = json.loads(running.about)
                for name, made in ours.items():
                    _check(name, losses[name], about)
                    timed = side_by_side(
                        partial(made.run, 1), partial(running.run, name), setting.pairs(5), warm_up=False
                    )
                    detail = timed.seconds(about["library"])
                    if name == "perceptron":
                        rate = operations(sizes, len(rows[name])) / sorted(timed.ours)[len(timed.ours) // 2]
                        detail += f"; {rate / 1e9:.0f} billion operations a second in the products"
                    yield Figure(
                        f"epoch of {len(rows[name]):,} rows, one thread, {_name(name, sizes)}, against {about['library']}",
                        timed.ratio,
                        target=TARGETS[name, peer],
                        detail=detail,
                    )
