"""A web service that answers with a compiled model, in plain ASGI. It needs neither Spark nor Java.

    MODEL=model uvicorn service:app

POST /predict takes a JSON object with the values of one row, a list of such objects, or a picture (Content-Type: image/...).
GET /health answers once the model is loaded. Errors are `{"error": "..."}`: 400 if the body is not JSON, 422 if the model cannot
use the row.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from mmlrs.compiled import CompiledModel
from mmlrs.errors import MmlrsError

#: Largest body of a request, in bytes.
LARGEST = 16 << 20

model = CompiledModel.load(os.environ["MODEL"])
#: The column of a picture that is sent alone.
picture = os.environ.get("PICTURE_COLUMN", "image")


def answer(body: bytes, kind: str) -> tuple[int, str]:
    """Return the status and the JSON for a request to /predict."""
    try:
        found = scored(body, kind)
    except MmlrsError as error:
        return 422, json.dumps({"error": str(error)})
    except (ValueError, RecursionError) as error:
        return 400, json.dumps({"error": f"the body is not JSON: {error}"})
    try:
        return 200, json.dumps(found, allow_nan=False, default=str)
    except ValueError:
        return 422, json.dumps({"error": "the answer has NaN or an infinity, which JSON cannot hold"})


def scored(body: bytes, kind: str) -> Any:
    """Return the answer of the model for a body."""
    if kind.startswith("image/"):
        return model.predict_one({picture: body})
    data = json.loads(body)
    if not isinstance(data, list):
        return model.predict_one(data)
    return [item(number, row) for number, row in enumerate(data)]


def item(number: int, row: Any) -> dict[str, Any]:
    """Return the answer for an item of a list; an error names the item."""
    try:
        return model.predict_one(row)
    except MmlrsError as error:
        raise type(error)(f"item {number} of the list: {error}") from None


async def respond(scope: Any, receive: Callable[[], Awaitable[Any]]) -> tuple[int, str]:
    """Return the status and the JSON for a request."""
    if scope["path"] == "/health":
        return 200, json.dumps({"status": "ok"})
    if scope["path"] != "/predict":
        return 404, json.dumps({"error": "no such path; there are /predict and /health"})
    if scope["method"] != "POST":
        return 405, json.dumps({"error": "/predict takes POST"})
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST:
            return 413, json.dumps({"error": f"the body is larger than {LARGEST} bytes"})
    kind = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
    # In a thread, so that requests are answered at the same time: the native core works without the lock of Python.
    return await asyncio.to_thread(answer, bytes(body), kind)


async def app(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Answer an ASGI request."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    status, content = await respond(scope, receive)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content.encode()})
