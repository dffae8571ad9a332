"""The check of the portable wheel sees what a wheel must not have, and counts every byte of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import places
import pytest

import mmlrs


@pytest.fixture(scope="module")
def script():
    return places.script("wheel_parts")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel with the extension of this checkout, which is linked to the OpenCV of the system."""
    path = tmp_path_factory.mktemp("wheel") / "mmlrs-0-cp310-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.write(Path(mmlrs.__file__).parent / "_native.abi3.so", "mmlrs/_native.abi3.so")
        archive.writestr("mmlrs/__init__.py", "x = 1\n")
        archive.writestr("mmlrs/_generated/image.py", "y = 22\n")
        archive.writestr("mmlrs/models/imagenet.txt", b"labels")
        archive.writestr("mmlrs/examples/camera_traps/report.css", "p {}\n")
        archive.writestr("mmlrs-0.dist-info/METADATA", "Name: mmlrs\n")
    return path


def test_a_library_of_the_system_and_a_large_file_are_refused(script, wheel, capsys):
    wrong = script.check(wheel)
    assert any(line.startswith("mmlrs/_native.abi3.so needs libopencv_core.so") for line in wrong)
    assert any(line.startswith(f"{wheel.name} has ") for line in wrong)
    assert any(line.startswith("mmlrs/_native.abi3.so contains the path ") for line in wrong)
    assert not any("libc.so" in line or "libgcc_s" in line for line in wrong)
    assert "the limit is 15 MB" in capsys.readouterr().out


def test_every_file_belongs_to_a_part(script, wheel):
    with zipfile.ZipFile(wheel) as archive:
        sizes = {part: size for part, _, size in script.sizes(archive)}
        assert sum(sizes.values()) == sum(entry.file_size for entry in archive.infolist())
    assert sizes.keys() == {part for part, _ in script.PARTS}
    assert sizes["Python code, generated"] == len("y = 22\n")


@pytest.mark.parametrize(
    ("symbol", "library"),
    [
        ("cv::resize(cv::_InputArray const&, int)", "OpenCV"),
        ("cv_resize_const__InputArrayR", "OpenCV"),
        ("jsimd_idct_islow_avx2", "libjpeg-turbo"),
        ("ZSTD_decompress", "zstd"),
        ("std::__1::locale::~locale()", "libc++ and unwinder"),
        ("arrow_cast::cast::cast_with_options", "arrow"),
        ("<mmlrs_image::image::Image as core::fmt::Debug>::fmt", "mmlrs_image"),
        ("<&mut serde_json::ser::Serializer<W> as serde::Serializer>::serialize_str", "serde_json"),
        ("alloc::vec::Vec<T>::push", "Rust's standard library"),
        ("main", "other C and unnamed"),
    ],
)
def test_a_symbol_belongs_to_its_library(script, symbol, library):
    assert script.crate_of(symbol) == library
