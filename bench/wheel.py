"""The portable wheel against the build for development: the same jobs on one core, and the size of the wheel."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Figure, Setting, side_by_side
from bench.server import Server, serve

ROOT = Path(__file__).resolve().parents[1]
#: Jobs without a target: they are operations of OpenCV that no target names.
WITHOUT_TARGET = ("colours and filters", "median and bilateral", "warp", "equalize")
MAX_MB = 15.0


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
    texts = pa.table({"text": [" ".join(random.choice(words, 60)) for _ in range(20_000)]})
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


def server(folder: Path, core: int) -> Server:
    """Return a process that has imported mmlrs from a folder, on one core."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = ["taskset", "-c", str(core), sys.executable, "-c", "from bench import wheel; wheel.run_jobs()"]
    return Server(command, environment, tempfile.gettempdir())


def run_jobs() -> None:
    """Serve the jobs in this process."""
    import mmlrs

    serve(jobs(), str(Path(mmlrs.__file__).parent))


def newest_wheel() -> Path:
    """Return the wheel that `make wheel` has built."""
    wheels = sorted((ROOT / "target/wheels").glob("mmlrs-*-manylinux_2_28_*.whl"))
    if not wheels:
        raise FileNotFoundError("there is no portable wheel in target/wheels: make wheel")
    return wheels[-1]


def wheel(setting: Setting) -> Iterator[Figure]:
    """The portable wheel against the build for development, on one core: ratios of CPU times."""
    path = newest_wheel()
    yield Figure("size of the wheel", path.stat().st_size / 1e6, "MB", MAX_MB, at_least=False)
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([sys.executable, *install, "--target", folder, str(path)], check=True)
        with server(Path(folder), core) as portable, server(ROOT, core) as development:
            if not portable.about.startswith(folder) or not development.about.startswith(str(ROOT)):
                raise RuntimeError(f"mmlrs was imported from {portable.about} and {development.about}")
            for job in portable.jobs:
                timed = side_by_side(
                    partial(portable.run, job),
                    partial(development.run, job),
                    setting.pairs(25),
                    clock=lambda run: float(run()[0]),
                )
                yield Figure(
                    f"wheel, {job}",
                    timed.ratio,
                    target=None if job in WITHOUT_TARGET else 1.0,
                    detail=timed.detail(1, "the development build", "of CPU time"),
                )
