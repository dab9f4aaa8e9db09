"""Stages of a CI job on systems with all, some and none of what can confine them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .repository import COMMAND_SECONDS, Repository

SECRET = "s3cret-4711"
VARIABLES = {
    "HARMLESS_NAME": f"https://joe:{SECRET}@example.org/x",
    "CI_JOB_JWT": SECRET,
    "CI_REPOSITORY_URL": f"https://gitlab-ci-token:{SECRET}@example.org/x.git",
    "MYSQL_PWD": SECRET,
    "SSHPASS": SECRET,
}
RUNNER = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
#: A stage that looks for secrets, and for the files of the CI runner below their usual directory.
STAGE = """\
import os, sys
from pathlib import Path
keys, runner = map(Path, sys.argv[1:])
seen = sorted(name for name, value in os.environ.items() if "s3cret" in value)
seen += [name for name in os.environ if name.startswith("GITHUB_")]
for file in (keys / "signing.key", keys / "results.secret"):
    try:
        seen.append(f"{file.name} {len(file.read_bytes())}")
    except OSError:
        pass
for one in os.listdir("/proc"):
    try:
        if one.isdigit() and b"s3cret" in Path("/proc", one, "environ").read_bytes():
            seen.append("variables of a process")
    except OSError:
        pass
for name in ("set_env", "add_path"):
    for way in (name, f"../{runner.name}/{name}"):
        try:
            with open(runner / way, "a") as file:
                file.write("BASH_ENV=/evil")
        except OSError:
            pass
    try:
        (runner / name).unlink()
        (runner / name).write_text("BASH_ENV=/evil")
    except OSError:
        pass
Path("seen.txt").write_text(repr(seen))
"""
#: The program without mounts of its own, and without Landlock.
WEAK = """\
import sys
from security.sandbox import landlock, private_mounts
from security.sandbox.errors import ConfinementError
def refuse(*_, **__):
    raise ConfinementError("no mounts", "")
landlock.abi = lambda: 0
private_mounts._hide = refuse
from ml_assets.cli import main
sys.exit(main())
"""
ALL, SOME, NONE = "", "this process can read signing keys and credentials", "stages can read"
SYSTEMS = [pytest.param((), ALL, id="same-user")]
if os.geteuid() == 0:
    other = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    SYSTEMS += [
        pytest.param(other, ALL, id="unprivileged"),
        pytest.param(("setpriv", "--bounding-set", "-sys_admin"), SOME, id="no-cap-sys-admin"),
    ]


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """The directory of a CI runner's command files."""
    directory = tmp_path / "runner" / "_runner_file_commands"
    directory.mkdir(parents=True)
    for name in ("set_env", "add_path", "output", "state", "summary"):
        (directory / name).touch()
    return directory


@pytest.fixture
def project(repository: Repository, runner: Path) -> Repository:
    keys = repository.home / "user" / ".config" / "ml-assets"
    repository.write("look.py", STAGE)
    command = f"python look.py {keys} {runner}"
    repository.stages({"look": {"cmd": command, "deps": ["look.py"], "outs": ["seen.txt"]}})
    repository.commit("a stage that looks around")
    return repository


def run(project: Repository, runner: Path, *words: str) -> subprocess.CompletedProcess[str]:
    files = zip(RUNNER, ("set_env", "add_path", "output", "state", "summary"), strict=True)
    extra = {**VARIABLES, **{name: str(runner / file) for name, file in files}}
    return subprocess.run(
        words,
        cwd=project.outside,
        env=project.environment(extra),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(("system", "notice"), SYSTEMS)
def test_stage_gets_no_secret_and_changes_no_later_step(
    project: Repository, runner: Path, system: tuple[str, ...], notice: str
) -> None:
    done = run(project, runner, *system, *project.script("run"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.project / "seen.txt").read_text() == "[]"
    for name in ("set_env", "add_path"):
        assert "evil" not in (runner / name).read_text()
    assert ("can read signing keys" in done.stderr) == bool(notice), done.stderr
    assert notice in done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the capability to lose")
def test_stage_that_landlock_keeps_from_the_home_directory_is_told_what_to_do(
    project: Repository, runner: Path
) -> None:
    weak = ("setpriv", "--bounding-set", "-sys_admin")
    command = "mkdir ~/scikit_learn_data && touch home.txt"
    project.stages({"home": {"cmd": command, "outs": ["home.txt"]}})
    project.commit("data in the home directory")
    done = run(project, runner, *weak, *project.script("run"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "directly in the home directory" in done.stderr
    project.write("ml-assets.toml", 'confinement = "off"\n')
    project.commit("as the hint says")
    done = run(project, runner, *weak, *project.script("run"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project.home / "user" / "scikit_learn_data").is_dir()
    (project.home / "user" / "scikit_learn_data").rmdir()
    project.remove("ml-assets.toml", "home.txt")
    project.commit("with mounts")
    done = run(project, runner, *project.script("run", "--force"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_system_without_all_of_it_says_so_or_refuses(project: Repository, runner: Path) -> None:
    root = str(Path(__file__).parents[3])
    words = (sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{WEAK}")
    place = ("--project", str(project.project), "run")
    done = run(project, runner, *words, *place)
    assert done.returncode == 0, done
    assert NONE in done.stderr and SOME in done.stderr
    seen = (project.project / "seen.txt").read_text()
    assert "signing.key" in seen and "GITHUB" not in seen and "HARMLESS" not in seen

    project.write("ml-assets.toml", 'confinement = "required"\n')
    project.commit("required")
    project.write("look.py", STAGE + "# changed\n")
    refused = run(project, runner, *words, *place)
    assert refused.returncode == 3, refused
    assert "cannot confine stages: signing keys would be readable" in refused.stderr
