"""Servers and folders for the tests of downloads, in an environment without settings."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from web import VARIABLES, Web, web_server

from mmlrs import _warnings


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder HF_HOME, with no other setting and without huggingface_hub."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setattr(_warnings, "_warned", set())
    return tmp_path / "home"


@pytest.fixture
def cache(home: Path) -> Path:
    return home / "hub"


@pytest.fixture
def repo(cache: Path) -> Path:
    return cache / "models--org--name"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "model.onnx"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as server:
        yield server


@pytest.fixture
def other() -> Iterator[Web]:
    """A server on another host."""
    with web_server() as server:
        yield server


@pytest.fixture
def hub(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """The server that is the Hub."""
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    return web


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
