"""Warnings to users."""

from __future__ import annotations

import warnings

import pytest

from mmlrs._warnings import warn_once


@pytest.fixture(autouse=True)
def none_issued_yet(monkeypatch) -> None:
    monkeypatch.setattr("mmlrs._warnings._warned", set())


def test_a_note_is_issued_once_at_the_line_of_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_once(["a", "b"])
        warn_once(["a"])
    assert [str(warning.message) for warning in caught] == ["a", "b"]
    assert {warning.filename for warning in caught} == {__file__}


def test_a_note_that_is_an_error_stays_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UserWarning, match="the cause"):
                warn_once(["the cause"])
