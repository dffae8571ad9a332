"""Downloads are checked and continue where they ended, whatever the server does."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest
import web as web_module
from fetching import DATA, get, left
from web import file, sha256, status, web_server

from mmlrs.errors import InvalidParamError, IoError, LimitExceededError, MmlrsError, ModelLoadError


def test_a_file_arrives_complete_and_nothing_else_stays(web, target):
    web.pages["/f"] = file(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA).upper(), size=len(DATA)) == DATA
    assert left(target) == []


def test_a_file_that_is_there_and_right_is_not_asked_for(web, target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.requests == []


def test_a_file_that_is_there_and_wrong_is_replaced(web, target):
    target.parent.mkdir()
    target.write_bytes(b"old")
    web.pages["/f"] = file(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA


@pytest.mark.parametrize(
    "validators", [{"etag": '"one"'}, {"etag": 'W/"one"', "modified": "Sat, 01 Aug 2026 10:00:00 GMT"}]
)
def test_a_cut_answer_is_continued(web, target, validators):
    web.pages["/f"] = file(DATA, cuts=[4000, 3000], **validators)
    waits: list[float] = []
    assert get(f"{web.url}/f", target, sha256=sha256(DATA), sleep=waits.append) == DATA
    assert web.sent == len(DATA), "each byte once"
    assert [r.headers.get("Range") for r in web.requests] == [None, "bytes=4000-", "bytes=7000-"]
    assert waits == [0.5, 1.0]


def test_a_later_call_continues_what_an_earlier_one_left(web, target):
    web.pages["/f"] = file(DATA, cuts=[4000])
    with pytest.raises(
        IoError,
        match=r"ended after 4,000 of 10,240 bytes, tried 1 time; the next call continues after 4,000 bytes",
    ):
        get(f"{web.url}/f", target, attempts=1)
    assert not target.exists()
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.sent == len(DATA)
    assert left(target) == []


def test_a_complete_part_needs_no_byte_more(web, target):
    web.pages["/f"] = file(DATA, cuts=[4000])
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)
    target.with_name("model.onnx.incomplete").write_bytes(DATA)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.sent == 4000


@pytest.mark.parametrize(
    "options",
    [{"ranges": False}, {"etag": 'W/"one"'}, {"etag": None}],
    ids=["no ranges", "a weak ETag", "no validator"],
)
def test_what_cannot_be_continued_starts_again(web, target, options):
    web.pages["/f"] = file(DATA, cuts=[4000], **options)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA
    assert web.sent == 4000 + len(DATA)


def test_a_file_that_changed_meanwhile_starts_again(web, target):
    web.pages["/f"] = file(b"x" * len(DATA), cuts=[4000], etag='"old"')
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)
    web.pages["/f"] = file(DATA, etag='"new"')
    assert get(f"{web.url}/f", target) == DATA


def test_a_server_that_ignores_the_condition_of_a_range_is_not_believed(web, target):
    web.pages["/f"] = file(b"x" * len(DATA), cuts=[4000], etag='"old"')
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)

    def page(handler: Any) -> None:
        if handler.headers.get("Range"):
            fields = {
                "Content-Range": f"bytes 4000-{len(DATA) - 1}/{len(DATA)}",
                "Content-Length": len(DATA) - 4000,
            }
            handler.start(206, {**fields, "ETag": '"new"'})
            handler.body(DATA[4000:])
        else:
            file(DATA, etag='"new"')(handler)

    web.pages["/f"] = page
    assert get(f"{web.url}/f", target) == DATA


def test_a_part_with_wrong_bytes_is_dropped_and_the_file_comes_again(web, target):
    web.pages["/f"] = file(DATA, cuts=[4000])
    with pytest.raises(IoError):
        get(f"{web.url}/f", target, attempts=1)
    target.with_name("model.onnx.incomplete").write_bytes(b"x" * 4000)
    assert get(f"{web.url}/f", target, sha256=sha256(DATA)) == DATA


def test_a_server_that_always_cuts_is_given_up_on(web, target):
    web.pages["/f"] = file(DATA, cuts=[10] * 9)
    with pytest.raises(IoError, match=rf"{web.url}/f: the connection ended after 30 .* tried 3 times"):
        get(f"{web.url}/f", target, attempts=3)
    assert len(web.requests) == 3


def test_wrong_bytes_are_an_error_and_deleted(web, target):
    web.pages["/f"] = file(DATA[::-1])
    with pytest.raises(
        ModelLoadError,
        match=f"{web.url}/f: the file has the SHA-256 .*, expected {sha256(DATA)}; the file is deleted",
    ):
        get(f"{web.url}/f", target, sha256=sha256(DATA))
    assert not target.exists()
    assert left(target) == []
    assert len(web.requests) == 1


def test_a_wrong_length_is_an_error_before_it_is_read(web, target):
    web.pages["/f"] = file(DATA)
    with pytest.raises(ModelLoadError, match=r"the server sends 10,240 bytes, expected 10,241"):
        get(f"{web.url}/f", target, size=len(DATA) + 1)
    assert left(target) == []


def test_without_a_length_the_size_tells_whether_the_file_is_complete(web, target):
    web.pages["/f"] = file(DATA, length=-1, cuts=[100])
    assert get(f"{web.url}/f", target, size=len(DATA)) == DATA
    web.pages["/g"] = file(DATA, length=-1)
    with pytest.raises(ModelLoadError, match="10,240 bytes, expected 500"):
        get(f"{web.url}/g", target, size=500)


def test_a_file_beyond_the_limit_is_not_read(web, target):
    web.pages["/f"] = file(DATA)
    with pytest.raises(LimitExceededError, match=r"the file has 10,240 bytes, but max_bytes is 100"):
        get(f"{web.url}/f", target, max_bytes=100)
    assert left(target) == []
    with pytest.raises(LimitExceededError):
        get(f"{web.url}/f", target, max_bytes=100, size=len(DATA))
    assert len(web.requests) == 1


def test_a_file_without_a_length_is_read_up_to_the_limit(web, target):
    web.pages["/f"] = file(DATA, length=-1)
    with pytest.raises(LimitExceededError, match="has more bytes"):
        get(f"{web.url}/f", target, max_bytes=100)
    assert left(target) == []


def test_a_silent_server_is_an_error_in_time(web, target):
    web.pages["/f"] = file(DATA, wait=1.0)
    before = time.monotonic()
    with pytest.raises(IoError, match=r"no answer within 0\.1 seconds, tried 2 times"):
        get(f"{web.url}/f", target, timeout=0.1, attempts=2)
    assert time.monotonic() - before < 0.9


def test_a_server_that_stops_in_the_middle_is_continued(web, target):
    def page(handler: Any) -> None:
        if handler.headers.get("Range"):
            return file(DATA)(handler)
        handler.start(200, {"Content-Length": len(DATA), "ETag": '"one"'})
        handler.body(DATA[:5000])
        handler.wfile.flush()
        return time.sleep(0.5)

    web.pages["/f"] = page
    assert get(f"{web.url}/f", target, timeout=0.1) == DATA
    assert web.sent == len(DATA)


def test_a_busy_server_is_asked_again(web, target):
    answers = [status(503), status(429), file(DATA)]
    web.pages["/f"] = lambda handler: answers.pop(0)(handler)
    assert get(f"{web.url}/f", target) == DATA
    web.pages["/g"] = status(503)
    with pytest.raises(
        IoError, match=r"/g: the server answers 503 Service Unavailable, tried 2 times; try again later"
    ):
        get(f"{web.url}/g", target.with_name("g"), attempts=2)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_not_repeated(web, target, code):
    web.pages["/f"] = status(code)
    with pytest.raises(IoError, match=f"{web.url}/f: the server answers {code} .*; check the URL"):
        get(f"{web.url}/f", target)
    assert len(web.requests) == 1


def test_no_server_is_an_io_error(target):
    with web_server() as gone:
        pass
    with pytest.raises(
        IoError, match=f"{gone.url}/f: the server cannot be reached: Connection refused, tried 2 times"
    ):
        get(f"{gone.url}/f", target, attempts=2)


def test_a_checksum_of_another_form_is_refused(target):
    with pytest.raises(InvalidParamError, match="64 hex digits"):
        get("https://host/f", target, sha256="abc")


def test_errors_can_be_pickled(web, target):
    web.pages["/f"] = status(503)
    with pytest.raises(MmlrsError) as caught:
        get(f"{web.url}/f", target, attempts=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_server_of_the_tests_counts_what_it_sends(web, target):
    web.pages["/f"] = file(DATA)
    get(f"{web.url}/f", target)
    assert web.sent == len(DATA)
    assert web_module.git_sha1(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
