"""Arrow data crosses into Rust whole, or with one error."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmlrs import _native
from mmlrs.errors import ExecutionError


class Damaged:
    """An array whose parts do not fit together, as another library may hand it over."""

    def __init__(self, array: pa.Array) -> None:
        self.array = array

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self.array.__arrow_c_array__(requested_schema)


def test_what_cannot_be_imported_is_an_error_without_a_word_on_the_error_stream(capfd):
    inner = pa.StructArray.from_arrays([pa.array(range(6))], names=["a"])
    outer = pa.StructArray.from_arrays([inner], names=["b"])
    sliced = outer.slice(2, 3)
    # The import counts the offset of a slice twice; stages therefore hand structs over whole.
    with pytest.raises(ExecutionError, match=r"^the Arrow data cannot be imported: "):
        _native.take(Damaged(sliced), pa.array([0, 2], pa.int64()))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("given", [7, None, "text", [1, 2]])
def test_what_is_no_arrow_data_is_an_error(given):
    with pytest.raises((TypeError, ValueError)):
        _native.take(given, pa.array([0]))
