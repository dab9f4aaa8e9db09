"""Private mounts: a hidden directory stays hidden from a process and from all that it starts.

Each attack is a shell command in a process that has hidden its keys. It prints what it got. The
tests run as the user of the tests, and as an unprivileged user where that is root.
"""

import codecs
import ctypes
import json
import os
import subprocess
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from security.sandbox import private_mounts
from security.sandbox.errors import ConfinementError
from security.sandbox.landlock import set_dumpable
from security.sandbox.private_mounts import hide_directories

pytestmark = pytest.mark.process

SECRET = "the-private-key"
NOBODY = 65534
USERS = [pytest.param(None, id="same-user")]
if os.geteuid() == 0:
    USERS.append(pytest.param(NOBODY, id="unprivileged"))

READS = {
    "read": "cat $KEYS/signing.key",
    "list": "ls -A $KEYS",
    "through a link": "ln -s $KEYS $HOME/link; cat $HOME/link/signing.key",
    "uncover": "umount $KEYS; umount -l $KEYS; cat $KEYS/signing.key",
    "uncover as root of a user namespace": (
        "unshare -Urm sh -c 'umount $KEYS; umount -l $KEYS; cat $KEYS/signing.key'"
    ),
    "bind the directory above": (
        "unshare -Urm sh -c 'mount --bind $HOME $HOME/other; cat $HOME/other/.config/*/signing.key;"
        " mount --rbind $HOME $HOME/other; umount -R $HOME/other/.config/ml-assets;"
        " cat $HOME/other/.config/*/signing.key'"
    ),
    "root directory of a process outside": "cat /proc/$OUTSIDE/root$KEYS/signing.key",
    "working directory of a process outside": "cat /proc/$OUTSIDE/cwd/signing.key",
    "open file of a process outside": "cat /proc/$OUTSIDE/fd/*",
    "variables of a process outside": "tr '\\0' '\\n' < /proc/$OUTSIDE/environ",
    "memory of a process outside": "cat /proc/$OUTSIDE/maps",
    "namespace of a process outside": "nsenter -t $OUTSIDE -m cat $KEYS/signing.key",
    "disk": "for d in /dev/[sv]d[a-z] /dev/nvme?n?; do mknod $HOME/disk b 254 0 && echo made; done",
}
CHANGES = {
    "plant a key": "echo mine > $KEYS/signing.key",
    "replace the directory": "rmdir $KEYS && mkdir $KEYS && echo mine > $KEYS/signing.key",
    "replace the directory above": (
        "mv $HOME/.config $HOME/aside && mkdir -p $KEYS && echo mine > $KEYS/signing.key"
    ),
}
HONEST = {
    "new directory in the home directory": "mkdir $HOME/scikit_learn_data",
    "new directory beside the keys": "mkdir -p $HOME/.config/matplotlib",
    "new file in the home directory": "echo x > $HOME/mlflow.db",
    "sibling of the project": "echo x > $HOME/sibling.txt",
    "temporary file": "mktemp",
    "hard link from the project to the home directory": (
        "mkdir $HOME/project; echo x > $HOME/project/a; ln $HOME/project/a $HOME/b"
    ),
}


class Place:
    """A home directory with keys, and a process outside that uses them."""

    def __init__(self, home: Path, user: int | None) -> None:
        self.home = home
        self.user = user
        self.keys = home / ".config" / "ml-assets"
        self.keys.mkdir(parents=True)
        (self.keys / "signing.key").write_text(SECRET)
        (home / "other").mkdir()
        for path in (home, *home.rglob("*")):
            os.chown(path, os.geteuid() if user is None else user, -1)

    def run(self, commands: dict[str, str], outside: int) -> dict[str, tuple[int, str]]:
        """Run commands where the keys are hidden; return exit codes and outputs."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KEYS": str(self.keys),
            "OUTSIDE": str(outside),
        }

        def attack() -> dict[str, tuple[int, str]]:
            hide_directories([self.keys], [self.home / "project"])
            done = {}
            for name, command in commands.items():
                ended = subprocess.run(
                    ["/bin/sh", "-c", command],
                    env=variables,
                    cwd="/",
                    capture_output=True,
                    text=True,
                    errors="replace",
                    timeout=60,
                    check=False,
                )
                done[name] = ended.returncode, ended.stdout + ended.stderr
            return done

        return in_child(attack, self.user)

    @contextmanager
    def outside(self) -> Iterator[int]:
        """Run a process of the same user that holds the key in every way."""
        environment = {"SECRET": SECRET, "PATH": os.environ["PATH"]}
        process = subprocess.Popen(
            ["/bin/sh", "-c", "exec 3< signing.key; echo ready; read line"],
            cwd=self.keys,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=self.user,
            extra_groups=None if self.user is None else [],
        )
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()
            process.communicate()


def in_child(
    work: Callable[[], dict[str, tuple[int, str]]], user: int | None
) -> dict[str, tuple[int, str]]:
    """Do work in a child with one thread, as a user."""
    set_dumpable(1)  # imports what the user cannot
    codecs.lookup("ascii")
    with tempfile.TemporaryFile() as answer:
        pid = os.fork()
        if pid == 0:
            try:
                if user is not None:
                    os.setgroups([])
                    os.setgid(user)
                    os.setuid(user)
                    set_dumpable(1)  # as after execve(2)
                done = work()
                os.write(answer.fileno(), json.dumps(done).encode())
            except ConfinementError as error:
                os.write(answer.fileno(), json.dumps({"error": error.message}).encode())
            except BaseException:  # a test's child must not go on as a second pytest
                os.write(answer.fileno(), json.dumps(traceback.format_exc()).encode())
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        answer.seek(0)
        done = json.loads(answer.read())
    assert isinstance(done, dict), done
    if "error" in done:
        pytest.skip(f"no private mounts here: {done['error']}")
    return {name: (code, said) for name, (code, said) in done.items()}


@pytest.fixture(params=USERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as directory:  # below /tmp, which every user can enter
        os.chmod(directory, 0o755)
        home = Path(directory, "home")
        home.mkdir()
        yield Place(home, request.param)


def test_no_attack_reads_what_is_hidden(place: Place) -> None:
    with place.outside() as outside:
        done = place.run(READS, outside)
    assert {
        name: said for name, (_, said) in done.items() if SECRET in said or "made" in said
    } == {}
    assert "signing.key" not in done["list"][1]
    assert (place.keys / "signing.key").read_text() == SECRET


def test_nothing_is_put_in_place_of_what_is_hidden(place: Place) -> None:
    done = place.run(CHANGES, 1)
    assert {name: said for name, (code, said) in done.items() if code == 0} == {}
    assert (place.keys / "signing.key").read_text() == SECRET


def test_honest_work_in_the_home_directory_goes_on(place: Place) -> None:
    done = place.run(HONEST, 1)
    assert {name: said for name, (code, said) in done.items() if code != 0} == {}
    assert (place.home / "scikit_learn_data").is_dir(), "it is there for other processes as well"


def test_missing_directory_is_hidden_too(place: Place) -> None:
    (place.keys / "signing.key").unlink()
    place.keys.rmdir()
    done = place.run({"plant": CHANGES["plant a key"]}, 1)
    assert done["plant"][0] != 0
    assert list(place.keys.iterdir()) == []


def test_link_to_the_directory_of_keys_hides_where_it_leads(place: Place) -> None:
    real = place.home / "real"
    place.keys.rename(real)
    place.keys.symlink_to(real)
    done = place.run({"real": "cat $HOME/real/signing.key", "link": READS["read"]}, 1)
    assert [said for _, said in done.values() if SECRET in said] == []


def test_process_with_a_second_thread_is_refused(place: Place) -> None:
    def hide() -> dict[str, tuple[int, str]]:
        over = threading.Event()
        threading.Thread(target=over.wait).start()
        try:
            hide_directories([place.keys])
        except ConfinementError as error:
            return {"refused": (0, error.message)}
        finally:
            over.set()
        return {}

    assert "second thread" in in_child(hide, place.user)["refused"][1]


@pytest.mark.skipif(len(USERS) == 1, reason="needs root, to become another user")
def test_system_that_refuses_mounts_leaves_the_process_as_it_was(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ConfinementError("mount: Permission denied", "")

    def hide() -> dict[str, tuple[int, str]]:
        before = os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/mnt")
        with pytest.raises(ConfinementError, match="allows no mounts in a namespace"):
            hide_directories([place.keys])
        after = os.readlink("/proc/self/ns/user"), os.readlink("/proc/self/ns/mnt")
        return {"same": (int(before != after), "")}

    monkeypatch.setattr(private_mounts, "_cover", refuse)
    assert in_child(hide, NOBODY)["same"][0] == 0


@pytest.mark.skipif(len(USERS) == 1, reason="only root has capabilities to lose")
def test_no_capability_is_gained(place: Place) -> None:
    """A user namespace grants all of them, also those that a container has taken away."""
    lost, drop = 1, 24  # CAP_DAC_OVERRIDE, PR_CAPBSET_DROP

    def look() -> dict[str, tuple[int, str]]:
        if place.user is None:
            ctypes.CDLL(None).prctl(drop, lost, 0, 0, 0)
        hide_directories([place.keys])
        sealed = place.home / "sealed"
        sealed.mkdir(mode=0o555)
        wrote = subprocess.run(["touch", str(sealed / "x")], capture_output=True, check=False)
        said = subprocess.run(["grep", "Cap", "/proc/self/status"], capture_output=True, check=True)
        return {"touch": (wrote.returncode, said.stdout.decode())}

    code, said = in_child(look, place.user)["touch"]
    assert code != 0, said
    effective = int(said.partition("CapEff:")[2].split()[0], 16)
    assert effective & 1 << lost == 0
    assert place.user is None or effective & ~(1 << 21) == 0, "others keep CAP_SYS_ADMIN alone"


def test_hiding_takes_milliseconds(place: Place) -> None:
    def measure() -> dict[str, tuple[int, str]]:
        started = sum(os.times()[:4])  # of this process and its children: other load does not count
        hide_directories([place.keys])
        return {"seconds": (0, str(sum(os.times()[:4]) - started))}

    assert float(in_child(measure, place.user)["seconds"][1]) < 1
