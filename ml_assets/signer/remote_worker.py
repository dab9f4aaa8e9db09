"""The worker of one remote or source: a process with its settings and credentials only.

It works in a new directory and reads no file of a checkout. For a remote it reads and writes cache
objects only. Of a source it reads the files at and below one address.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Sequence
from functools import partial

from ml_assets.signer.channel import Handlers, Message, answer, receive, send
from resources.dvc.cache.remote_storage import RemoteStorage
from resources.dvc.cache.source_storage import SourceStorage
from resources.dvc.configuration.repository import RemoteOnly
from security.sandbox.private_directory import make_private


def serve(arguments: Sequence[str]) -> None:
    """Transfer objects or read files until the broker is gone.

    Args:
        arguments: the number of the socket of the broker.
    """
    connection = socket.socket(fileno=int(arguments[0]))
    start = receive(connection) or {}
    source = start.get("source")
    with make_private("remote-") as directory:
        open_repository = partial(RemoteOnly, directory, start.get("settings", {}))
        handlers = (
            _build_handlers(RemoteStorage(open_repository))
            if source is None
            else _read_source(SourceStorage(open_repository, source["url"], source["settings"]))
        )
        while (message := receive(connection)) is not None:
            send(connection, answer(handlers, message))


def _build_handlers(storage: RemoteStorage) -> Handlers:
    def fetch(message: Message) -> object:
        return dict(storage.fetch(message["md5s"]))

    def push(message: Message) -> object:
        return dict(storage.push(message["md5s"]))

    return {"fetch": fetch, "push": push}


def _read_source(source: SourceStorage) -> Handlers:
    def read(message: Message) -> object:
        start, end = int(message["start"]), int(message["end"])
        return base64.b64encode(source.read(str(message["path"]), start, end)).decode("ascii")

    return {
        "info": lambda message: source.info(str(message["path"])),
        "list": lambda message: source.list(str(message["path"])),
        "read": read,
    }
