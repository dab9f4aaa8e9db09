"""The signer process: started first, before anything reads the checkout.

1. It holds the environment variables with passphrase, PIN and tokens, and can open the directory of
   keys. Its parent forgets these variables and hides the directory from itself
   (``security/sandbox/private_mounts.py``), and so from all processes that it starts. It also hides
   the files through which a step of a CI job sets variables and paths of later steps.
2. It reads requests from a socket that it shares with its parent, and no file that a branch or a
   stage can write. For the processes of Dagster it has a door (``door.py``).
3. It ends when its parent ends. Signals of the terminal are for the parent.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from ml_assets.signer.channel import receive, send
from ml_assets.signer.client import SignerClient, answer
from ml_assets.signer.door import ADDRESS_VARIABLE, Door
from ml_assets.signer.service import PASSPHRASE_VARIABLE, SignerService
from ml_assets.signer.token_key import PIN_VARIABLE
from security.sandbox.landlock import set_dumpable
from security.sandbox.private_mounts import hide_directories

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
    ours, theirs = socket.socketpair()
    door = Door() if shared else None
    pid = os.fork()
    if pid == 0:
        ours.close()
        _be_signer(theirs, directory, dict(variables), door)
    theirs.close()
    try:
        files = [Path(variables[name]) for name in RUNNER_FILES if variables.get(name)]
        hide_directories([directory, *(file for file in files if file.is_file())], in_use)
    except BaseException:
        ours.close()
        os.waitpid(pid, 0)
        raise
    for name in (*SECRETS, *RUNNER_FILES):
        variables.pop(name, None)
    if door is not None:
        door.close()
        variables[ADDRESS_VARIABLE] = door.address
    atexit.register(_wait_for_end, ours, pid)
    return SignerClient(ours)


def _wait_for_end(connection: socket.socket, pid: int) -> None:
    """Let the signer end before this process does, so that nothing is left behind."""
    with suppress(OSError):  # the signer was killed
        connection.shutdown(socket.SHUT_RDWR)  # also for a child that has a copy of the socket
    connection.close()
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _be_signer(
    connection: socket.socket, directory: Path, variables: dict[str, str], door: Door | None
) -> NoReturn:
    """Be the signer process until the client is gone."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        set_dumpable(0)  # 1
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)

        def serve(client: socket.socket) -> None:
            service = SignerService(directory, variables)
            while (message := receive(client)) is not None:  # 2
                send(client, answer(service, message))

        if door is not None:
            _open(door, serve, connection)
        serve(connection)
        code = 0
    finally:
        os._exit(code)  # 3


def _open(door: Door, serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    """Start the process at the door, which ends when this process does."""
    lifeline, ours = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        connection.close()
        door.attend(serve, lifeline)
    os.close(lifeline)
    door.close()
