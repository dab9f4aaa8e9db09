"""The bootstrap: what `make` installs, when it does so again, and what it refuses.

Each test bootstraps a miniature project for real: a virtual environment, pip, lock files with
hashes. Its packages come from a directory that is set as the user's mirror, so that no test needs a
network, and so that the user's own pip settings are seen to be respected.
"""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tools.environment import installation_key, pip_is_redirected

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = """\
[project]
name = "miniature"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
# A build back end of a few lines: an editable wheel is one .pth file.
BACKEND = """\
import pathlib, shutil
def build_editable(directory, config_settings=None, metadata_directory=None):
    name = "miniature-1-py3-none-any.whl"
    shutil.copy(pathlib.Path(__file__).parent / "mirror" / name, pathlib.Path(directory) / name)
    return name
"""


def make_wheel(directory: Path, name: str) -> str:
    """Write a wheel with one module into a directory and return its sha256."""
    path = directory / f"{name}-1-py3-none-any.whl"
    information = f"{name}-1.dist-info"
    files = {
        f"{name}.py": f'"""The module {name}."""\n',
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        record = ""
        for file, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest())
            record += f"{file},sha256={digest.decode().rstrip('=')},{len(content)}\n"
            archive.writestr(file, content)
        archive.writestr(f"{information}/RECORD", f"{record}{information}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with our bootstrap, three lock files and a mirror."""
    root = tmp_path / "pro ject"
    (root / "tools").mkdir(parents=True)
    (root / "requirements").mkdir()
    (root / "mirror").mkdir()
    for name in ("bootstrap.sh", "environment.py"):
        shutil.copy(ROOT / "tools" / name, root / "tools")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    make_wheel(root / "mirror", "miniature")
    pins = {
        name: f"{name}==1 --hash=sha256:{make_wheel(root / 'mirror', name)}\n"
        for name in ("back", "running", "testing")
    }
    locks = {
        "build": pins["back"],
        "run": pins["back"] + pins["running"],
        "dev": pins["back"] + pins["running"] + pins["testing"],
    }
    for name, content in locks.items():
        (root / "requirements" / f"{name}.lock").write_text(content)
    return root


def start_bootstrap(project: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the bootstrap with a user's settings that know the mirror only."""
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(project / "home"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (project / "mirror").as_uri(),
        "PYTHON": sys.executable,
        "INSTALLER": "pip",
        **environment,
    }
    return subprocess.Popen(
        ["sh", str(project / "tools" / "bootstrap.sh"), *arguments],
        env={name: value for name, value in settings.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def bootstrap(project: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run the bootstrap to its end and return its exit code and output."""
    with start_bootstrap(project, *arguments, **environment) as process:
        output, _ = process.communicate(timeout=300)
    return process.returncode, output


def modules(project: Path) -> set[str]:
    """Return which of the miniature modules the environment can import."""
    names = {"back", "running", "testing", "miniature"}
    program = "import importlib.util as u, sys; print([n for n in sys.argv[1:] if u.find_spec(n)])"
    command = [str(project / ".venv" / "bin" / "python"), "-I", "-c", program, *sorted(names)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name for name in names if f"'{name}'" in output}


@pytest.mark.slow
def test_environment_is_made_once_and_grows(project: Path) -> None:
    code, output = bootstrap(project, "run")
    assert code == 0, output
    assert modules(project) == {"back", "running", "miniature"}
    assert bootstrap(project, "run") == (0, "")

    code, output = bootstrap(project, "dev")
    assert code == 0 and "making" not in output, output
    assert modules(project) == {"back", "running", "testing", "miniature"}
    assert bootstrap(project, "dev") == (0, "")
    assert bootstrap(project, "run") == (0, ""), "dev covers run"

    (project / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
    code, output = bootstrap(project, "run")
    assert code == 0 and "installing this project with pip" in output


@pytest.mark.slow
def test_package_with_another_digest_is_refused(project: Path) -> None:
    with zipfile.ZipFile(project / "mirror" / "running-1-py3-none-any.whl", "a") as archive:
        archive.writestr("planted.py", "")
    code, output = bootstrap(project, "run")
    assert code == 3
    assert "error: cannot install: requirements/run.lock" in output
    assert "running" not in modules(project)
    code, _ = bootstrap(project, "run")
    assert code == 3, "a failed installation must not count as done"


@pytest.mark.slow
def test_killed_installation_is_made_again_from_nothing(project: Path) -> None:
    process = start_bootstrap(project, "run")
    deadline = time.monotonic() + 120
    while not (project / ".venv" / ".unfinished").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert (project / ".venv" / ".unfinished").exists()
    (project / ".venv" / "left-behind").touch()

    code, output = bootstrap(project, "run")
    assert code == 0, output
    assert "removing .venv" in output
    assert not (project / ".venv" / "left-behind").exists()
    assert modules(project) == {"back", "running", "miniature"}


@pytest.mark.slow
def test_environment_that_was_moved_is_made_again(project: Path) -> None:
    assert bootstrap(project, "run")[0] == 0
    moved = project.rename(project.with_name("moved"))
    code, output = bootstrap(moved, "run")
    assert code == 0, output
    assert "removing .venv" in output
    assert str(moved) in (moved / ".venv" / "bin" / "pip").read_text()


@pytest.mark.slow
def test_two_at_once_install_one_after_the_other(project: Path) -> None:
    processes = [start_bootstrap(project, "run"), start_bootstrap(project, "run")]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sum("environment: ready" in output for output in outputs) == 1
    assert sum("waiting for another process" in output for output in outputs) == 1


def fake_programs(directory: Path, python: str | None) -> str:
    """Make a PATH with the few programs that the bootstrap calls, and a Python of some version."""
    directory.mkdir()
    for name in ("sh", "dirname"):
        (directory / name).symlink_to(str(shutil.which(name)))
    if python is not None:
        (directory / "python3").write_text(f"#!/bin/sh\necho {python}\n")
        (directory / "python3").chmod(0o755)
    return str(directory)


@pytest.mark.parametrize("version", ["3.8.18", "3.10.13", "3.14.0", "2.7.18"])
def test_unsuitable_python_is_refused_in_two_lines(project: Path, version: str) -> None:
    path = fake_programs(project / "bin", version)
    code, output = bootstrap(project, "run", PATH=path, PYTHON="")
    assert code == 2
    assert output.splitlines() == [
        f"error: Python 3.11 to 3.13 not found; python3 is: {version}",
        "hint: install Python 3.13, or set its path: make PYTHON=/path/to/python3.13",
    ]


def test_missing_python_is_refused_in_two_lines(project: Path) -> None:
    code, output = bootstrap(project, "run", PATH=fake_programs(project / "bin", None), PYTHON="")
    assert code == 2
    assert output.splitlines()[0] == ("error: Python 3.11 to 3.13 not found; python3 is: missing")


def test_named_python_is_not_replaced_by_another(project: Path) -> None:
    code, output = bootstrap(project, "run", PYTHON="/nowhere/python")
    assert code == 2
    assert output.splitlines()[0] == "error: cannot run the interpreter: /nowhere/python"
    old = Path(fake_programs(project / "bin", "3.8.18"), "python3")
    code, output = bootstrap(project, "run", PYTHON=str(old))
    assert code == 2
    assert output.splitlines()[0] == f"error: unsupported Python: {old} is 3.8.18, not 3.11 to 3.13"


def test_missing_git_is_refused_in_two_lines(project: Path) -> None:
    code, output = bootstrap(
        project, "run", PATH=fake_programs(project / "bin", "3.11.2"), PYTHON=""
    )
    assert code == 2
    assert output.splitlines()[0] == "error: Git is not on PATH"


def test_python_without_ensurepip_is_refused_in_two_lines(project: Path) -> None:
    # Debian's python3 without python3-venv: the module is not there.
    script = project / "tools" / "environment.py"
    text = script.read_text()
    assert text.count("importlib.util.find_spec(name)") == 1
    lacking = text.replace("importlib.util.find_spec(name)", '(name != "ensurepip" or None)')
    script.write_text(lacking)
    code, output = bootstrap(project, "run")
    assert code == 3
    error, hint = output.splitlines()
    assert error == "error: this Python cannot create environments; missing: ensurepip"
    assert hint.startswith("hint: install them, for example: apt-get install python3.")


def test_unknown_level_is_refused(project: Path) -> None:
    assert bootstrap(project, "everything")[0] == 2


@pytest.mark.parametrize(
    ("settings", "environ", "redirected"),
    [
        ("", {}, False),
        ("global.cert='/ca.crt'\n", {}, False),
        ("global.index-url='mirror'\n", {}, True),
        (":env:.index-url='mirror'\n", {}, True),
        ("install.no-index='1'\n", {}, True),
        ("global.index-url='mirror'\n", {"UV_DEFAULT_INDEX": "mirror"}, False),
    ],
)
def test_mirror_known_to_pip_alone_keeps_uv_out(
    settings: str, environ: dict[str, str], redirected: bool
) -> None:
    assert pip_is_redirected(settings, environ) is redirected


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "requirements/run.lock", "requirements/build.lock"]
)
def test_key_of_an_installation_follows_each_file(project: Path, name: str) -> None:
    before = installation_key(project, "run", "CPython 3.11.7")
    with (project / name).open("a") as file:
        file.write("#")
    assert installation_key(project, "run", "CPython 3.11.7") != before


def test_key_of_an_installation_follows_interpreter_and_place(project: Path) -> None:
    before = installation_key(project, "run", "CPython 3.11.7")
    assert installation_key(project, "run", "CPython 3.12.1") != before
    moved = project.rename(project.with_name("moved"))
    assert installation_key(moved, "run", "CPython 3.11.7") != before
