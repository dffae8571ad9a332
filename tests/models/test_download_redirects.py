"""Redirects: whom they may lead to, and what they take along."""

from __future__ import annotations

from typing import Any

import pytest
from fetching import DATA, get
from web import file, redirect

from mmlrs.errors import InvalidParamError, IoError


def test_a_token_stays_with_its_host(web, other, target):
    web.pages |= {"/f": redirect(f"{web.url}/near"), "/near": redirect(f"{other.url}/far")}
    other.pages["/far"] = file(DATA, cuts=[4000])
    assert get(f"{web.url}/f", target, headers={"Authorization": "Bearer secret", "X-Other": "1"}) == DATA
    assert [r.headers.get("Authorization") for r in web.requests] == ["Bearer secret"] * 4
    assert [r.headers.get("Authorization") for r in other.requests] == [None, None]
    assert [r.headers.get("X-Other") for r in other.requests] == ["1", "1"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(web, target, code):
    web.pages |= {"/f": redirect("/g", code), "/g": file(DATA)}
    assert get(f"{web.url}/f", target) == DATA


@pytest.mark.parametrize(
    "there", ["file:///etc/passwd", "ftp://host/f", "data:text/plain,x", "gopher://x/", "", "http://a@b/"]
)
def test_redirects_to_other_schemes_are_refused(web, target, there):
    web.pages["/f"] = redirect(there)
    with pytest.raises(IoError, match=rf"{web.url}/f: the server redirects to .*; use another URL"):
        get(f"{web.url}/f", target)
    assert not target.exists()


class Answer:
    """An answer of a server that is not there."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers

    def close(self) -> None:
        pass


def test_a_redirect_from_https_to_http_is_refused_even_where_http_is_allowed(web, target):
    web.pages["/f"] = file(DATA)
    asked: list[str] = []

    def opener(request: Any, timeout: float) -> Any:
        asked.append(request.full_url)
        return Answer(302, {"Location": f"{web.url}/f"})

    with pytest.raises(IoError, match="redirects from https to http"):
        get("https://host/f", target, opener=opener)
    assert asked == ["https://host/f"]
    assert web.requests == []


def test_endless_redirects_end(web, target):
    web.pages["/f"] = redirect("/f")
    with pytest.raises(IoError, match="more than 5 redirects"):
        get(f"{web.url}/f", target)
    assert len(web.requests) == 6


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://host/f", "http is not encrypted"),
        ("file:///etc/passwd", "not a URL of a web server"),
        ("https://", "not a URL of a web server"),
        ("https://host:port/", "not a URL of a web server"),
        ("https://host/a b", "visible ASCII"),
        ("https://host/a\r\nX: y", "visible ASCII"),
    ],
)
def test_other_urls_are_refused(target, url, cause):
    with pytest.raises(InvalidParamError, match=cause):
        get(url, target, allow_http=False)


def test_a_password_in_a_url_is_refused_and_not_shown(target):
    with pytest.raises(InvalidParamError, match="the URL of host has a user name") as caught:
        get("https://me:secret@host/f", target)
    assert "secret" not in str(caught.value)
