"""Machines on which mmlrs or a library that it needs is missing, unsuitable or of another version: one clear error each."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from places import ROOT

import mmlrs
from mmlrs import _native
from mmlrs._broken import explained
from mmlrs.featurize import CleanMissingData
from mmlrs.stages import FlattenBatch
from mmlrs.testing import worker_counters
from mmlrs.text import UnicodeNormalize

SITE = Path(sysconfig.get_paths()["purelib"])
NATIVE = Path(_native.__file__)

#: Applies a model to a table and prints the error.
INFER = """
    import pyarrow as pa
    from mmlrs.errors import ModelLoadError
    from mmlrs.onnx import ONNXModel
    from mmlrs.testing import sample_model

    try:
        table = ONNXModel(model=sample_model(), inputCol="x").transform(pa.table({"x": [[0.0, 1.0, 2.0, 3.0]]}))
        print(table.num_rows)
    except ModelLoadError as error:
        print(error)
"""


def environment(**variables: str) -> dict[str, str]:
    """Return the variables of this process without those that name libraries."""
    kept = {k: v for k, v in os.environ.items() if k not in ("ORT_DYLIB_PATH", "PYTHONPATH")}
    return {**kept, **variables}


def output_of(program: str, cwd: Path, python: str = sys.executable, **variables: str) -> str:
    command = [python, "-c", textwrap.dedent(program)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment(**variables), cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


# -- workers ----------------------------------------------------------------------------------------------------------


def python_without_mmlrs(folder: Path) -> Path:
    """Return the interpreter of an environment with the installed packages, except this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for entry in SITE.iterdir():
        if not entry.name.startswith(("mmlrs", "__editable__")):
            (packages / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


def test_a_worker_without_mmlrs_is_named(tmp_path):
    python = python_without_mmlrs(tmp_path / "without")
    program = """
        from mmlrs.text import UnicodeNormalize
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
        df = spark.createDataFrame([("a",)], "t string")
        try:
            UnicodeNormalize(inputCol="t", outputCol="n").transform(df).collect()
        except Exception as error:
            print(error)
    """
    output = output_of(program, tmp_path, PYSPARK_PYTHON=str(python))
    assert f"RuntimeError: mmlrs: the Python worker {python} on node " in output
    assert (
        f"has no mmlrs (No module named 'mmlrs'). Install mmlrs {mmlrs.__version__} in that Python on every node"
        in output
    )


@pytest.mark.spark
@pytest.mark.parametrize(
    "work",
    [
        lambda df: UnicodeNormalize(inputCol="t", outputCol="n").transform(df).collect(),
        lambda df: (
            UnicodeNormalize(inputCol="t", outputCol="n", handleInvalid="skip").transform(df).collect()
        ),
        lambda df: FlattenBatch(cols=["l"]).transform(df).collect(),
        lambda df: CleanMissingData(inputCols=["x"], outputCols=["y"], cleaningMode="Median").fit(df),
        lambda df: df.select(mmlrs.pandas_udf(UnicodeNormalize(inputCol="t"))("t")).collect(),
        lambda df: worker_counters(df.sparkSession),
    ],
    ids=["column", "skip", "batches", "fit", "pandas UDF", "counters"],
)
def test_a_worker_with_another_version_is_named(spark, monkeypatch, work):
    df = spark.createDataFrame([("a", [1.0], 1.0)], "t string, l array<double>, x double")
    monkeypatch.setattr("mmlrs.engine.sent.__version__", "9.9.9")
    mmlrs.clear_caches()
    with pytest.raises(
        Exception,
        match=rf"RuntimeError: mmlrs: the driver runs version 9\.9\.9, but the Python worker .* on node .* runs version "
        rf"{re.escape(mmlrs.__version__)} \(.*mmlrs\)\. Install mmlrs 9\.9\.9 in that Python on every node",
    ):
        work(df)
    mmlrs.clear_caches()


# -- the native module --------------------------------------------------------------------------------------------------


def copy_of_package(folder: Path, native: bytes | None) -> Path:
    """Copy the Python files of the package, with this content as the native module."""
    shutil.copytree(ROOT / "mmlrs", folder / "mmlrs", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    if native is not None:
        (folder / "mmlrs" / NATIVE.name).write_bytes(native)
    return folder


IMPORT = """
    import mmlrs
    print(mmlrs.__file__)
    try:
        import mmlrs.image
    except ImportError as error:
        print(error)
"""


def import_error(folder: Path, *prefix: str) -> str:
    command = [*prefix, sys.executable, "-c", textwrap.dedent(IMPORT)]
    variables = environment(PYTHONPATH=str(folder))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=variables, cwd=folder, check=True
    )
    file, error = done.stdout.strip().split("\n")
    assert file.startswith(str(folder)), "the copy is what is imported"
    assert error.startswith("mmlrs: the native module cannot be loaded: ")
    return error


def test_a_native_module_of_another_architecture_is_named(tmp_path):
    native = bytearray(NATIVE.read_bytes())
    native[18:20] = (183).to_bytes(2, "little")  # aarch64
    error = import_error(copy_of_package(tmp_path, bytes(native)))
    assert f"{NATIVE.name} is for aarch64, and this machine is {platform.machine()}" in error
    assert "What to do: install mmlrs on a machine of this architecture" in error


def test_a_folder_of_sources_is_not_an_installation(tmp_path):
    error = import_error(copy_of_package(tmp_path, None))
    assert f"{tmp_path}/mmlrs has no compiled module for this system. What to do: " in error
    assert "install a wheel: pip install mmlrs" in error


def test_a_damaged_native_module_is_named(tmp_path):
    error = import_error(copy_of_package(tmp_path, NATIVE.read_bytes()[:40]))
    assert "file too short" in error
    assert "pip install --force-reinstall mmlrs" in error


def test_a_file_system_that_executes_nothing_is_named(tmp_path):
    source = copy_of_package(tmp_path / "source", NATIVE.read_bytes())
    target = tmp_path / "target"
    target.mkdir()
    mount = f'mount -t tmpfs -o noexec none "{target}" && cp -r "{source}"/mmlrs "{target}" && exec "$@"'
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no mount namespaces")
    error = import_error(target, *prefix)
    assert "is on a file system from which programs cannot be executed (mounted with noexec)" in error
    assert "spark.local.dir" in error


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.35' not found (required by _native.abi3.so)",
            "C library is older than GLIBC 2.35. What to do: install a wheel from PyPI",
        ),
        (
            "libopencv_imgproc.so.406: cannot open shared object file: No such file or directory",
            "library libopencv_imgproc.so.406 is missing. What to do: this is a development build",
        ),
    ],
)
def test_what_the_loader_reports_is_explained(reason, words):
    assert words in str(explained(ImportError(reason)))


# -- ONNX Runtime -------------------------------------------------------------------------------------------------------

#: A library with the entry point of ONNX Runtime and an old version.
OLD = """
    typedef struct { const void *(*api)(unsigned); const char *(*version)(void); } Base;
    static const void *api(unsigned version) { return 0; }
    static const char *version(void) { return "1.9.0"; }
    static const Base base = {api, version};
    const Base *OrtGetApiBase(void) { return &base; }
"""


def fake_package(folder: Path, library: Path | bytes) -> Path:
    """Make an onnxruntime package around a library."""
    capi = folder / "onnxruntime" / "capi"
    capi.mkdir(parents=True)
    (capi.parent / "__init__.py").write_text("")
    target = capi / "libonnxruntime.so.1.9.0"
    if isinstance(library, bytes):
        target.write_bytes(library)
    else:
        shutil.copy(library, target)
    return folder


def compiled(folder: Path) -> Path:
    (folder / "old.c").write_text(OLD)
    library = folder / "old.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, folder / "old.c"], check=True, timeout=60)
    return library


def test_an_old_onnx_runtime_is_named_with_its_version(tmp_path):
    packages = fake_package(tmp_path / "packages", compiled(tmp_path))
    message = output_of(INFER, tmp_path, PYTHONPATH=str(packages))
    assert "ONNXModel: " in message
    assert (
        f"ONNX Runtime 1.9.0 at `{packages}/onnxruntime/capi/libonnxruntime.so.1.9.0` is too old" in message
    )
    assert "pip install -U onnxruntime" in message


def test_a_damaged_onnx_runtime_is_not_reported_as_missing(tmp_path):
    packages = fake_package(tmp_path / "packages", b"\x7fELF damaged")
    message = output_of(INFER, tmp_path, PYTHONPATH=str(packages))
    assert "ONNX Runtime cannot be loaded: " in message
    assert f"{packages}/onnxruntime/capi/libonnxruntime.so.1.9.0" in message
    assert "not installed" not in message


def test_the_runtime_of_the_environment_wins_over_a_stale_variable(tmp_path):
    stale = compiled(tmp_path)
    message = output_of(INFER, tmp_path, ORT_DYLIB_PATH=str(stale))
    assert message.startswith("1\n")
    assert (
        f"UserWarning: ORT_DYLIB_PATH names {stale}, but this Python environment has an onnxruntime package"
        in message
    )
    assert "Unset the variable, or uninstall the package" in message


WITHOUT = 'import sys; sys.modules["onnxruntime"] = None\n'


def test_without_the_package_the_variable_names_the_runtime(tmp_path):
    [library] = (SITE / "onnxruntime" / "capi").glob("libonnxruntime.so.*")
    program = WITHOUT + textwrap.dedent(INFER)
    assert output_of(program, tmp_path, ORT_DYLIB_PATH=str(library)) == "1\n"
    message = output_of(program, tmp_path, ORT_DYLIB_PATH=str(tmp_path / "gone.so"))
    assert f"ORT_DYLIB_PATH names {tmp_path}/gone.so, which is not a file: pip install onnxruntime" in message


# -- temporary folders --------------------------------------------------------------------------------------------------


def test_a_driver_without_a_temporary_folder_is_told_what_to_set(monkeypatch):
    import tempfile

    from mmlrs.engine import artifacts
    from mmlrs.errors import IoError

    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/folder")
    monkeypatch.setattr(artifacts, "INLINE_BYTES", 0)
    artifacts._folder.cache_clear()
    blob = _native.put_blob(b"a large model")
    session = type("Session", (), {})()
    with pytest.raises(
        IoError, match=r"no temporary folder for models that are sent to the workers: .*; set TMPDIR"
    ):
        artifacts.payload(blob.sha256, session, None)
