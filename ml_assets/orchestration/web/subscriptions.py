"""The messages of a websocket: without the token, only those that subscribe pass.

Dagster speaks Apollo's ``graphql-ws``; the names of ``graphql-transport-ws`` are judged as well.
"""

from __future__ import annotations

import json
from typing import Any

from graphql import OperationType
from starlette.types import Message, Receive, Send

from ml_assets.orchestration.web.access_token import NO_TOKEN
from ml_assets.orchestration.web.operation import find_operations, parse_request
from ml_assets.orchestration.web.refusal import RequestRefusedError

_STARTS = ("start", "subscribe")
_OTHERS = ("connection_init", "connection_terminate", "stop", "complete", "ping", "pong")


def judge_messages(receive: Receive, send: Send) -> Receive:
    """Return a channel with the messages that pass; the others get an error as their answer."""

    async def judge() -> Message:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return message
            try:
                _check(message.get("text"))
            except RequestRefusedError as refusal:
                await send({"type": "websocket.send", "text": _error(message, refusal)})
            else:
                return message

    return judge


def _check(text: str | None) -> None:
    request = parse_request(text or "")
    if request.get("type") in _OTHERS:
        return
    payload = request.get("payload")
    if request.get("type") not in _STARTS or not isinstance(payload, dict):
        raise RequestRefusedError(400, "unknown message: send a subscription")
    if find_operations(payload) != {OperationType.SUBSCRIPTION}:
        raise RequestRefusedError(401, NO_TOKEN)


def _error(message: Message, refusal: RequestRefusedError) -> str:
    answer: dict[str, Any] = {"type": "error", "payload": {"message": refusal.message}}
    try:
        answer["id"] = parse_request(message.get("text") or "").get("id")
    except RequestRefusedError:
        pass
    return json.dumps(answer)
