"""Confinement: what cannot be denied is refused, and normal work goes on."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from security.sandbox import confinement, landlock, mount_table, ruleset
from security.sandbox.confinement import ConfinementError, FileView, can_confine, start_confined
from security.sandbox.mount_table import Mount, other_names

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")

_SECRET = "the-private-key"


@pytest.fixture(params=["mounts", "landlock"], autouse=True)
def mechanism(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hide paths by mounts, where this process may change them, and by Landlock alone."""
    if request.param == "landlock":
        monkeypatch.setattr(confinement, "can_enter_view", lambda: False)
    return str(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A key and a checkout side by side."""
    for name in ("keys", "work"):
        (tmp_path / "place" / name).mkdir(parents=True)
    return tmp_path / "place"


@pytest.mark.process
def test_what_is_denied_by_a_link_is_denied_where_it_leads_and_the_link_stays(
    tmp_path: Path,
) -> None:
    (tmp_path / "far" / "keys").mkdir(parents=True)
    (tmp_path / "far" / "keys" / "key").write_text(_SECRET)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "link").symlink_to("../far/keys")
    script = "cat far/keys/key near/link/key; rm -f near/link; ln -sfn /tmp near/link"

    denied = [tmp_path / "near" / "link" / "key"]
    output = _say(["sh", "-c", script], denied, tmp_path)

    assert _SECRET not in output
    assert os.readlink(tmp_path / "near" / "link") == "../far/keys"


def test_a_file_with_a_second_hard_link_cannot_be_denied(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(_SECRET)
    os.link(tmp_path / "key", tmp_path / "other")
    with pytest.raises(ConfinementError, match="another hard link"):
        _say(["true"], [tmp_path / "key"], tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [("keys", "relative"), ("/", "root directory"), ("/usr/..", "root directory")],
)
def test_what_cannot_be_denied_is_said(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfinementError, match=message):
        _say(["true"], [Path(path)], tmp_path)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ConfinementError, match="too many links"):
        _say(["true"], [tmp_path / "a" / "key"], tmp_path)


def test_a_kernel_without_landlock_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 1)
    assert not can_confine()
    with pytest.raises(ConfinementError, match="cannot deny access"):
        _say(["touch", "ran"], [tmp_path / "keys"], tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.process
def test_directory_in_a_hidden_one_can_be_used_and_its_siblings_cannot(tmp_path: Path) -> None:
    """A gate works in its own directory among those of others."""
    private, deep = tmp_path / "private", tmp_path / "private" / "own" / "below" / "key"
    for name in ("own", "other"):
        (private / name).mkdir(parents=True)
        (private / name / "file").write_text("s3cret")
    deep.parent.mkdir()
    deep.write_text("s3cret")
    view = FileView(hidden=(private,), writable=(private / "own", tmp_path))
    tried = (
        f"cat {private}/own/file; mkdir {private}/own/sub; echo x > {private}/own/sub/y;"
        f" cat {private}/other/file; echo x > {private}/other/new; echo x > {private}/new;"
        f" ln {private}/other/file {private}/own/linked; cat {private}/own/linked; true"
    )
    for _ in range(2):  # also from the cache, and never for another view
        started = start_confined(
            lambda: subprocess.Popen(["sh", "-c", tried], stdout=subprocess.PIPE), view
        )
        assert started.communicate()[0] == b"s3cret"
        assert (private / "own" / "sub" / "y").exists()
        assert not (private / "other" / "new").exists() and not (private / "new").exists()
    for other, file in (
        (FileView(hidden=(private,), writable=(private / "other",)), private / "own" / "file"),
        (FileView(hidden=(private, deep), writable=(private / "own",)), deep),
    ):
        started = start_confined(
            partial(subprocess.Popen, ["cat", str(file)], stdout=subprocess.PIPE), other
        )
        assert started.communicate()[0] == b""


@pytest.mark.process
def test_what_start_raises_arrives_and_no_thread_or_descriptor_stays(tmp_path: Path) -> None:
    def start_missing() -> None:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            start_confined(
                lambda: subprocess.Popen(["no-such-program"]), FileView((tmp_path / "keys",))
            )

    start_missing()  # starts what stays for good
    gc.collect()
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")))
    for _ in range(20):
        start_missing()
    gc.collect()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    # One ruleset is cached, and threads of earlier tests may open a file: fewer than one a call.
    assert threads - before[0] < 10
    assert descriptors - before[1] < 10


@pytest.mark.process
def test_many_at_once_are_kept_from_their_own_only(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "key").write_text(f"key-{number}")
    said: dict[int, str] = {}

    def look(number: int) -> None:
        script = "cat ?/key 2>/dev/null; true"
        said[number] = _say(["sh", "-c", script], [tmp_path / str(number)], tmp_path)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in range(8):
        others = "".join(f"key-{other}" for other in range(8) if other != number)
        assert said[number] == others


_WORK = """
import multiprocessing, os, pty, shutil, sqlite3, socket, subprocess, sys, tempfile
from pathlib import Path
with tempfile.NamedTemporaryFile() as file: file.write(b"x")
Path("a").mkdir(); Path("b").mkdir(); Path("a/one").write_text("1")
os.rename("a/one", "b/one"); os.link("b/one", "a/one"); os.symlink("one", "a/link")
shutil.move("b", "c"); shutil.copytree("a", "d"); shutil.rmtree("d"); os.truncate("c/one", 0)
os.chmod("c/one", 0o600); os.mkfifo("fifo"); Path("/dev/null").write_text("x")
sqlite3.connect("db").execute("create table t (x)").connection.commit()
master, slave = pty.openpty(); os.write(master, b"x")
with socket.socket() as s: s.bind(("127.0.0.1", 0)); s.listen()
with socket.socket(socket.AF_UNIX) as s: s.bind("socket"); s.listen()
lock = multiprocessing.get_context("spawn").Lock()
child = os.fork()
if not child: os.pause() if hasattr(os, "pause") else __import__("signal").pause()
os.kill(child, 9); assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
Path("module.py").write_text("x = 1")
subprocess.run([sys.executable, "-m", "compileall", "-q", "."], check=True)
name = ["-c", "user.name=a", "-c", "user.email=a@b"]
for git in (["init", "-q"], ["add", "."], [*name, "commit", "-qm", "m"],
            ["mv", "module.py", "other.py"], ["status", "--short"], ["gc", "-q"]):
    subprocess.run(["git", *git], check=True)
print(os.listdir("/") != [], os.listdir("..") != [])
"""


_TOOL = """
import sys
from pathlib import Path
from security.gates.tool.tool_process import ToolCommand, run_tool
from security.sandbox.file_view import FileView
ended = run_tool(ToolCommand(tuple(eval(sys.argv[1])), Path.cwd(), eval(sys.argv[2]), 30.0,
                         FileView((Path("../keys").resolve(), Path("../later").resolve()))))
print(ended.errors + ended.output.decode())
"""


@pytest.mark.process
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_normal_work_goes_on(place: Path, depth: int) -> None:
    """In a confined process, in a tool, in a tool that a tool has started."""
    work = place / "work"
    (work / "tmp").mkdir()
    variables = {"PATH": os.environ["PATH"], "HOME": str(work), "TMPDIR": str(work / "tmp")}
    variables["PYTHONPATH"] = os.getcwd()
    command = [sys.executable, "-c", _WORK]
    for _ in range(depth):
        command = [sys.executable, "-c", _TOOL, repr(command), repr(variables)]
    output = _say(command, [place / "keys", place / "later"], work, variables)
    assert "True True" in output.splitlines()[-1 - depth :], output
    assert "R  module.py -> other.py" in output


@pytest.mark.process
def test_beside_what_is_denied_files_can_be_changed_but_not_made_or_removed(place: Path) -> None:
    (place / "notes").write_text("old")
    script = "echo new > notes; rm notes; echo x > added; ls; true"
    output = _say(["sh", "-c", script], [place / "keys", place / "later"], place)
    assert (place / "notes").read_text() == "new\n"
    assert not (place / "added").exists()
    assert {"keys", "notes", "work"} <= set(output.split())


@pytest.mark.process
def test_what_comes_later_is_granted_to_who_starts_later(place: Path) -> None:
    denied = [place / "keys"]
    for number in range(6):
        (place / str(number)).write_text(f"{number}")
        assert _say(["cat", str(number)], denied, place) == f"{number}"
        time.sleep(0.06)  # before and after the times have settled
        assert _say(["cat", str(number)], denied, place) == f"{number}"


def test_a_ruleset_is_built_once_while_nothing_changes() -> None:
    denied = [Path("/var/no-such-directory/keys")]
    os.close(ruleset.build_ruleset(denied))
    time.sleep(0.15)
    os.close(ruleset.build_ruleset(denied))
    started = time.perf_counter()
    for _ in range(20):
        os.close(ruleset.build_ruleset(denied))
    assert time.perf_counter() - started < 0.2  # 3 ms measured


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/keys", {"/mnt/all/keys", "/mnt/keys"}),
        ("/data/keys/inner", {"/mnt/all/keys/inner", "/mnt/keys/inner"}),
        ("/data", {"/mnt/all", "/mnt/keys"}),
        ("/data/other", {"/mnt/all/other"}),
    ],
)
def test_other_mounts_of_the_same_directory_are_other_names_of_it(
    path: str, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = (
        Mount(1, "8:1", "/", "/"),
        Mount(2, "8:2", "/home", "/data"),
        Mount(3, "8:2", "/home", "/mnt/all"),
        Mount(4, "8:2", "/home/keys", "/mnt/keys"),
        Mount(5, "8:2", "/homes", "/mnt/homes"),
        Mount(6, "8:3", "/home", "/mnt/another"),
    )
    monkeypatch.setattr(mount_table, "_mount_of", lambda path: 2)
    assert other_names(path, mounts) == expected


_MOUNTED_TWICE = """
import ctypes, subprocess, sys
from pathlib import Path
from security.sandbox.confinement import FileView, start_confined
libc = ctypes.CDLL(None, use_errno=True)
place = Path(sys.argv[1])
assert libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x44000, None) == 0
assert libc.mount(bytes(place / "keys"), bytes(place / "work"), None, 0x1000, None) == 0
def start():
    return subprocess.Popen(["cat", place / "work" / "key"])
print(start().wait(), start_confined(start, FileView((place / "keys",))).wait())
"""


@pytest.mark.process
@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="mounting is root's")
def test_a_bind_mount_made_before_is_no_way_either(place: Path) -> None:
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        return  # the tests are a confined tool themselves: no mount is made before either
    (place / "keys" / "key").write_text(_SECRET)
    ended = subprocess.run(
        [sys.executable, "-c", _MOUNTED_TWICE, str(place)], capture_output=True, check=False
    )
    assert ended.stdout.endswith(b"0 1\n"), ended.stderr


def _say(
    arguments: list[str],
    denied: list[Path],
    directory: Path,
    variables: dict[str, str] | None = None,
) -> str:
    """Run a program confined; return what it said, complaints too."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            cwd=directory,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    output, _ = start_confined(start, FileView(tuple(denied))).communicate(timeout=30)
    return output.decode()
