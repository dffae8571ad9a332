"""Checks of a row with a null, for each value of `handleInvalid`."""

from __future__ import annotations

from mmlrs.base import PythonTransformer, stage_specs
from mmlrs.testing.checks.check import check, tagged, without_param
from mmlrs.testing.checks.context import Context, run_stage

__all__ = ["null_error", "null_in_null_out", "null_reason", "null_skip"]

_UNLESS = [without_param("handleInvalid"), tagged("accepts_nulls")]


@check(unless=[*_UNLESS, tagged("maps_nulls")])
def null_in_null_out(cx: Context) -> None:
    """With "keep" the columns that the stage adds are null in a row with a null."""
    outputs = set(cx.result.column_names) - set(cx.data.column_names)
    not_null = [name for name in outputs if cx.result_with_null[name][0].as_py() is not None]
    assert not not_null, f"{', '.join(not_null)} is not null"


@check(unless=[*_UNLESS, without_param("errorCol")])
def null_reason(cx: Context) -> None:
    """With "keep" the error column holds the reason of a row with a null, and null for a good row."""
    assert cx.result_with_null["__why__"][0].as_py(), "the row with a null has no reason"
    assert cx.result_with_null["__why__"][1].as_py() is None, "a good row has a reason"


@check(unless=_UNLESS)
def null_skip(cx: Context) -> None:
    """With "skip" a row with a null is dropped."""
    skipped = run_stage(cx.with_params(handleInvalid="skip"), cx.data, cx.data_with_null[1])
    copies = cx.result_with_null.num_rows // cx.data.num_rows
    expected = (cx.data.num_rows - 1) * copies
    assert skipped.num_rows == expected, f"{skipped.num_rows} rows, expected {expected}"


@check(unless=_UNLESS)
def null_error(cx: Context) -> None:
    """With "error" a row with a null is one error that names the stage, the column and the row."""
    column, data = cx.data_with_null
    try:
        run_stage(cx.with_params(handleInvalid="error"), cx.data, data)
    except Exception as error:  # noqa: BLE001 - pyspark and mmlrs have no common class
        message = str(error)
        # A stage with nested stages may name the one that read the row.
        names = list(stage_specs()) if isinstance(cx.stage, PythonTransformer) else [cx.stage._stage]
        assert any(name in message for name in names) and column in message and "row 0" in message, message
    else:
        raise AssertionError("a row with a null must be an error")
