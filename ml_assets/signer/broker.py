"""The broker: what a process without credentials can ask of the network, and nothing more.

1. A request names a remote, an operation and the md5 of objects. It holds no address, setting or
   path of an object.
2. The settings of remotes are those of the protected branch and the user. A process without
   credentials lists them once, when a client asks for the first time (``remote_lister.py``).
3. Objects are transferred by a process that has the settings and credentials of this remote only
   (``remote_worker.py``). It ends with its client.
4. An import or a dependency is read at an address that the protected branch names, or below. Only
   the bytes are returned.
5. Git talks to the remote repository of the project or of a mirror, in a process with the variables
   that it needs (``git_call.py``). The address is that of the first request.
6. No answer contains a credential, except variables that the settings of the protected branch pass
   to stages.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess  # nosec B404  # starts this program only
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_assets.signer.channel import Handlers, Message, read_error, receive, send
from ml_assets.signer.credentials import (
    find_credentials,
    select_git_variables,
    select_variables,
)
from ml_assets.signer.git_call import call_git_once
from ml_assets.signer.user_directories import MIRROR
from resources.dvc.cache.object_name import require_names
from resources.dvc.configuration.remote_listing import RemoteListing
from resources.dvc.run.stage_environment import matches
from resources.errors import ConfigurationError, UnavailableError
from security.sandbox.worker import read_answer, start_code

_PACKAGES = Path(__file__).resolve().parents[2]
_LISTER = "ml_assets.project.remote_lister"
_WORKER = "ml_assets.signer.remote_worker"
_LONGEST = 1 << 26  # bytes of a listing
_PATIENCE = 2.0  # seconds that a process gets to end
_OPERATIONS = ("fetch", "push")
_READS = ("info", "list", "read")


@dataclass(frozen=True)
class Places:
    """The checkouts whose remotes a broker serves.

    Attributes:
        project: the DVC root of the command; None without one.
        watches: the directory of the worktrees of watched branches; None serves none of them.
    """

    project: Path | None
    watches: Path | None = None

    def find(self, named: str | None) -> Path:
        """Find the DVC root of a checkout.

        Args:
            named: a worktree of a watched branch; None takes the project.

        Raises:
            ConfigurationError: it is not one of these checkouts.
        """
        if self.project is not None and (named is None or _is_same(named, self.project)):
            return self.project
        if named is not None and self.watches is not None:
            real = Path(os.path.realpath(named))
            if real.is_relative_to(os.path.realpath(self.watches)):
                return real
        raise _refuse(named)

    def find_repository(self, named: str) -> tuple[Path, bool]:
        """Find the repository of a call of Git, and whether it is a mirror.

        Raises:
            ConfigurationError: it is neither the project's nor a mirror.
        """
        real = Path(os.path.realpath(named))
        if self.project is not None and _is_same(named, self.project):
            return real, False
        if real.name == MIRROR and self.find(named) == real:
            return real, True
        raise _refuse(named)


class Broker:
    """Serves one client.

    Args:
        variables: with all credentials.
        client: its connection; a transfer is stopped when it is closed.
    """

    def __init__(self, places: Places, variables: Mapping[str, str], client: socket.socket) -> None:
        self._places = places
        self._variables = variables
        self._client = client
        self._credentials = find_credentials(variables)
        self._listers: dict[Path, subprocess.Popen[bytes]] = {}
        self._listed: dict[Path, tuple[RemoteListing, tuple[str, ...]]] = {}
        self._workers: dict[tuple[Path, str | None], _Worker] = {}
        self._sources: dict[tuple[Path, str], _Worker] = {}
        self._addresses: dict[Path, str | None] = {}

    def build_handlers(self) -> Handlers:
        """Return what a broker does for its client."""
        return {
            "prepare": lambda message: self._prepare(self._places.find(message["place"])),
            "cache": lambda message: self._list(message["place"])[0].cache["dir"],
            "names": lambda _: sorted(self._credentials),
            "passed": lambda message: self._find_passed(message["place"]),
            "transfer": self._transfer,
            "source": self._read_source,
            "git": self._call_git,
        }

    def _prepare(self, root: Path) -> None:
        """Start to list the remotes of a checkout."""
        if root in self._listers:
            return
        plain = select_variables(self._variables, "")
        owned = self._places.project != root
        self._listers[root] = subprocess.Popen(  # nosec B603  # 2
            _command(_LISTER, str(root), "owned" if owned else "own"),
            env=plain,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def _list(self, place: str | None) -> tuple[RemoteListing, tuple[str, ...]]:
        root = self._places.find(place)
        self._prepare(root)
        if root not in self._listed:
            output, _ = self._listers[root].communicate()
            self._listed[root] = _parse_listing(output)
        return self._listed[root]

    def _find_passed(self, place: str | None) -> dict[str, str]:
        patterns = self._list(place)[1]
        names = [name for name in self._credentials if matches(name, patterns)]
        return {name: self._variables[name] for name in names}

    def _transfer(self, message: Message) -> Any:
        operation, name = message["operation"], message["remote"]
        if operation not in _OPERATIONS or not isinstance(name, str | None):
            raise UnavailableError("unknown transfer", "report it as a bug of ml-assets")
        md5s = require_names(message["md5s"])
        return self._open(message["place"], name).ask(operation, self._client, md5s=md5s)

    def _open(self, place: str | None, name: str | None) -> _Worker:
        listing, _ = self._list(place)
        key = self._places.find(place), name
        if key not in self._workers or self._workers[key].has_ended():
            settings = listing.select(name)
            variables = select_variables(self._variables, listing.find_address(name))
            self._workers[key] = _Worker(settings, variables)  # 3
        return self._workers[key]

    def _read_source(self, message: Message) -> Any:
        operation = message["operation"]
        if operation not in _READS:
            raise UnavailableError("unknown operation", "report it as a bug of ml-assets")
        source = {"url": str(message["url"]), "settings": dict(message["settings"])}
        worker = self._open_source(message["place"], source)
        fields = {name: message[name] for name in ("path", "start", "end")}
        return worker.ask(operation, self._client, **fields)

    def _open_source(self, place: str | None, source: Mapping[str, Any]) -> _Worker:
        listing, _ = self._list(place)
        key = self._places.find(place), json.dumps(source, sort_keys=True)
        if key not in self._sources or self._sources[key].has_ended():
            settings, address = listing.select_source(source["url"], source["settings"])  # 4
            variables = select_variables(self._variables, address)
            self._sources[key] = _Worker(settings, variables, source)
        return self._sources[key]

    def _call_git(self, message: Message) -> Any:
        directory, is_mirror = self._places.find_repository(str(message["directory"]))
        if message["operation"] == "push" and not is_mirror:
            raise ConfigurationError("no push to the project's remote", "push it yourself")
        variables = select_git_variables(self._variables)
        if directory not in self._addresses:
            asked = {"request": "address"}
            self._addresses[directory] = (
                call_git_once(directory, None, asked, variables, self._client)
                if is_mirror
                else None
            )
        request = {**message, "request": message["operation"]}
        return call_git_once(
            directory, self._addresses[directory], request, variables, self._client
        )

    def close(self) -> None:
        """Stop the processes of this client."""
        workers = (*self._workers.values(), *self._sources.values())
        for worker in workers:
            worker.release()
        for worker in workers:
            worker.wait()
        for lister in self._listers.values():
            lister.kill()


class _Worker:
    """The process of one remote, or of one source."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        variables: Mapping[str, str],
        source: Mapping[str, Any] | None = None,
    ) -> None:
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # nosec B603
                _command(_WORKER, str(theirs.fileno()), function="serve"),
                env=dict(variables),
                cwd="/",
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        send(self._connection, {"settings": settings, "source": source})

    def ask(self, operation: str, client: socket.socket, **fields: object) -> Any:
        try:
            send(self._connection, {"request": operation, **fields})
            ready, _, _ = select.select([self._connection, client], [], [])
            if client in ready:  # a client sends nothing while it waits: it is gone
                self.kill()
                raise SystemExit
            message = receive(self._connection)
        except (OSError, ValueError):
            message = None
        if message is None:
            self.kill()
            raise UnavailableError(
                f"the process of the remote ended during a {operation}", "run the command again"
            )
        if "error" in message:
            raise read_error(message)
        return message["answer"]

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def release(self) -> None:
        """Let the process remove its files and end."""
        self._connection.close()

    def wait(self) -> None:
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._connection.close()


def _is_same(named: str, project: Path) -> bool:
    return os.path.realpath(named) == os.path.realpath(project)


def _refuse(named: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"no credentials for this checkout: {named}", "run the command in the project"
    )


def _command(module: str, *arguments: str, function: str = "answer") -> list[str]:
    return [sys.executable, "-I", "-c", start_code(module, function), str(_PACKAGES), *arguments]


def _parse_listing(output: bytes) -> tuple[RemoteListing, tuple[str, ...]]:
    try:
        document = json.loads(read_answer(output, _LONGEST))
    except ValueError as error:
        raise UnavailableError("cannot list the remotes", "check: dvc remote list") from error
    if "error" in document:
        raise read_error(document)
    refused = {name: (one[0], one[1]) for name, one in document["refused"].items()}
    passed = tuple(document.pop("passed"))
    return RemoteListing(**{**document, "refused": refused}), passed
