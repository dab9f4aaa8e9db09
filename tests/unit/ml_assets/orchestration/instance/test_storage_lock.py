"""One family holds Dagster's storage, until the last of its processes ends."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ml_assets.orchestration.instance.storage_lock import hold_storage
from resources.errors import ConfigurationError

_SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
#: Holds the storage, passes it on to a child, and waits to be killed.
_FAMILY = """\
import pathlib, subprocess, sys, time
from ml_assets.orchestration.instance.storage_lock import hold_storage, note_holder
with hold_storage(pathlib.Path(sys.argv[1])) as held:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleep, pass_fds=[held])
    note_holder(held, child.pid)
    print(child.pid, flush=True)
    time.sleep(600)
"""


def test_storage_is_free_after_the_block(tmp_path: Path) -> None:
    for _ in range(2):
        with hold_storage(tmp_path / "dagster"):
            pass


@pytest.mark.process
def test_child_that_outlives_its_killed_parent_keeps_the_storage(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _FAMILY, str(tmp_path)], stdout=-1)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        with pytest.raises(ConfigurationError, match=rf"process {parent.pid}\b"):
            with hold_storage(tmp_path):
                pass
        parent.kill()
        parent.wait()
        with pytest.raises(ConfigurationError, match=rf"process {child}\b") as refused:
            with hold_storage(tmp_path):
                pass
        assert re.search(rf"kill {child}\b", refused.value.hint or "")
    finally:
        parent.kill()
        os.kill(child, 9)
        parent.stdout.close()


@pytest.mark.process
def test_child_without_the_descriptor_does_not_keep_the_storage(tmp_path: Path) -> None:
    """A stage or a run that goes on keeps no server from its start."""
    with hold_storage(tmp_path):
        child = subprocess.Popen(_SLEEP, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
    try:
        with hold_storage(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.mark.parametrize("text", [b"", b"1", b"nobody\n", b"\xff" * 99])
def test_what_the_file_says_is_no_lock(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "ui.lock").write_bytes(text)
    with hold_storage(tmp_path):
        assert (tmp_path / "ui.lock").read_text().startswith(f"{os.getpid()} ")


@pytest.mark.parametrize("text", ["", "1\n", "1 1\n", "x y z\n", "-1 0\n", "99999999 0\n", "\xff"])
def test_process_that_is_not_the_noted_one_is_not_named(tmp_path: Path, text: str) -> None:
    """Process ids are reused: nobody is advised to kill another process."""
    with hold_storage(tmp_path):
        (tmp_path / "ui.lock").write_text(text, "latin-1")
        with pytest.raises(ConfigurationError, match="process unknown") as refused:
            with hold_storage(tmp_path):
                pass
        assert "kill" not in (refused.value.hint or "")
