"""The processes with secrets: started first, before anything reads the checkout.

1. The signer has the variables with passphrase, PIN and identity tokens, and can open the directory
   of keys. The broker has the variables with credentials for the network. Their parent forgets
   both, and hides the directory from itself (``security/sandbox/private_mounts.py``), and so from
   all processes that it starts. It also hides the files through which a step of a CI job sets
   variables and paths of later steps. The broker hides the same, and forgets what the signer has.
2. They read requests from a socket that they share with their parent, and no file that a branch or
   a stage can write. For the processes of Dagster they have doors (``door.py``).
3. They end when their parent ends. Signals of the terminal are for the parent.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ml_assets.signer.broker import Broker, Places
from ml_assets.signer.broker_client import BrokerClient
from ml_assets.signer.channel import answer, receive, send
from ml_assets.signer.client import SignerClient, build_handlers
from ml_assets.signer.credentials import find_credentials
from ml_assets.signer.door import ADDRESS_VARIABLE, BROKER_VARIABLE, Door, Serve
from ml_assets.signer.service import PASSPHRASE_VARIABLE, SignerService
from ml_assets.signer.token_key import PIN_VARIABLE
from security.sandbox.landlock import set_dumpable
from security.sandbox.private_mounts import hide_directories
from security.sandbox.process_variables import forget

#: Variables with a secret that only the signer needs.
SECRETS = (
    PASSPHRASE_VARIABLE,
    PIN_VARIABLE,
    "SIGSTORE_ID_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
)
#: Variables with the path of a file whose lines a CI runner executes or exports after the step.
RUNNER_FILES = (
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
)


_LONGEST = 1 << 26  # bytes of a request to the broker


def start_signer(
    directory: Path,
    variables: MutableMapping[str, str],
    in_use: Sequence[Path],
    *,
    shared: bool = False,
) -> SignerClient:
    """Start the signer process, and give up this process's own access to keys.

    Args:
        directory: the user's configuration directory, with the keys.
        variables: the environment of this process; loses its secrets.
        in_use: see ``hide_directories``.
        shared: also serve the processes that are started from here; their environment has its
            address.

    Raises:
        ConfinementError: this system cannot hide the keys. The signer process has ended.
    """
    started = dict(variables)

    def serve(client: socket.socket) -> None:
        handlers = build_handlers(SignerService(directory, started))
        while (message := receive(client)) is not None:  # 2
            send(client, answer(handlers, message))

    door = Door("signer-") if shared else None
    connection, pid = _fork(serve, door)
    try:
        _hide(directory, variables, in_use)
    except BaseException:
        connection.close()
        os.waitpid(pid, 0)
        raise
    forget((*SECRETS, *RUNNER_FILES), variables)
    _keep(connection, pid, door, ADDRESS_VARIABLE, variables)
    return SignerClient(connection)


class StartedBroker:
    """A broker process. Start it before the signer; then keep or end it.

    Args:
        places: the checkouts whose remotes it serves.
        directory: the user's configuration directory, with the keys.
        variables: the environment of this process.
        in_use: see ``hide_directories``.
        shared: also serve the processes that are started from here.
    """

    def __init__(
        self,
        places: Places,
        directory: Path,
        variables: MutableMapping[str, str],
        in_use: Sequence[Path],
        *,
        shared: bool = False,
    ) -> None:
        def prepare() -> None:
            _hide(directory, variables, in_use)
            forget((*SECRETS, *RUNNER_FILES), variables)

        def serve(client: socket.socket) -> None:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored at a door
            broker = Broker(places, variables, client)
            handlers = broker.build_handlers()
            try:
                while (message := receive(client, _LONGEST)) is not None:  # 2
                    send(client, answer(handlers, message))
            finally:
                broker.close()

        self._variables = variables
        self._door = Door("broker-") if shared else None
        self._connection, self._pid = _fork(serve, self._door, prepare)

    def keep(self) -> BrokerClient:
        """Give up this process's own credentials for the network; return the client."""
        forget(find_credentials(self._variables), self._variables)
        _keep(self._connection, self._pid, self._door, BROKER_VARIABLE, self._variables)
        return BrokerClient(self._connection)

    def end(self) -> None:
        """End the process: this process keeps its credentials."""
        if self._door is not None:
            self._door.close()
        _wait_for_end(self._connection, self._pid)


def find_runner_files(variables: Mapping[str, str]) -> list[Path]:
    """Find the files through which a step of a CI job changes later steps."""
    named = (Path(variables[name]) for name in RUNNER_FILES if variables.get(name))
    return [file for file in named if file.is_file()]


def _hide(directory: Path, variables: Mapping[str, str], in_use: Sequence[Path]) -> None:
    hide_directories([directory, *find_runner_files(variables)], in_use)


def _keep(
    connection: socket.socket,
    pid: int,
    door: Door | None,
    address: str,
    variables: MutableMapping[str, str],
) -> None:
    if door is not None:
        door.close()
        variables[address] = door.address
    atexit.register(_wait_for_end, connection, pid)


def _wait_for_end(connection: socket.socket, pid: int) -> None:
    """Let the process end before this one does, so that nothing is left behind."""
    with suppress(OSError):  # it was killed
        connection.shutdown(socket.SHUT_RDWR)  # also for a child that has a copy of the socket
    connection.close()
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _fork(
    serve: Serve, door: Door | None, prepare: Callable[[], None] = lambda: None
) -> tuple[socket.socket, int]:
    """Start a process; return the connection to it, and its id."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be(theirs, serve, door, prepare)
    theirs.close()
    return ours, pid


def _be(
    connection: socket.socket, serve: Serve, door: Door | None, prepare: Callable[[], None]
) -> NoReturn:
    """Be a process with secrets until the client is gone."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        set_dumpable(0)  # 1
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        prepare()
        if door is not None:
            _open(door, serve, connection)
        serve(connection)
        code = 0
    finally:
        os._exit(code)  # 3


def _open(door: Door, serve: Serve, connection: socket.socket) -> None:
    """Start the process at the door, which ends when this process does."""
    lifeline, ours = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        connection.close()
        door.attend(serve, lifeline)
    os.close(lifeline)
    door.close()
