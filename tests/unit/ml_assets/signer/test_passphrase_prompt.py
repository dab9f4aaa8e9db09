"""The prompt for a passphrase: the signer asks, and no other process sees the answer."""

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resources.errors import UnavailableError
from resources.signing.keyring import Keyring

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
PASSPHRASE = "s3cret-passphrase"
#: Takes its standard input as terminal, starts the signer, and lets it ask.
PROGRAM = """\
import fcntl, json, os, sys, termios
if os.isatty(0):
    fcntl.ioctl(0, termios.TIOCSCTTY)
from pathlib import Path
from ml_assets.signer.access import find_signer, is_separate, separate_signer
from resources.errors import ResourceError
separate_signer([Path.cwd()])
try:
    find_signer().generate(prompts=True)
except ResourceError as error:
    print(json.dumps([type(error).__name__, error.message]))
else:
    print(json.dumps(is_separate()))
"""


def start(home: Path, terminal: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=home,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def read_question(controller: int) -> str:
    text = ""
    deadline = time.monotonic() + 60
    while "passphrase: " not in text and time.monotonic() < deadline:
        text += os.read(controller, 1024).decode()
    return text


def test_passphrase_of_the_terminal_encrypts_the_key(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = start(tmp_path, terminal)
    read_question(controller)
    os.write(controller, f"{PASSPHRASE}\n".encode())
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(output) is True
    keyring = Keyring(tmp_path / ".config" / "ml-assets")
    with pytest.raises(UnavailableError, match="passphrase"):
        keyring.open_signer(None)
    keyring.open_signer(PASSPHRASE)


def test_interruption_ends_the_question(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = start(tmp_path, terminal)
    read_question(controller)
    os.write(controller, b"\x03")
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not Keyring(tmp_path / ".config" / "ml-assets").exists()


def test_without_a_terminal_nothing_waits(tmp_path: Path) -> None:
    process = start(tmp_path, subprocess.DEVNULL)
    output, _ = process.communicate(timeout=60)
    assert json.loads(output) == [
        "ConfigurationError",
        "cannot ask for a passphrase without a terminal",
    ]
