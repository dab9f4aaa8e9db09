"""The file view: a confined process can neither write nor replace what this program trusts.

Each attack is a shell command in a process that has a view. The tests run as the user of the tests
and as an unprivileged user where that is root.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from security.sandbox.confinement import can_confine, start_confined
from security.sandbox.file_view import FileView, can_enter_view
from security.sandbox.private_mounts import hide_directories
from tests.unit.security.sandbox.test_private_mounts import USERS, in_child

pytestmark = [
    pytest.mark.skipif(not can_confine(), reason="needs Landlock"),
    pytest.mark.process,
]

#: Each is a success for the attacker if it exits with 0.
CHANGES = {
    "write a file": "echo evil > .git/config",
    "append to a file": "echo evil >> .git/config",
    "create a file": "echo evil > .git/hooks-path",
    "remove a file": "rm .git/config",
    "change a mode": "chmod 777 .git/config",
    "change a time": "touch -d 2001-01-01 .git/config",
    "link into it": "echo evil > evil; ln evil .git/evil",
    "rename it": "mv .git aside",
    "remove it": "rm -r .git",
    "exchange it": "mkdir evil; mv -T --exchange evil .git",
    "through a link": "ln -s .git link; echo evil > link/config",
    "through an open directory": "cd .git && cd .. && cd .git && echo evil > config",
    "through a process's root": "echo evil > /proc/self/root$PWD/.git/config",
    "through the root of our process": "echo evil > /proc/$MAIN/root$PWD/.git/config",
    "through the working directory of our process": "echo evil > /proc/$MAIN/cwd/.git/config",
    "through the init process": "echo evil > /proc/1/root$PWD/.git/config",
    "in the namespace of our process": "nsenter -t $MAIN -m sh -c 'echo evil > .git/config'",
    "unmount": "umount .git; umount -l .git; echo evil > .git/config",
    "remount": "mount -o remount,rw,bind .git; echo evil > .git/config",
    "bind the directory above": (
        "mkdir ../m; mount --bind . ../m; umount ../m/.git; echo evil > ../m/.git/config"
    ),
    "remount in a user namespace": (
        "unshare -Urm sh -c 'mount -o remount,rw,bind .git; umount -l .git; echo evil >.git/config'"
    ),
    "bind in a user namespace": (
        "unshare -Urm sh -c 'mkdir ../m; mount --bind . ../m && echo evil > ../m/.git/config;"
        " mount --rbind . ../m && umount -l ../m/.git && echo evil > ../m/.git/config'"
    ),
    "a name in a read-only directory inside": "echo evil > .git/objects/x",
    "a hidden file": "cat ../private/file | grep secret",
    "a name in a hidden directory": "echo evil > ../private/new",
    "another worktree": "echo evil > ../trees/other/file",
    "state above the own worktree": "echo evil > ../trees/new",
}
HONEST = {
    "read": "cat .git/config",
    "write beside it": "echo x > out.txt",
    "sibling of the project": "echo x > ../sibling.txt",
    "rename within the project": "echo x > a && mkdir d && mv a d/a",
    "hard link within the project": "echo x > b && ln b c",
    "rename out of the project": 'python3 -c \'import os; open("e","w"); os.rename("e", "../e")\'',
    "own worktree in a read-only place": "echo x > ../trees/own/file",
    "own directory in a hidden place": "echo x > ../private/own/file && cat ../private/own/file",
    "temporary file": "mktemp",
    "device": "echo x > /dev/null && head -c 1 /dev/urandom > r",
    "owner": "touch f && chown $(id -u) f && chmod 600 f",
}


class Place:
    """A project with what a process must not write."""

    def __init__(self, home: Path, user: int | None) -> None:
        self.home, self.user = home, user
        self.project = home / "project"
        for name in ("project/.git/objects", "trees/own", "trees/other", "private/own", "keys"):
            (home / name).mkdir(parents=True)
        (self.project / ".git" / "config").write_text("ours\n")
        (home / "private" / "file").write_text("secret")
        (home / "trees" / "other" / "file").write_text("ours\n")
        for path in (home, *home.rglob("*")):
            os.chown(path, os.geteuid() if user is None else user, -1)
        self.view = FileView(
            hidden=(home / "private",),
            read_only=(self.project / ".git", home / "trees"),
            writable=(home / "trees" / "own", home / "private" / "own", self.project),
        )

    def run(self, commands: dict[str, str]) -> dict[str, tuple[int, str]]:
        """Run commands with the view, started by a process without keys."""

        def work() -> dict[str, tuple[int, str]]:
            os.chdir(self.project)
            hide_directories([self.home / "keys"], [self.project])
            assert can_enter_view()
            return {name: self._run(command) for name, command in commands.items()}

        return in_child(work, self.user)

    def _run(self, command: str) -> tuple[int, str]:
        variables = {"PATH": os.environ["PATH"], "MAIN": str(os.getpid())}

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                ["/bin/sh", "-c", command],
                cwd=self.project,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        process = start_confined(start, self.view)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said.decode(errors="replace")


@pytest.fixture(params=USERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        home = Path(directory, "home")
        home.mkdir()
        yield Place(home, request.param)


def test_no_attack_changes_what_is_read_only_or_hidden(place: Place) -> None:
    done = place.run(CHANGES)
    assert {name: said for name, (code, said) in done.items() if code == 0} == {}
    assert (place.project / ".git" / "config").read_text() == "ours\n"
    assert os.stat(place.project / ".git" / "config").st_mtime > 1_000_000_000
    assert sorted(os.listdir(place.project / ".git")) == ["config", "objects"]
    assert (place.home / "trees" / "other" / "file").read_text() == "ours\n"
    assert sorted(os.listdir(place.home / "trees")) == ["other", "own"]
    assert sorted(os.listdir(place.home / "private")) == ["file", "own"]


def test_honest_work_goes_on(place: Place) -> None:
    done = place.run(HONEST)
    assert {name: said for name, (code, said) in done.items() if code != 0} == {}
    for name in ("sibling.txt", "trees/own/file", "private/own/file"):
        assert (place.home / name).read_text() == "x\n", "other processes have it, too"


def test_view_of_one_process_changes_nothing_for_others(place: Place) -> None:
    place.run({"nothing": "true"})
    (place.project / ".git" / "config").write_text("ours again\n")
    (place.home / "private" / "new").write_text("ours\n")


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="mounting is root's")
def test_bind_mount_is_another_name_of_a_read_only_path(place: Place) -> None:
    other = place.home / "other"
    other.mkdir()
    subprocess.run(["mount", "--bind", place.project, other], check=True)
    try:
        done = place.run({"write": "echo evil > ../other/.git/config"})
    finally:
        subprocess.run(["umount", other], check=True)
    assert done["write"][0] != 0
    assert (place.project / ".git" / "config").read_text() == "ours\n"
