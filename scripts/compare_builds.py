"""Compares the speed of two builds of mmlrs: for instance the portable wheel with the build for development.

    python scripts/compare_builds.py A B [--pairs 15]

A and B are folders that contain the package `mmlrs`, such as the checkout and a folder of `pip install --target`. Each runs in
a process of its own on one core. The two alternate, each job runs once in each pair, and the median of the ratios of CPU times
is printed: above 1, B is faster.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


def photographs(count: int, height: int, width: int) -> list[bytes]:
    """Return JPEG files with the detail of photographs."""
    import numpy as np
    import skimage.data
    from PIL import Image

    samples: Any = skimage.data
    coffee = Image.fromarray(samples.coffee()).resize((width, height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).integers(-6, 7, (count, height, width, 3), np.int16)
    files = []
    for grain in noise:
        out = io.BytesIO()
        Image.fromarray(np.clip(np.asarray(coffee) + grain, 0, 255).astype(np.uint8)).save(
            out, "JPEG", quality=90
        )
        files.append(out.getvalue())
    return files


def pngs(files: list[bytes], size: int) -> list[bytes]:
    """Return the files as small PNG files."""
    from PIL import Image

    out = []
    for file in files:
        stream = io.BytesIO()
        Image.open(io.BytesIO(file)).resize((size, size)).save(stream, "PNG")
        out.append(stream.getvalue())
    return out


def jobs() -> dict[str, Callable[[], object]]:
    """Return the work to time, by name. The data are the same in both processes."""
    import numpy as np
    import pyarrow as pa

    from mmlrs.featurize import Featurize
    from mmlrs.image import ImageFeaturizer, ImageTransformer
    from mmlrs.onnx import ONNXModel
    from mmlrs.testing import sample_model
    from mmlrs.text import TextFeaturizer

    random = np.random.default_rng(0)
    files = photographs(6, 960, 1280)
    large = pa.table({"image": files})
    small = pa.table({"image": pngs(files, 400)})
    pixels = ImageTransformer(inputCol="image", outputCol="pixels").transform(large).select(["pixels"])
    few = (
        ImageTransformer(inputCol="image", outputCol="pixels")
        .resize(480, 640)
        .transform(large)
        .select(["pixels"])
    )
    words = np.array(["".join(random.choice(list("abcdefghijklmnop"), 6)) for _ in range(5000)])
    texts = pa.table({"text": [" ".join(random.choice(words, 60)) for _ in range(4000)]})
    counted = TextFeaturizer(inputCol="text", outputCol="features").fit(texts)
    numbers = pa.table(
        {f"n{i}": random.normal(size=100_000) for i in range(8)} | {"job": random.choice(words[:9], 100_000)}
    )
    featurized = Featurize(inputCols=numbers.column_names, outputCol="features").fit(numbers)
    rows = pa.table(
        {"x": pa.FixedSizeListArray.from_arrays(pa.array(random.random(400_000), pa.float32()), 4)}
    )

    def transform(stage: Any, table: pa.Table) -> Callable[[], object]:
        return lambda: stage.transform(table)

    def images(**options: Any) -> Any:
        return ImageTransformer(inputCol="pixels", outputCol="out", **options)

    return {
        "decode JPEG": transform(ImageTransformer(inputCol="image", outputCol="out"), large),
        "decode PNG": transform(ImageTransformer(inputCol="image", outputCol="out"), small),
        "decode and shrink JPEG": transform(
            ImageTransformer(inputCol="image", outputCol="out", interpolation="area").resize(224, 224), large
        ),
        "resize, linear": transform(images().resize(600, 800), pixels),
        "resize, area": transform(images(interpolation="area").resize(224, 224), pixels),
        "resize, cubic": transform(images(interpolation="cubic").resize(600, 800), pixels),
        "colours and filters": transform(
            images().colorFormat("gray").gaussianKernel(5, 1.2).canny(50, 150), few
        ),
        "median and bilateral": transform(images().medianBlur(5).bilateralFilter(5, 30, 30), few),
        "warp": transform(images().rotate(20), few),
        "equalize": transform(images().equalizeHist().clahe(), few),
        "ImageFeaturizer": transform(ImageFeaturizer(inputCol="image", outputCol="out"), large),
        "ONNXModel": transform(ONNXModel(model=sample_model(), inputCol="x", outputCol="y"), rows),
        "text, fit": lambda: TextFeaturizer(inputCol="text", outputCol="features").fit(texts),
        "text, transform": transform(counted, texts),
        "Featurize": transform(featurized, numbers),
    }


def serve() -> None:
    """Run the named job for each line of the input, and print CPU and wall seconds."""
    work = jobs()
    import mmlrs

    print(list(work), mmlrs.__file__, sep="\t", flush=True)
    for line in sys.stdin:
        job = work[line.strip()]
        wall, cpu = time.perf_counter(), time.process_time()
        job()
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


class Build:
    """A process with one build."""

    def __init__(self, folder: str, core: int) -> None:
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
        command = ["taskset", "-c", str(core), sys.executable, __file__, "--serve", folder, folder]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        names, self.path = self.line().split("\t")
        self.names: list[str] = [name.strip("' ") for name in names.strip("[]").split("', '")]

    def line(self) -> str:
        """Return the next line that the process prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def seconds(self, name: str) -> tuple[float, float]:
        """Return CPU and wall seconds of one job."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        cpu, wall = self.line().split()
        return float(cpu), float(wall)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Compare the speed of two builds.")
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return
    core = min(os.sched_getaffinity(0))
    builds = [Build(os.path.abspath(folder), core) for folder in (args.a, args.b)]
    print(f"A: {builds[0].path}\nB: {builds[1].path}\nload {os.getloadavg()[0]:.1f}")
    print(f"{'job':<24}{'A, ms':>9}{'B, ms':>9}{'A / B':>8}{'quartiles':>16}{'wall':>8}")
    for name in builds[0].names:
        for build in builds:
            build.seconds(name)
        pairs = []
        for i in range(args.pairs):
            order = builds if i % 2 == 0 else builds[::-1]
            times = {id(build): build.seconds(name) for build in order}
            pairs.append([times[id(build)] for build in builds])
        cpu, wall = ([a[k] / b[k] for a, b in pairs] for k in (0, 1))
        low, middle, high = statistics.quantiles(cpu, n=4)
        a, b = (statistics.median(pair[k][0] for pair in pairs) * 1000 for k in (0, 1))
        print(
            f"{name:<24}{a:>9.2f}{b:>9.2f}{middle:>8.3f}{low:>8.3f}{high:>8.3f}{statistics.median(wall):>8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
