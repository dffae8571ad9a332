"""The environment variables of the Hugging Face Hub, as huggingface_hub reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mmlrs._environment import folder_of, is_true, text_of
from mmlrs.errors import InvalidParamError

__all__ = ["HubSettings"]


@dataclass(frozen=True)
class HubSettings:
    """Where models come from and where they are kept.

    Parameters
    ----------
    cache : Path
        Folder of the cache: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`.
    endpoint : str
        URL of the Hub: `HF_ENDPOINT`, else `https://huggingface.co`.
    token : str, optional
        Token of the user: `HF_TOKEN`, else the content of `HF_HOME/token`.
    offline : str, optional
        Name of the variable that forbids connections: `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE`.
    head_timeout, timeout : float
        Seconds to wait for the answer about a file and for the file: `HF_HUB_ETAG_TIMEOUT` and `HF_HUB_DOWNLOAD_TIMEOUT`.
    symlinks : bool
        Whether the cache may use symbolic links: not if `HF_HUB_DISABLE_SYMLINKS` is set.
    """

    cache: Path
    endpoint: str = "https://huggingface.co"
    token: str | None = field(default=None, repr=False)
    offline: str | None = None
    head_timeout: float = 10.0
    timeout: float = 10.0
    symlinks: bool = True

    @property
    def allow_http(self) -> bool:
        """Whether the endpoint itself is an http URL."""
        return self.endpoint.startswith("http://")

    @classmethod
    def of_environment(cls) -> HubSettings:
        """Return the settings of the environment variables of now.

        Raises
        ------
        InvalidParamError
            `HF_ENDPOINT` is not a web address, or the token is not a token.
        """
        home = folder_of("HF_HOME") or (folder_of("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
        endpoint = (text_of("HF_ENDPOINT") or cls.endpoint).rstrip("/")
        if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", endpoint):
            raise InvalidParamError(
                f"HF_ENDPOINT must be a URL like https://huggingface.co, got {endpoint!r:.100}"
            )
        return cls(
            cache=folder_of("HF_HUB_CACHE") or folder_of("HUGGINGFACE_HUB_CACHE") or home / "hub",
            endpoint=endpoint,
            token=_token(folder_of("HF_TOKEN_PATH") or home / "token"),
            offline=next(
                (name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if is_true(name)),
                None,
            ),
            head_timeout=_seconds("HF_HUB_ETAG_TIMEOUT"),
            timeout=_seconds("HF_HUB_DOWNLOAD_TIMEOUT"),
            symlinks=not is_true("HF_HUB_DISABLE_SYMLINKS"),
        )


def _seconds(name: str) -> float:
    text = text_of(name)
    try:
        return max(float(text or 0), 0.0) or 10.0
    except ValueError:
        raise InvalidParamError(f"{name} must be a number of seconds, got {text!r:.40}") from None


def _token(file: Path) -> str | None:
    """Return the token. One from a file is not sent if `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set."""
    if is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN"):
        return None
    token, source = text_of("HF_TOKEN") or text_of("HUGGING_FACE_HUB_TOKEN"), "HF_TOKEN"
    if token is None:
        try:
            token, source = file.read_text("utf-8").strip() or None, str(file)
        except (OSError, UnicodeDecodeError):
            return None
    if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token):
        raise InvalidParamError(f"{source} is not a token: it has spaces or characters outside ASCII")
    return token
