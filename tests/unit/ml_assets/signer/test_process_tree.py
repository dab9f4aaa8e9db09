"""The process tree of the threat model: what each process may read and write, as it is drawn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.ml_assets.project.test_protection import commit, git, write

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "explanation" / "threat-model.md"
COLUMNS = (
    "keys",
    "credentials",
    "`.git`, `.dvc`, `.ml-assets`",
    "private files",
    "signer, broker",
)

#: How to start a program as this user, and as one who is not root.
USERS = [pytest.param((), id="same-user")]
if os.geteuid() == 0:
    OTHER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    USERS.append(pytest.param(OTHER, id="unprivileged"))

#: Prints what a process can access, as one line of JSON.
PROBE = """\
import json, os, socket, sys
from pathlib import Path
keys, root, private = map(Path, sys.argv[1:4])
def writes(directory):
    try:
        (directory / "probe").write_text("x")
        (directory / "probe").unlink()
        return True
    except OSError:
        return False
def lists(directory):
    try:
        return os.listdir(directory) != []
    except OSError:
        return False
def connects(name):
    secret, _, path = os.environ.get(name, "").partition("@")
    try:
        socket.socket(socket.AF_UNIX).connect(path or str(private / "none"))
        return secret != ""
    except OSError:
        return False
def holds_credentials():
    found = "s3cret" in str(dict(os.environ))
    for one in Path("/proc").glob("[0-9]*/environ"):
        try:
            found = found or b"s3cret" in one.read_bytes()
        except OSError:
            pass
    return found
ours = [root / one for one in (".git", ".dvc", ".ml-assets/state")]
print(json.dumps([
    "read" if (keys / "signing.key").exists() else "none",
    "all" if holds_credentials() else "none",
    "write" if all(map(writes, ours)) else "none" if any(map(writes, ours)) else "read",
    "write" if lists(private) and writes(private) else "read" if lists(private) else "none",
    "asks" if all(map(connects, ("ML_ASSETS_SIGNER", "ML_ASSETS_BROKER"))) else "none",
]))
"""
#: Starts each process of the tree as this program does, with the probe in place of its work.
TREE = """\
import json, os, subprocess, sys
from pathlib import Path
from ml_assets.project.process_view import build_view
from ml_assets.project.project import Project
from ml_assets.signer.access import find_broker, find_signer, separate_signer
from ml_assets.signer.user_directories import find_configuration
from resources.dvc.run.stage_environment import build_environment
from resources.dvc.run.stage_process import Cancellation, run_command
from resources.git.command import run_git
from security.gates.tool.tool_process import ToolCommand, run_tool
from security.sandbox.private_directory import find_private
from security.statements.statement import StatementError
probe = sys.argv[1]
find_signer().generate()
project = Project(Path.cwd())
separate_signer([Path.cwd()], shared=True)
place = (str(find_configuration()), str(project.root), str(find_private()))
words = (sys.executable, probe, *place)
project.make_state()
view = build_view(project, project.settings)
found = {}

sys.argv = list(words[1:])
exec(compile(Path(probe).read_text().replace("print(json.dumps(", "row = list(("), probe, "exec"))
row[4] = "asks" if find_signer().seal("purpose", [b""]) and find_broker().find_names() else "none"
found["command"] = row

def ask(words, **options):
    return json.loads(subprocess.run(words, capture_output=True, check=True, **options).stdout)
found["Dagster"] = ask(words)
alias = "!" + " ".join(words)
found["Git"] = json.loads(run_git(project.root, "-c", f"alias.probe={alias}", "probe").stdout)
lines = []
variables = build_environment(os.environ).variables
run_command(["/bin/sh", "-c", " ".join(words)], cwd=str(project.root), variables=variables,
            on_line=lines.append, cancellation=Cancellation(), view=view)
found["stage"] = json.loads(lines[-1])
tool = ToolCommand(words, project.root, variables, 60.0, view)
found["gate"] = json.loads(run_tool(tool).output)
print(json.dumps(found))
"""


def read_drawing() -> dict[str, list[str]]:
    """Return the rows of the table in the threat model, by process."""
    _, head, rest = PAGE.read_text(encoding="utf-8").partition("| process |")
    table = (head + rest).partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    assert tuple(rows[0][1:6]) == COLUMNS
    return {row[0]: row[1:6] for row in rows[2:]}


@pytest.mark.parametrize("user", USERS)
def test_each_process_can_access_what_is_drawn_and_no_more(
    tmp_path: Path, user: tuple[str, ...]
) -> None:
    home, root = tmp_path / "home", tmp_path / "home" / "project"
    root.mkdir(parents=True)
    probe = home / "probe.py"
    probe.write_text(PROBE)
    git(root, "init", "--quiet", "--initial-branch=main")
    write(root, ".dvc/config", "")
    write(root, ".gitignore", ".ml-assets/state\n")
    commit(root)
    ended = subprocess.run(
        [*user, sys.executable, "-c", TREE, str(probe)],
        cwd=root,
        env={
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "AWS_SECRET_ACCESS_KEY": "s3cret",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    drawn = read_drawing()
    assert drawn.pop("signer")[:2] == ["read, write", "all"]
    assert drawn.pop("broker")[:2] == ["none", "all"]
    assert drawn.pop("remote")[:2] == ["none", "of the remote"]
    assert found == drawn
