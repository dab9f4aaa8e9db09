"""Confinement: what is denied stays out of reach, by whatever way."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from security.sandbox import confinement, landlock
from security.sandbox.confinement import FileView, start_confined

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's"),
    pytest.mark.process,
]

_SECRET = "the-private-key"

#: What each attack may use. It says what it got hold of; it gives up without a word.
_PRELUDE = """
import ctypes, os, shutil, socket, stat, struct, subprocess, sys, time
place, victim = sys.argv[1], int(sys.argv[2])
key, store, work = f"{place}/keys/key.pem", f"{place}/store", f"{place}/work"
libc = ctypes.CDLL(None, use_errno=True)
def read(path):
    with open(path, "rb") as file:
        print(file.read().decode("ascii", "replace"))
"""

#: Each reads the key, or touches the store, or the victim, if nothing stops it.
_ATTACKS = {
    "by path": "read(key)",
    "by a symbolic link": "os.symlink(key, f'{work}/link'); read(f'{work}/link')",
    "by a link to its directory": """
os.symlink(f'{place}/keys', f'{work}/link'); read(f'{work}/link/key.pem')""",
    "by a hard link": "os.link(key, f'{work}/hard'); read(f'{work}/hard')",
    "by an opened path": "fd = os.open(key, os.O_PATH); read(f'/proc/self/fd/{fd}')",
    "by a hard link to an opened path": """
fd = os.open(key, os.O_PATH)
libc.linkat(-100, f'/proc/self/fd/{fd}'.encode(), -100, f'{work}/hard'.encode(), 0x400)
read(f'{work}/hard')""",
    "by moving it": "os.rename(f'{place}/keys', f'{work}/moved'); read(f'{work}/moved/key.pem')",
    "by moving a directory above it": """
os.rename(place, place + '-moved'); os.symlink(place + '-moved', place); read(key)""",
    "by copying": "shutil.copy(key, f'{work}/copy'); read(f'{work}/copy')",
    "through another's root": "read(f'/proc/{victim}/root{key}')",
    "through another's working directory": "read(f'/proc/{victim}/cwd/key.pem')",
    "through another's open file": "read(f'/proc/{victim}/fd/0')",
    "by another program": "subprocess.run(['cat', key])",
    "by a process left behind": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(0.1); read(key); sys.stdout.flush()
    os._exit(0)""",
    "by a bind mount": """
os.mkdir(f'{work}/m')
assert libc.unshare(0x20000) == 0 and libc.mount(b'none', b'/', None, 0x44000, None) == 0
libc.mount(f'{place}/keys'.encode(), f'{work}/m'.encode(), None, 0x1000, None)
read(f'{work}/m/key.pem')""",
    "by a bind mount in a user namespace": """
os.mkdir(f'{work}/m'); libc.unshare(0x10020000)
libc.mount(f'{place}/keys'.encode(), f'{work}/m'.encode(), None, 0x5000, None)
read(f'{work}/m/key.pem')""",
    "by a detached mount": """
tree = libc.syscall(428, -100, f'{place}/keys'.encode(), 1)
read(f'/proc/self/fd/{tree}/key.pem')""",
    "by writing": "open(f'{store}/result', 'w')",
    "by adding": "open(f'{store}/other', 'w')",
    "by cutting": "os.truncate(f'{store}/result', 0)",
    "by removing": "os.unlink(f'{store}/result')",
    "by replacing": "open(f'{work}/r', 'w'); os.rename(f'{work}/r', f'{store}/result')",
    "by linking into it": "open(f'{work}/r', 'w'); os.link(f'{work}/r', f'{store}/other')",
    "by making a directory": "os.mkdir(f'{store}/directory')",
    "by replacing it all": "os.rename(store, f'{place}/old'); os.mkdir(store)",
    "by exchanging it": """
os.mkdir(f'{work}/s'); libc.renameat2(-100, store.encode(), -100, f'{work}/s'.encode(), 2)""",
    "by making what is not there yet": "os.makedirs(f'{place}/later/results')",
    "by killing": "os.kill(victim, 15)",
    "by tracing": "print('GOT' if libc.ptrace(0x4206, victim, None, None) == 0 else '')",
    "by reading memory": "open(f'/proc/{victim}/mem', 'rb'); print('GOT')",
    "by an abstract socket": "socket.socket(socket.AF_UNIX).connect(f'\\0{place}'); print('GOT')",
}
#: Ways that only root has.
_ATTACKS_OF_ROOT = {
    "by the disk": """
for entry in os.scandir('/dev'):
    if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode):
        open(entry.path, 'rb').read(1); print('GOT')""",
    "by a device of its own": """
os.mknod(f'{work}/disk', stat.S_IFBLK | 0o600, os.stat(place).st_dev)
print('GOT')""",
    "by what the kernel starts": "open('/proc/sys/kernel/core_pattern', 'r+'); print('GOT')",
}


@dataclass(frozen=True)
class _Place:
    path: Path
    victim: int

    @property
    def view(self) -> FileView:
        return FileView((self.path / "keys", self.path / "store", self.path / "later" / "results"))

    def attack(self, script: str, *, confined: bool) -> str:
        """Run it; return all that it said."""
        arguments = (sys.executable, "-I", "-S", "-c", _PRELUDE + script)

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                (*arguments, str(self.path), str(self.victim)),
                cwd=self.path / "work",
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

        process = start_confined(start, self.view) if confined else start()
        output, complaints = process.communicate(timeout=20)
        print(complaints.decode())
        return output.decode()

    def harm(self, said: str) -> bool:
        """Whether an attack had success."""
        if _SECRET in said or "GOT" in said or (self.path / "later").exists():
            return True
        if os.waitid(os.P_PID, self.victim, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        store = self.path / "store"
        return sorted(os.listdir(store)) != ["result"] or (store / "result").read_text() != "passed"


@pytest.fixture(params=["mounts", "landlock"], autouse=True)
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hide paths by mounts, where this process may change them, and by Landlock alone."""
    if request.param == "landlock":
        monkeypatch.setattr(confinement, "can_enter_view", lambda: False)
    return str(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[_Place]:
    """A key, a store and a checkout side by side; a process and a socket outside of all."""
    path = tmp_path / "place"
    for name in ("keys", "store", "work"):
        (path / name).mkdir(parents=True)
    (path / "keys" / "key.pem").write_text(_SECRET)
    (path / "store" / "result").write_text("passed")
    with (path / "keys" / "key.pem").open() as file, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{path}")
        listener.listen()
        with subprocess.Popen(["sleep", "60"], stdin=file, cwd=path / "keys") as victim:
            yield _Place(path, victim.pid)
            victim.kill()


@pytest.mark.parametrize("name", [*_ATTACKS, *_ATTACKS_OF_ROOT])
def test_what_is_denied_is_out_of_reach(place: _Place, name: str) -> None:
    script = {**_ATTACKS, **_ATTACKS_OF_ROOT}[name]
    assert not place.harm(place.attack(script, confined=True))

    shutil.rmtree(place.path / "work")
    (place.path / "work").mkdir()
    if not _is_restricted() and (name in _ATTACKS or os.geteuid() == 0):
        assert place.harm(place.attack(script, confined=False)), "the attack itself does not work"


def test_our_memory_is_closed_while_the_thread_that_starts_is_in_the_same_domain(
    tmp_path: Path,
) -> None:
    look = (
        "import os\nparent, seen = os.getppid(), 0\n"
        "for task in os.listdir(f'/proc/{parent}/task'):\n"
        "    seen += 1\n"
        "    try: open(f'/proc/{parent}/task/{task}/mem', 'rb'); print('GOT', flush=True)\n"
        "    except OSError: pass\n"
        "print('looked at', seen, flush=True)\n"
    )

    def start_slowly() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", look], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert landlock.set_dumpable(0) == 0  # as root, missing capabilities alone would do
        process.stdout.peek(1)  # type: ignore[attr-defined]  # buffered: the look is over
        return process

    output, _ = start_confined(start_slowly, FileView((tmp_path / "keys",))).communicate()

    assert b"GOT" not in output
    assert int(output.split()[-1]) > 1  # the thread was there to be looked at
    assert landlock.set_dumpable(1) == 1  # as before


def test_this_process_itself_stays_unconfined(place: _Place) -> None:
    before = _is_restricted()
    place.attack("", confined=True)
    assert (place.path / "keys" / "key.pem").read_text() == _SECRET
    assert _is_restricted() == before


def _is_restricted() -> bool:
    """Whether the tests themselves run as a confined tool, where few attacks work anyway."""
    return "NoNewPrivs:\t1" in Path("/proc/self/status").read_text()
