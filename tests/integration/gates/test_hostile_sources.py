"""A hostile checkout: its code stays out of our process, our tools, our secret and our results."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import CLEAN, DIRTY, HARMLESS

PLANTED = (
    "bandit.py",
    "black.py",
    "conftest.py",
    "dagster.py",
    "detect_secrets.py",
    "flake8.py",
    "json.py",
    "ml_assets/__init__.py",
    "ml_assets/cli.py",
    "resources/__init__.py",
    "security/__init__.py",
    "sitecustomize.py",
    "usercustomize.py",
    "zizmor.py",
)
STATIC = ("format", "lint", "code-security", "secrets")
NAME = "a\nb\x1b[31m\x07.py"


def marking(marks: Path) -> str:
    """Return code that leaves a mark when it is imported."""
    return f"import os\nopen(os.path.join({str(marks)!r}, os.path.basename(__file__)), 'w')\n"


@pytest.mark.parametrize("inside", [False, True], ids=["from outside", "from the checkout"])
def test_planted_modules_are_imported_by_neither_us_nor_our_tools(
    project: Repository, inside: bool
) -> None:
    marks = project.home / "marks"
    marks.mkdir()
    for path in PLANTED:
        project.write(path, marking(marks))

    done = subprocess.run(
        project.script("check", "--json", *STATIC),
        cwd=project.project if inside else project.outside,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done
    assert os.listdir(marks) == []


def test_tools_come_neither_from_the_path_nor_from_the_checkout(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY)
    for name in ("black", "flake8", "bandit", "zizmor", "detect-secrets"):
        for directory in ("bin", ".venv/bin"):
            project.write(f"{directory}/{name}", "#!/bin/sh\necho >$HOME/used\n", executable=True)
    path = os.pathsep.join([str(project.project / "bin"), os.environ["PATH"]])

    done = project.ml_assets("check", "--json", *STATIC, extra={"PATH": path})

    assert done.code == 1, done
    assert not list(project.home.rglob("used"))


HOSTILE = """\
import os

def test_takes_over():
    assert attack()
"""
ATTACKS = {
    "secret": "open(os.path.expanduser('~/.config/ml-assets/results.secret'), 'rb').read()",
    "leaves": "os._exit(0)",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_hostile_test_does_not_pass(project: Repository, name: str) -> None:
    attack = f"\ndef attack():\n    return {ATTACKS[name]}\n"
    project.write("tests/unit/test_hostile.py", HOSTILE + attack)

    done = project.ml_assets("check", "--json", "unit-tests")

    (gate,) = done.document["gates"]
    assert gate["verdict"] != "passed", done
    assert gate["verdict"] == "error" or gate["findings"], done
    if name == "secret":
        said = str(gate["findings"]).lower()
        assert "permission denied" in said or "no such file" in said, done


FORGE = """\
import pathlib

def test_forges_results():
    for file in pathlib.Path(".ml-assets/state/results").rglob("*"):
        if file.is_file():
            text = file.read_bytes()
            file.write_bytes(text.replace(b'"B602"', b'"B000"').replace(b'"high"', b'"low"'))
"""


def test_results_that_a_test_rewrites_are_not_believed(project: Repository) -> None:
    project.write("train.py", CLEAN.format(model=HARMLESS) + DIRTY)
    project.write("tests/unit/test_hostile.py", FORGE)
    assert project.ml_assets("check", "--json", "code-security").code == 1
    project.ml_assets("check", "--json", "unit-tests")

    done = project.ml_assets("check", "--json", "code-security")

    assert done.code == 1, done


REWRITE = """\
import atexit, glob, os, sys

def rewrite():
    for word in sys.argv:
        if "junit" in word or word.endswith(".xml"):
            path = word.partition("=")[2] or word
            if os.path.exists(path):
                with open(path) as stream:
                    text = stream.read()
                with open(path, "w") as stream:
                    stream.write(text.replace("<failure", "<system-out").replace('failures="1"',
                        'failures="0"').replace("</failure", "</system-out"))

atexit.register(rewrite)

def test_fails():
    assert False
"""


def test_test_that_rewrites_its_junit_report_does_not_pass(project: Repository) -> None:
    project.write("tests/unit/test_hostile.py", REWRITE)

    done = project.ml_assets("check", "--json", "unit-tests")

    (gate,) = done.document["gates"]
    assert gate["verdict"] == "error" or gate["findings"], done


@pytest.mark.parametrize("target", ["/etc/hostname", "/etc", "../outside/far.py"])
@pytest.mark.parametrize("link", ["far.py", ".github/workflows/ci.yml"])
def test_link_out_of_the_checkout_is_not_a_pass(
    project: Repository, link: str, target: str
) -> None:
    (project.outside / "far.py").write_text("x = 1\n")
    path = project.project / link
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = "../" * link.count("/")
    path.symlink_to(target if target.startswith("/") else depth + target)
    gates = ("secrets", "workflows") if "workflows" in link else ("secrets", "code-security")

    done = project.ml_assets("check", "--json", *gates)

    assert done.code == 3, done
    for gate in done.document["gates"]:
        assert gate["verdict"] == "error"


def test_control_characters_in_names_reach_no_terminal(project: Repository) -> None:
    project.write(NAME, DIRTY)
    outputs = {word: project.home / f"out{word}" for word in ("--sarif", "--junit", "--summary")}
    words = [word for pair in outputs.items() for word in map(str, pair)]

    done = project.ml_assets("check", *words)
    document = project.ml_assets("check", "--json")

    assert done.code == document.code == 1, done
    texts = [done.stdout, done.stderr, document.stdout, document.stderr]
    texts += [path.read_text(encoding="utf-8") for path in outputs.values()]
    for text in texts:
        assert "\x1b" not in text and "\x07" not in text, text
        assert "a\nb" not in text, text
    (gate,) = [one for one in document.document["gates"] if one["name"] == "code-security"]
    assert NAME in [one["path"] for one in gate["findings"]]


def test_file_that_changes_while_it_is_judged_is_not_judged(project: Repository) -> None:
    script = "echo 'A = 2' >>train_more.py; exit 0"
    project.write("train_more.py", "A = 1\n")
    project.write(
        "tests/unit/test_a.py", f"import os\n\ndef test_a():\n    os.system({script!r})\n"
    )

    done = project.ml_assets("check", "--json", "unit-tests")

    (gate,) = done.document["gates"]
    assert gate["verdict"] == "error", done
    assert "files changed while the gate ran" in gate["reason"]


@pytest.mark.parametrize("planted", [".venv/bin/python", ".venv/lib/mypy.py", "elsewhere"])
def test_environment_that_a_commit_brings_is_not_used(project: Repository, planted: str) -> None:
    script = f'#!/bin/sh\ntouch {project.home}/used\nexec {sys.executable} "$@"\n'
    inside = ".venv" if planted.startswith(".venv") else planted
    project.write(f"{inside}/bin/python", script, executable=True)
    project.write(f"{inside}/lib/mypy.py", "")
    if inside == planted:
        (project.project / ".venv").symlink_to(planted)
        planted = ".venv"
    project.git("add", "--force", planted)
    project.git("commit", "--quiet", "--message", "brings its own environment")

    done = project.ml_assets("check", "--json", "types", "dependencies")

    assert done.code == 2, done
    assert "Python environment tracked by Git: .venv" in done.stdout
    assert not (project.home / "used").exists()


def test_names_that_are_not_utf_8_are_judged_and_told(project: Repository) -> None:
    root = os.fsencode(project.root)
    contents = {b"b\xe9.py": DIRTY, b"tool\xe9": f"#!/usr/bin/python\n{DIRTY}"}
    contents[b"d\xe9/requirements.txt"] = "victim\n"
    for name, text in contents.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as stream:
            stream.write(text)
    report = project.home / "gates.sarif"

    words = ("check", "code-security", "secrets", "dependencies", "types", "lint", "format")
    done = project.ml_assets(*words, "--json", "--sarif", str(report))
    again = project.ml_assets("check", "code-security", "--json")

    assert done.code == again.code == 1 and "unexpected" not in done.stderr, done
    gates = {gate["name"]: gate for gate in done.document["gates"]}
    found = [(one["path"], one["id"]) for one in gates["code-security"]["findings"]]
    assert {("b\\xe9.py", "B602"), ("tool\\xe9", "B602")} <= set(found)
    assert "/requirements.txt:1: victim" in gates["dependencies"]["reason"]
    assert gates["secrets"]["verdict"] == "passed" and report.stat().st_size
    assert again.document["gates"][0]["cached"] is True
