"""HTTP requests for downloads. Importing this module loads urllib and ssl, so functions import it when they need it."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

from mmlrs.errors import InvalidParamError, IoError

__all__ = ["NetworkError", "Opener", "StatusError", "checked_url", "exchange", "read_some", "refuse_redirect"]

#: Sends one request, `opener(request, timeout)`, and returns the response. It does not follow redirects.
Opener: TypeAlias = Callable[[urllib.request.Request, float], Any]

#: Number of redirects that a request follows.
MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
#: Statuses of a server that may answer the same request later.
_BUSY = {408, 429, 500, 502, 503, 504}
_PORTS = {"http": 80, "https": 443}


class NetworkError(IoError):
    """The server cannot be reached, is busy, or closes the connection too early. `cause` is the message without the URL."""

    cause: str = ""

    @classmethod
    def of(cls, url: str, cause: str) -> NetworkError:
        """Return the error of a request."""
        error = cls(f"{url}: {cause}")
        error.cause = cause
        return error


class StatusError(IoError):
    """The server refuses the request with `status`."""

    status: int = 0
    headers: Message = Message()

    @classmethod
    def of(cls, url: str, status: int, reason: str, headers: Message) -> StatusError:
        """Return the error of a request."""
        error = cls(f"{url}: the server answers {status} {reason}".rstrip())
        error.status, error.headers = status, headers
        return error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to `exchange`, which checks each of them."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect."""


def _open(request: urllib.request.Request, timeout: float) -> Any:
    return urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout)


def checked_url(url: str, allow_http: bool) -> str:
    """Return the URL if it is an https URL, or an http URL where that is allowed.

    Raises
    ------
    InvalidParamError
        It is neither, or holds a password, a space or a control character.
    """
    if not url.isascii() or any(c <= " " or c == "\x7f" for c in url):
        raise InvalidParamError(
            f"{url!r:.200}: a URL has only visible ASCII characters; encode others with %"
        )
    parts = _split(url)
    if parts is None or not parts.hostname or parts.scheme not in _PORTS:
        raise InvalidParamError(f"{url!r:.200} is not a URL of a web server; use https://host/path")
    if "@" in parts.netloc:
        raise InvalidParamError(
            f"the URL of {parts.hostname} has a user name or password; pass a header instead"
        )
    if parts.scheme == "http" and not allow_http:
        raise InvalidParamError(
            f"{url}: http is not encrypted; use https, or allow http with allow_http=True"
        )
    return url


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def exchange(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    allow_http: bool = False,
    opener: Opener | None = None,
    leave_host: bool = True,
) -> Any:
    """Return the response to a request, after redirects.

    The headers `Authorization` and `Cookie` reach only the host of `url`: they do not follow a redirect to another host, port or
    scheme.

    Parameters
    ----------
    url : str
        The URL.
    method : str, default "GET"
        The method.
    headers : mapping, optional
        Headers of the request.
    timeout : float, default 10.0
        Seconds to wait for each answer.
    allow_http : bool, default False
        Whether `url` may be an http URL. A redirect from https to http is refused even then.
    opener : callable, optional
        Sends one request, as `opener(request, timeout)`, without following redirects.
    leave_host : bool, default True
        Whether to follow redirects to other hosts. If not, the response is the redirect.

    Raises
    ------
    NetworkError
        The server cannot be reached or is busy.
    StatusError
        The server refuses the request.
    IoError
        A redirect is refused, or the certificate of the server is not valid.
    """
    send = _open if opener is None else opener
    here, fields = checked_url(url, allow_http), dict(headers or {})
    for _ in range(MAX_REDIRECTS + 1):
        response = _answer(url, urllib.request.Request(here, headers=fields, method=method), timeout, send)  # noqa: S310 - checked
        status = response.status
        if status not in _REDIRECTS:
            return response
        there = _redirected(url, here, response.headers.get("Location"), response)
        if _origin(there) != _origin(here):
            if not leave_host:
                return response
            fields = {k: v for k, v in fields.items() if k.lower() not in ("authorization", "cookie")}
        response.close()
        here = there
    raise IoError(f"{url}: more than {MAX_REDIRECTS} redirects; check the URL")


def refuse_redirect(url: str, response: Any) -> None:
    """Raise an error if a response, to a request that may not leave the host, is a redirect.

    Raises
    ------
    IoError
        It is one.
    """
    if response.status in _REDIRECTS:
        there = urlsplit(urljoin(url, response.headers.get("Location") or ""))
        response.close()
        raise IoError(
            f"{url}: the server redirects to another host or scheme, {there.scheme}://{there.netloc}, which is refused; use the"
            " URL that it redirects to"
        )


def _redirected(url: str, here: str, location: str | None, response: Any) -> str:
    """Return the absolute URL of a redirect."""
    there = urljoin(here, location or "")
    parts = _split(there)
    cause = None
    if not location or parts is None or not parts.hostname or "@" in parts.netloc:
        cause = "the server redirects to an address that is not a URL"
    elif parts.scheme not in _PORTS:
        cause = f"the server redirects to a URL of the scheme `{parts.scheme}`, which is refused"
    elif parts.scheme == "http" and urlsplit(here).scheme == "https":
        cause = "the server redirects from https to http, which is not encrypted and is refused"
    if cause is not None:
        response.close()
        raise IoError(f"{url}: {cause}; use another URL")
    return there.replace(" ", "%20")


def _answer(url: str, request: urllib.request.Request, timeout: float, send: Opener) -> Any:
    """Return the response to one request, redirects included."""
    try:
        return send(request, timeout)
    except urllib.error.HTTPError as error:
        if error.code in _REDIRECTS:
            return error
        error.close()
        if error.code in _BUSY:
            raise NetworkError.of(url, f"the server answers {error.code} {error.reason}".rstrip()) from None
        raise StatusError.of(url, error.code, str(error.reason or ""), error.headers) from None
    except (IoError, InvalidParamError):
        raise
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            cause = f"the certificate of the server is not valid: {reason.verify_message}"
            raise IoError(f"{url}: {cause}; set SSL_CERT_FILE to the certificates that you trust") from None
        raise NetworkError.of(url, f"the server cannot be reached: {_cause(reason, timeout)}") from None


def read_some(url: str, response: Any, size: int, timeout: float) -> bytes:
    """Return up to `size` bytes of a response; no bytes are its end.

    Raises
    ------
    NetworkError
        The connection ends or is silent for `timeout` seconds.
    """
    try:
        data: bytes = response.read1(size)  # not `read`, which loses what came before a timeout
    except (OSError, http.client.HTTPException) as error:
        raise NetworkError.of(url, f"the connection ended: {_cause(error, timeout)}") from None
    return data


def _cause(error: object, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer is incomplete"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
