"""The broker: it transfers objects of configured remotes, and no client gets its credentials."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ml_assets.signer.broker import Places
from resources.errors import ConfigurationError
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
DATA = b"1,2\n3,4\n"
ID = md5(DATA, usedforsecurity=False).hexdigest()
OTHER = "0" * 32
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-s3",
    "AZURE_STORAGE_KEY": "s3cret-of-azure",
    "SOME_TOKEN": "s3cret-of-something",
    "ML_ASSETS_KEY_PASSPHRASE": "s3cret-of-the-key",
}
#: Starts signer and broker as the console script does, then runs what it is given.
PROGRAM = """\
import json, os, signal, socket, struct, subprocess, sys, time
from pathlib import Path
from ml_assets.signer import access
from ml_assets.signer.broker import Places
from resources.errors import ResourceError

access.separate_signer([Path.cwd()], Places(Path.cwd(), Path.home() / 'watch'), shared=SHARED)
broker = access.find_broker()
peer = broker._peer

def refusal(work):
    try:
        work()
    except ResourceError as error:
        return [type(error).__name__, error.message]
    return None

def transfer(**changes):
    fields = {"operation": "fetch", "remote": "r", "md5s": [], "place": None, **changes}
    return peer.ask("transfer", **fields)

def children(pid):
    listed = Path(f"/proc/self/task/{pid}/children").read_text()
    return [int(one) for one in listed.split()]
"""

Run = Callable[..., Any]


@pytest.fixture
def project(empty_project: DvcProject, tmp_path: Path) -> DvcProject:
    return empty_project.copy(tmp_path / "project")


@pytest.fixture
def run(project: DvcProject, tmp_path: Path) -> Run:
    """Run code in a process that has started its broker; return the JSON that it prints."""
    home = tmp_path / "home"
    home.mkdir()
    store = tmp_path / "store"
    project.write(".dvc/config", f"[core]\n    remote = r\n['remote \"r\"']\n    url = {store}\n")
    project.commit()

    def run_code(code: str, *, shared: bool = False, **variables: str) -> Any:
        ended = subprocess.run(
            [sys.executable, "-c", f"SHARED = {shared}\n{PROGRAM}\n{code}"],
            cwd=project.root,
            env=environment(home, **variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run_code


def environment(home: Path, **variables: str) -> dict[str, str]:
    own = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return {**own, **SECRETS, **variables}


def store_at(directory: Path, name: str = ID, data: bytes = DATA) -> Path:
    """Put an object into a remote or cache."""
    file = directory / "files" / "md5" / name[:2] / name[2:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def cache_of(project: DvcProject) -> Path:
    return project.root / ".dvc" / "cache"


def test_no_process_but_the_broker_has_the_variables(run: Run) -> None:
    seen = run(
        "child = subprocess.run(['env'], capture_output=True, text=True).stdout\n"
        "own = Path('/proc/self/environ').read_text()\n"
        "others = [Path(f'/proc/{pid}/environ') for pid in children(os.getpid())]\n"
        "def read(file):\n"
        "    return subprocess.run(['cat', str(file)], capture_output=True, text=True).stdout\n"
        "print(json.dumps([json.dumps(dict(os.environ)), child, own, *map(read, others)]))"
    )
    assert len(seen) == 5
    for text in seen:
        assert "s3cret" not in text
    assert "PATH=" in seen[2]


#: Opens a remote that does not answer, tells the ids of all processes, and waits.
OPENED = """\
refusal(lambda: transfer(md5s=['0' * 32]))
def descendants(pid):
    for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
        yield int(child)
        yield from descendants(child)
broker_pid = children(os.getpid())[0]
print(json.dumps([broker_pid, list(descendants(broker_pid))]), flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to look into other processes")
def test_process_of_a_remote_has_its_credentials_and_no_keys(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    """The rows of the broker and of a remote in the process tree of the threat model."""
    project.write(
        ".dvc/config",
        "[core]\n    remote = r\n['remote \"r\"']\n    url = s3://b/x\n"
        "    endpointurl = http://127.0.0.1:9\n",
    )
    project.commit()
    keys = tmp_path / "home" / ".config" / "ml-assets"
    keys.mkdir(parents=True)
    (keys / "signing.key").write_text("s3cret-key")
    process = subprocess.Popen(
        [sys.executable, "-c", f"SHARED = False\n{PROGRAM}\n{OPENED}"],
        cwd=project.root,
        env=environment(tmp_path / "home", AWS_MAX_ATTEMPTS="1", AWS_ACCESS_KEY_ID="id"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        broker, below = json.loads(process.stdout.readline())
        (remote,) = [one for one in below if b"remote_worker" in read_proc(one, "cmdline")]
        assert b"s3cret-of-s3" in read_proc(remote, "environ")
        for other in ("s3cret-of-azure", "s3cret-of-something", "s3cret-of-the-key"):
            assert other.encode() not in read_proc(remote, "environ")
        assert b"s3cret-of-azure" in read_proc(broker, "environ")
        assert b"s3cret-of-the-key" not in read_proc(broker, "environ")
        for pid in (broker, remote):
            assert not list(Path(f"/proc/{pid}/root{keys}").iterdir())
    finally:
        process.communicate(b"\n", timeout=30)


def read_proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def test_only_names_of_credentials_are_told(run: Run) -> None:
    assert run("print(json.dumps(sorted(broker.find_names())))") == sorted(
        SECRETS.keys() - {"ML_ASSETS_KEY_PASSPHRASE"}
    )


def test_objects_go_to_the_remote_and_come_back(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    store_at(cache_of(project))
    pushed = f"transfer(operation='push', md5s=[{ID!r}])"
    assert run(f"print(json.dumps({pushed}))") == {}
    file = cache_of(project) / "files" / "md5" / ID[:2] / ID[2:]
    assert (tmp_path / "store" / "files" / "md5" / ID[:2] / ID[2:]).read_bytes() == DATA
    file.unlink()
    fetched = f"transfer(remote=None, md5s=[{ID!r}, {OTHER!r}])"
    assert run(f"print(json.dumps({fetched}))") == {OTHER: None}
    assert file.read_bytes() == DATA and file.stat().st_mode & 0o777 == 0o444
    assert [one.name for one in (cache_of(project) / "files").iterdir()] == ["md5"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ("remote='other'", "ConfigurationError"),
        ("remote='/tmp/elsewhere'", "ConfigurationError"),
        ("remote='http://127.0.0.1:9/x'", "ConfigurationError"),
        ("remote={'url': '/tmp/x'}", "UnavailableError"),
        ("operation='delete'", "UnavailableError"),
        ("operation='__class__'", "UnavailableError"),
        ("md5s=['../../../etc/passwd']", "ConfigurationError"),
        ("md5s=['/etc/passwd']", "ConfigurationError"),
        ("md5s=['0' * 31 + '/']", "ConfigurationError"),
        ("md5s=[['0' * 32]]", "ConfigurationError"),
        ("md5s=['0' * 32 + chr(10)]", "ConfigurationError"),
        ("md5s=None", "UnavailableError"),
        ("place='/'", "ConfigurationError"),
        ("place=os.path.dirname(os.getcwd())", "ConfigurationError"),
    ],
)
def test_request_for_anything_else_is_refused(run: Run, changes: str, error: str) -> None:
    refused = run(f"print(json.dumps(refusal(lambda: transfer({changes}))))")
    assert refused[0] == error


@pytest.mark.parametrize(
    "sent",
    ["struct.pack('>I', 1 << 30)", "struct.pack('>I', 5) + b'[1,2]'", "b'GET / HTTP/1.1' * 99"],
)
def test_malformed_request_ends_the_connection(run: Run, sent: str) -> None:
    refused = run(
        f"peer._connection.sendall({sent})\n"
        "peer._connection.shutdown(socket.SHUT_WR)\n"
        "print(json.dumps(refusal(transfer)))"
    )
    assert refused == ["UnavailableError", "broker process ended: no credentials for the network"]


def link_object(file: Path, secret: Path) -> None:
    file.unlink()
    file.symlink_to(secret)


def link_directory(file: Path, secret: Path) -> None:
    elsewhere = secret.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / file.name).write_bytes(secret.read_bytes())
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(elsewhere)


def make_a_pipe(file: Path, secret: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def change_a_byte(file: Path, secret: Path) -> None:
    file.write_bytes(b"9" + DATA[1:])


@pytest.mark.parametrize("attack", [link_object, link_directory, make_a_pipe, change_a_byte])
def test_what_is_no_object_is_not_pushed(
    run: Run, project: DvcProject, tmp_path: Path, attack: Callable[[Path, Path], None]
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(DATA)  # with the right md5: only its place is wrong
    attack(store_at(cache_of(project)), secret)
    refused = run(f"print(json.dumps(refusal(lambda: transfer(operation='push', md5s=[{ID!r}]))))")
    assert refused[0] in ("CorruptObjectError", "UnavailableError")
    assert not list((tmp_path / "store").rglob(ID[2:]))


def test_fetched_object_does_not_follow_a_link(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    store_at(tmp_path / "store")
    (tmp_path / "elsewhere").mkdir()
    objects = cache_of(project) / "files" / "md5"
    objects.mkdir(parents=True)
    (objects / ID[:2]).symlink_to(tmp_path / "elsewhere")
    refused = run(f"print(json.dumps(refusal(lambda: transfer(md5s=[{ID!r}]))))")
    assert refused[0] == "UnavailableError"
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("inner", ["files", "files/md5"])
@pytest.mark.parametrize("operation", ["fetch", "push"])
def test_link_in_place_of_a_directory_of_the_cache_is_refused(
    run: Run, project: DvcProject, tmp_path: Path, inner: str, operation: str
) -> None:
    store_at(tmp_path / "store" if operation == "fetch" else tmp_path / "elsewhere" / "cache")
    elsewhere = tmp_path / "elsewhere" / "cache" / inner
    elsewhere.mkdir(parents=True, exist_ok=True)
    link = cache_of(project) / inner
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    asked = f"transfer(operation={operation!r}, md5s=[{ID!r}])"
    refused = run(f"print(json.dumps(refusal(lambda: {asked})))")
    assert refused[0] == "CorruptObjectError" and "is a symbolic link" in refused[1]
    place = tmp_path / ("elsewhere" if operation == "fetch" else "store")
    assert not list(place.rglob(ID[2:]))


def test_cache_that_the_user_has_linked_elsewhere_is_used(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    store_at(tmp_path / "store")
    (tmp_path / "disk").mkdir()
    cache_of(project).parent.mkdir(exist_ok=True)
    cache_of(project).symlink_to(tmp_path / "disk")
    assert run(f"print(json.dumps(transfer(md5s=[{ID!r}])))") == {}
    assert (tmp_path / "disk" / "files" / "md5" / ID[:2] / ID[2:]).read_bytes() == DATA


def test_other_bytes_from_the_remote_get_no_place(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    store_at(tmp_path / "store", ID, b"other")
    assert run(f"print(json.dumps(transfer(md5s=[{ID!r}])))") == {ID: "corrupted"}
    assert not [one for one in cache_of(project).rglob("*") if one.is_file()]


def test_settings_are_those_of_the_first_request(run: Run, tmp_path: Path) -> None:
    store_at(tmp_path / "other")
    found = run(
        "transfer()\n"
        "config = Path('.dvc/config')\n"
        f"config.write_text(config.read_text().replace('store', 'other'))\n"
        f"print(json.dumps([transfer(md5s=[{ID!r}]), transfer(remote=None, md5s=[{ID!r}])]))"
    )
    assert found == [{ID: None}, {ID: None}]


def test_killed_broker_is_an_error_with_a_hint(run: Run) -> None:
    refused = run(
        "os.kill(children(os.getpid())[0], signal.SIGKILL)\n"
        "print(json.dumps(refusal(lambda: broker.open_checkout(None).prepare())))"
    )
    assert refused == ["UnavailableError", "broker process ended: no credentials for the network"]


class Stalling(ThreadingHTTPServer):
    """Serves one object; stops in the middle of the first download and waits."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Stalling)
        self.asked = directory / "asked"
        self.waits = True


class _Stalling(BaseHTTPRequestHandler):
    server: Stalling

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(DATA[:4])
        self.wfile.flush()
        if self.server.waits:
            self.server.waits = False
            self.server.asked.touch()
            time.sleep(60)
        self.wfile.write(DATA[4:])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


#: Kills the process of the remote while it fetches an object; then fetches again.
KILLED = f"""
import threading
failed = []
fetch = threading.Thread(
    target=lambda: failed.append(refusal(lambda: transfer(md5s=[{ID!r}])))
)
fetch.start()
while not Path(ASKED).exists():
    time.sleep(0.02)
def descendants(pid):
    for child in Path(f'/proc/{{pid}}/task/{{pid}}/children').read_text().split():
        yield int(child)
        yield from descendants(child)
for pid in descendants(os.getpid()):
    words = Path(f'/proc/{{pid}}/cmdline').read_bytes().split(b'\\0')
    if b'-I' in words and any(b'remote_worker' in word for word in words):
        os.kill(pid, signal.SIGKILL)
fetch.join(30)
objects = Path('.dvc/cache/files/md5')
written = [str(one) for one in objects.rglob('*') if one.is_file()]
parts = list(objects.parent.glob('part-*'))
for part in parts:
    os.utime(part, (0, 0))  # as if the run were long over
again = transfer(md5s=[{ID!r}])
left = [str(one) for one in objects.parent.glob('part-*')]
print(json.dumps([failed, written, again, len(parts), left]))
"""


def test_killed_process_of_a_remote_leaves_nothing_half_written(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    server = Stalling(tmp_path)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    project.write(".dvc/config", f"[core]\n    remote = r\n['remote \"r\"']\n    url = {url}\n")
    project.commit()
    failed, written, again, parts, left = run(f"ASKED = {str(server.asked)!r}\n{KILLED}")
    server.shutdown()
    server.server_close()
    assert failed == [["UnavailableError", "the process of the remote ended during a fetch"]]
    assert written == [] and parts == 1
    assert again == {} and left == []
    file = cache_of(project) / "files" / "md5" / ID[:2] / ID[2:]
    assert file.read_bytes() == DATA


def test_ended_broker_leaves_no_temporary_files(run: Run, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    store_at(tmp_path / "store")
    assert run(f"print(json.dumps(transfer(md5s=[{ID!r}])))", TMPDIR=str(temporary)) == {}
    assert [one for one in temporary.rglob("*") if not one.name.startswith("ml-assets-")] == []


def test_processes_of_dagster_use_the_same_broker(
    run: Run, project: DvcProject, tmp_path: Path
) -> None:
    store_at(tmp_path / "store")
    found = run(
        "code = '''\n"
        "import json, os\n"
        "from ml_assets.signer.access import find_broker\n"
        f"found = find_broker().open_checkout(None).open_transfer(None).fetch([{ID!r}])\n"
        "print(json.dumps([dict(found), 's3cret' in str(dict(os.environ))]))\n"
        "'''\n"
        "words = [sys.executable, '-c', code]\n"
        "print(subprocess.run(words, capture_output=True, text=True).stdout)",
        shared=True,
    )
    assert found == [{}, False]


def test_variables_pass_as_the_protected_branch_says(run: Run, project: DvcProject) -> None:
    project.write("pyproject.toml", '[tool.ml-assets]\nenvironment = ["AWS_*"]\n')
    project.commit()
    project.git("checkout", "--quiet", "-b", "feature")
    project.write("pyproject.toml", '[tool.ml-assets]\nenvironment = ["*"]\n')
    project.commit()
    passed = run("print(json.dumps(broker.open_checkout(None).read_passed()))")
    assert passed == {"AWS_SECRET_ACCESS_KEY": "s3cret-of-s3"}


@pytest.fixture
def origin(project: DvcProject, tmp_path: Path) -> Path:
    """The remote repository of the project."""
    bare = tmp_path / "origin.git"
    project.git("init", "--quiet", "--bare", str(bare))
    project.git("remote", "add", "origin", str(bare))
    return bare


def test_git_lists_and_fetches_for_the_project(run: Run, project: DvcProject, origin: Path) -> None:
    commit = project.git("rev-parse", "HEAD")
    project.git("push", "--quiet", "origin", "HEAD:refs/heads/made")
    listed = run(
        "git = broker.open_git(Path.cwd())\n"
        "git.fetch(['made'])\n"
        "print(json.dumps(git.list_refs(['refs/heads/made'], 20.0)))"
    )
    assert listed.split() == [commit, "refs/heads/made"]
    assert project.git("rev-parse", "refs/remotes/origin/made") == commit


def test_git_pushes_for_a_mirror_only(
    run: Run, project: DvcProject, origin: Path, tmp_path: Path
) -> None:
    commit = project.git("rev-parse", "HEAD")
    project.git("push", "--quiet", "origin", "HEAD:refs/heads/main")
    mirror = tmp_path / "home" / "watch" / "w" / "mirror.git"
    project.git("clone", "--quiet", "--bare", str(origin), str(mirror))
    push = f"push('refs/heads/made', {commit!r}, None)"
    refused = run(
        f"Path({str(mirror)!r}).joinpath('config').chmod(0o600)\n"
        f"broker.open_git(Path({str(mirror)!r})).{push}\n"
        f"print(json.dumps(refusal(lambda: broker.open_git(Path.cwd()).{push})))"
    )
    assert refused == ["ConfigurationError", "no push to the project's remote"]
    assert commit in project.git("ls-remote", "origin", "refs/heads/made")


def test_submodule_with_programs_of_a_stage_is_not_fetched(
    run: Run, project: DvcProject, origin: Path, tmp_path: Path
) -> None:
    """A stage can replace the Git directory of a submodule, which lies in the working tree."""
    library, sub = tmp_path / "library", project.root / "sub"
    project.git("init", "--quiet", str(library))
    project.git("-C", str(library), "commit", "--quiet", "--allow-empty", "-m", "one")
    allow = ("-c", "protocol.file.allow=always")
    project.git(*allow, "submodule", "--quiet", "add", str(library), "sub")
    project.commit()
    project.git("push", "--quiet", "origin", "HEAD:refs/heads/made")
    project.git("config", "submodule.recurse", "true")
    (sub / ".git").unlink()
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\nenv > {evil}.seen\n")
    evil.chmod(0o755)
    project.git("init", "--quiet", str(sub))
    project.git("-C", str(sub), "remote", "add", "origin", "ssh://git@host.invalid/x")
    project.git("-C", str(sub), "config", "core.sshCommand", str(evil))
    run("broker.open_git(Path.cwd()).fetch(['made']); print(0)", GITHUB_TOKEN="token-of-git")
    assert project.git("rev-parse", "refs/remotes/origin/made") == project.git("rev-parse", "HEAD")
    assert not evil.with_name("evil.seen").exists()


def test_git_gets_its_own_credentials_only(run: Run, project: DvcProject, origin: Path) -> None:
    helper = project.root.parent / "helper"
    helper.write_text(f'#!/bin/sh\nenv > {helper}.seen\nexec git upload-pack "$@"\n')
    helper.chmod(0o755)
    project.git("config", "remote.origin.uploadpack", str(helper))
    run(
        "broker.open_git(Path.cwd()).list_refs([], 20.0); print(0)",
        GITHUB_TOKEN="token-of-git",
        SSH_AUTH_SOCK="/nowhere",
    )
    seen = Path(f"{helper}.seen").read_text()
    assert "GITHUB_TOKEN=token-of-git" in seen and "SSH_AUTH_SOCK" in seen
    assert "s3cret" not in seen and "ML_ASSETS_BROKER" not in seen


#: In place of ssh: notes what it gets, then runs the command of Git here.
SSH = """\
#!/bin/sh
env > {notes}
for last; do :; done
exec sh -c "$last"
"""


def test_agent_of_ssh_is_for_git_and_not_for_a_stage(
    run: Run, project: DvcProject, origin: Path, tmp_path: Path
) -> None:
    ssh, notes = tmp_path / "ssh", tmp_path / "notes"
    ssh.write_text(SSH.format(notes=notes))
    ssh.chmod(0o755)
    project.git("remote", "set-url", "origin", f"ssh://git@host.invalid{origin}")
    seen = run(
        "broker.open_git(Path.cwd()).fetch([])\n"
        "from ml_assets.project.project import Project\n"
        "from ml_assets.project.rules import find_rules\n"
        "from ml_assets.project.stage_variables import find_stage_variables\n"
        "project = Project(Path.cwd())\n"
        "stage = find_stage_variables(project, find_rules(project.root))\n"
        "print(json.dumps([dict(stage.variables), list(stage.withheld)]))",
        GIT_SSH_COMMAND=str(ssh),
        SSH_AUTH_SOCK="/run/agent.sock",
    )
    assert "SSH_AUTH_SOCK=/run/agent.sock" in notes.read_text()
    assert "s3cret" not in notes.read_text() and "ML_ASSETS" not in notes.read_text()
    assert "SSH_AUTH_SOCK" not in seen[0] and "SSH_AUTH_SOCK" in seen[1]


@pytest.mark.parametrize(
    "call",
    [
        "broker.open_git(Path('/')).list_refs([], 1.0)",
        "broker.open_git(Path.home()).fetch([])",
        "broker.open_git(Path.cwd()).list_refs(['--upload-pack=touch evil'], 1.0)",
        "broker.open_git(Path.cwd()).fetch(['main:refs/heads/main'])",
        "broker.open_git(Path.cwd()).fetch(['+evil evil'])",
        "broker.open_git(Path.cwd()).push('refs/heads/x:refs/heads/y', '0' * 40, None)",
        "broker.open_git(Path.cwd()).push('refs/heads/x', '--all', None)",
        "broker.open_git(Path.cwd()).push('refs/heads/x', 'HEAD', None)",
        "broker.open_git(Path.cwd()).push('-x', '0' * 40, None)",
    ],
)
def test_other_call_of_git_is_refused(
    run: Run, project: DvcProject, origin: Path, call: str
) -> None:
    refused = run(f"print(json.dumps(refusal(lambda: {call})))")
    assert refused[0] == "ConfigurationError"
    assert not (project.root / "evil").exists()


def test_worktree_of_a_watch_is_served_as_the_project_of_a_command(tmp_path: Path) -> None:
    worktree, watches = tmp_path / "watch" / "w", tmp_path / "watch"
    assert Places(worktree).find(str(worktree)) == worktree
    assert Places(None, watches).find(str(worktree)) == worktree
    for places in (Places(None), Places(tmp_path / "other")):
        with pytest.raises(ConfigurationError, match="no credentials for this checkout"):
            places.find(str(worktree))
    with pytest.raises(ConfigurationError):
        Places(None, watches).find(str(watches / ".." / "other"))
