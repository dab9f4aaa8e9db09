"""The prompt for a passphrase: asked by the process that uses it, at the user's terminal."""

from __future__ import annotations

import getpass
import os
import signal

from resources.errors import ConfigurationError


def ask_passphrase(variable: str) -> str | None:
    """Ask for a passphrase at the terminal of this process; None if the user enters none.

    Ctrl-C ends the question and this process.

    Args:
        variable: that holds the passphrase where there is no terminal.

    Raises:
        ConfigurationError: there is no terminal.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError as error:
        raise ConfigurationError(
            "cannot ask for a passphrase without a terminal", f"set {variable}"
        ) from error
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return getpass.getpass("passphrase: ") or None
    finally:
        signal.signal(signal.SIGINT, before)
