"""A call of Git over the network, in a process of its own with the variables that Git needs."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from ml_assets.signer.channel import Handlers, Message, answer, read_error, receive, send
from ml_assets.signer.user_directories import MIRROR
from resources.errors import UnavailableError
from resources.git.command import call_git, decode_output, use_bare_repository
from resources.git.remote_repository import RemoteRepository


def call_git_once(
    directory: Path,
    url: str | None,
    request: Message,
    variables: Mapping[str, str],
    client: socket.socket,
) -> Any:
    """Make one call, and return its answer.

    Args:
        directory: of the repository.
        url: of the remote, for a mirror; None for a repository of the user.
        client: the call is stopped when this connection is closed.

    Raises:
        ResourceError: Git fails, or the request is not valid.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_git(theirs, directory, url, request, variables)
    theirs.close()
    try:
        with ours:
            ready, _, _ = select.select([ours, client], [], [])
            if client in ready:  # it sends nothing while it waits: it is gone
                raise SystemExit
            message = receive(ours)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if message is None:
        raise UnavailableError("the process of Git ended during a call", "run the command again")
    if "error" in message:
        raise read_error(message)
    return message["answer"]


def _be_git(
    connection: socket.socket,
    directory: Path,
    url: str | None,
    request: Message,
    variables: Mapping[str, str],
) -> NoReturn:
    try:
        os.setsid()  # Git and its helpers end together
        os.environ.clear()
        os.environ.update(variables)
        if directory.name == MIRROR:
            use_bare_repository(directory)
        send(connection, answer(_build_handlers(directory, url), request))
    finally:
        os._exit(0)


def _build_handlers(directory: Path, url: str | None) -> Handlers:
    remote = RemoteRepository(directory, url)

    def read_address(_: Message) -> str:
        return decode_output(call_git(directory, "config", "--get", "remote.origin.url"))

    return {
        "address": read_address,
        "list_refs": lambda message: remote.list_refs(message["refs"], float(message["patience"])),
        "fetch": lambda message: remote.fetch(message["branches"]),
        "push": lambda message: remote.push(message["ref"], message["new"], message["old"]),
    }
