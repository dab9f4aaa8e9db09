"""The project's environment: `.venv`, installed only from the lock files.

    python tools/environment.py run     dependencies of `make run`
    python tools/environment.py dev     all dependencies, for `make check` and `make test`

`dev` is a superset of `run` with equal versions, so both are in one `.venv`. It is created again if
an earlier installation was interrupted, or if it belongs to another interpreter or directory. This
script imports only the standard library, because it runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEVELS = ("run", "dev")
# Settings of a mirror for pip only: uv does not read them, so pip installs.
PIP_INDEX_SETTINGS = ("index-url", "no-index", "proxy", "client-cert")
UV_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE", "UV_OFFLINE")


class EnvironmentFailure(Exception):
    """The environment cannot be created; it has a hint with the next step."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True)
class Environment:
    """One virtual environment of one checkout."""

    root: Path

    @property
    def path(self) -> Path:
        """The environment's directory."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.path / "bin" / "python"

    @property
    def unfinished(self) -> Path:
        """The marker file of an unfinished installation."""
        return self.path / ".unfinished"

    def stamp(self, level: str) -> Path:
        """The file with the key of the last installation of `level`."""
        return self.path / f".installed-{level}"

    def is_current(self, level: str, version: str) -> bool:
        """Return whether all dependencies of `level` are installed for this interpreter."""
        if self.unfinished.exists() or not self.python.exists():
            return False
        satisfying = LEVELS[LEVELS.index(level) :]
        return any(
            self.stamp(one).is_file()
            and self.stamp(one).read_text() == installation_key(self.root, one, version)
            for one in satisfying
        )


def installation_key(root: Path, level: str, version: str) -> str:
    """Return a digest of all inputs of an installation of `level`."""
    digest = hashlib.sha256(f"{root}\0{version}\0{platform.machine()}\0".encode())
    locks = ["build.lock", *(f"{one}.lock" for one in LEVELS[: LEVELS.index(level) + 1])]
    for path in [root / "pyproject.toml", *(root / "requirements" / name for name in locks)]:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def pip_is_redirected(settings: str, environ: Mapping[str, str]) -> bool:
    """Return whether pip has index settings and uv has none.

    Args:
        settings: the output of `pip config list`.
        environ: the environment of the process.
    """
    names = {line.partition("=")[0].rpartition(".")[2] for line in settings.splitlines()}
    redirected = any(name in names for name in PIP_INDEX_SETTINGS)
    return redirected and not any(environ.get(name) for name in UV_INDEX_VARIABLES)


def find_uv(environment: Environment, environ: Mapping[str, str]) -> str | None:
    """Find a usable uv; `INSTALLER=pip` or `INSTALLER=uv` overrides the choice."""
    wanted = environ.get("INSTALLER", "")
    if wanted not in ("", "pip", "uv"):
        raise EnvironmentFailure(
            f"unknown installer: {wanted}", "use: make INSTALLER=pip, or INSTALLER=uv"
        )
    uv = shutil.which("uv")
    works = uv is not None and run_quietly([uv, "--version"]).returncode == 0
    if wanted == "uv" and not works:
        raise EnvironmentFailure("uv is not on PATH", "use: make INSTALLER=pip")
    if wanted == "pip" or not works:
        return None
    settings = run_quietly([environment.python, "-m", "pip", "config", "list"])
    if wanted == "" and (settings.returncode != 0 or pip_is_redirected(settings.stdout, environ)):
        say("pip has its own index settings: installing with pip, not uv")
        return None
    return uv


def run_quietly(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a command and capture its output."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


def say(message: str) -> None:
    """Print a line of progress."""
    print(f"environment: {message}", flush=True)


@contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Let one process at a time install; the system releases the lock of a dead process."""
    descriptor = os.open(root / "requirements", os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that is installing into .venv")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def base_interpreter() -> str:
    """Return the base interpreter, outside of any environment."""
    return getattr(sys, "_base_executable", "") or sys.executable


def make_empty(environment: Environment) -> None:
    """Create an empty `.venv` with pip.

    Raises:
        EnvironmentFailure: Python lacks venv or ensurepip, or the directory cannot be written.
    """
    if environment.path.exists():
        say("removing .venv: unfinished, or for another interpreter or directory")
        shutil.rmtree(environment.path)
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    if missing:
        short = ".".join(platform.python_version_tuple()[:2])
        raise EnvironmentFailure(
            f"this Python cannot create environments; missing: {', '.join(missing)}",
            f"install them, for example: apt-get install python{short}-venv",
        )
    say(f"creating .venv with Python {platform.python_version()}")
    made = run_quietly([base_interpreter(), "-m", "venv", environment.path])
    if made.returncode != 0:
        reason = (made.stderr or made.stdout).strip().splitlines()[-1:]
        raise EnvironmentFailure(
            f"cannot create .venv: {' '.join(reason)}", "remove .venv, or use another Python"
        )


def installer_command(environment: Environment, uv: str | None) -> list[str | Path]:
    """Return the command that installs into `.venv`, without its arguments."""
    if uv is not None:
        return [uv, "pip", "install", "--compile-bytecode", "--python", environment.python]
    return [environment.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]


def install(environment: Environment, level: str, uv: str | None) -> None:
    """Install the build back ends, then the level's lock, then this project in place.

    Raises:
        EnvironmentFailure: a package cannot be downloaded, built or verified.
    """
    command = installer_command(environment, uv)
    requirements = environment.root / "requirements"
    locked = ["--require-hashes", "--no-build-isolation"]
    steps: list[tuple[str, list[str | Path]]] = [
        ("build back ends", ["--require-hashes", "-r", requirements / "build.lock"]),
        (f"requirements/{level}.lock", [*locked, "-r", requirements / f"{level}.lock"]),
        ("this project", ["--no-deps", "--no-build-isolation", "-e", environment.root]),
    ]
    for what, arguments in steps:
        say(f"installing {what} with {'uv' if uv else 'pip'}")
        if subprocess.run([*command, *arguments], check=False).returncode != 0:
            raise EnvironmentFailure(
                f"cannot install: {what}",
                "see the error above; set a mirror in pip.conf, PIP_INDEX_URL or UV_DEFAULT_INDEX",
            )


def prepare(environment: Environment, level: str, environ: Mapping[str, str]) -> None:
    """Install `level` into `.venv`, unless it is installed already.

    Raises:
        EnvironmentFailure: the installation fails; the next one creates `.venv` again.
    """
    version = f"{platform.python_implementation()} {platform.python_version()}"
    if environment.is_current(level, version):
        return
    with exclusive(environment.root):
        if environment.is_current(level, version):  # another process has just installed it
            return
        started = time.monotonic()
        if environment.unfinished.exists() or not belongs_here(environment, version):
            make_empty(environment)
        environment.unfinished.touch()
        uv = find_uv(environment, environ)
        install(environment, level, uv)
        for one in LEVELS:
            environment.stamp(one).unlink(missing_ok=True)
        environment.stamp(level).write_text(installation_key(environment.root, level, version))
        environment.unfinished.unlink()
        say(f"ready after {time.monotonic() - started:.0f} s")


def belongs_here(environment: Environment, version: str) -> bool:
    """Return whether `.venv` works in this directory with exactly this interpreter version."""
    if not environment.python.exists():
        return False
    program = (
        "import platform, sys;"
        "print(platform.python_implementation(), platform.python_version());print(sys.prefix)"
    )
    answer = run_quietly([environment.python, "-I", "-c", program])
    if answer.returncode != 0 or answer.stdout.splitlines() != [version, str(environment.path)]:
        return False
    script = environment.path / "bin" / "pip"  # its first line has the directory of .venv
    return script.is_file() and str(environment.path) in script.read_text(errors="replace")


def main(arguments: Sequence[str]) -> int:
    """Prepare the level named on the command line; return the exit code."""
    if len(arguments) != 1 or arguments[0] not in LEVELS:
        print("error: missing argument: run or dev", file=sys.stderr)
        print("hint: tools/bootstrap.sh run", file=sys.stderr)
        return 2
    try:
        prepare(Environment(ROOT), arguments[0], os.environ)
    except EnvironmentFailure as failure:
        print(f"error: {failure}\nhint: {failure.hint}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("error: interrupted\nhint: run the command again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
