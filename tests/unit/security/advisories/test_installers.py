"""The files of installers: what each may install is listed, or told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from security.advisories.packages.dependency_files import (
    Listing,
    may_install,
    read_dependency_files,
)
from security.advisories.packages.file_kind import is_dependency_file, kind_of

BOOK = json.dumps(
    {"cells": [{"source": ["# /// script\n", "# dependencies = ['victim==1.0']\n", "# ///\n"]}]}
)
WHEEL = "https://files.invalid/victim-1.0-py3-none-any.whl"


def read_files(root: Path, files: dict[str, str | bytes]) -> Listing:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_dependency_files(root, sorted(files))


def names(listing: Listing) -> list[str]:
    return sorted(f"{one.package.name}=={one.package.version}" for one in listing.packages)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("train.py.lock", '[[package]]\nname = "victim"\nversion = "1.0"\n'),
        ("pylock.dev.toml", '[[packages]]\nname = "victim"\nversion = "1.0"\n'),
        ("requirements.pip", "victim==1.0\n"),
        ("requirements/base.pip", "victim==1.0\n"),
        ("requirements.in", "victim==1.0\n"),
        ("install/base.list", "victim==1.0\nother\n"),
        ("prod.conf", "-i https://index.invalid\nvictim == 1.0 ; python_version > '3'\n"),
        ("stack.yml", "channels: [x]\ndependencies:\n- victim==1.0\n"),
        ("a/b.yaml", "dependencies: [victim==1.0, 'other>2']\n"),
        ("book.ipynb", BOOK),
        ("Pipfile.lock", '{"_meta": {}, "default": {"victim": {"version": "==1.0"}}}'),
        ("Pipfile.lock", '{"_meta": {}, "docs": {"victim": {"version": "===1.0"}}}'),
        ("environment.yml", "dependencies:\n- python=3.11\n- pip:\n  - victim==1.0\n"),
        ("env.yaml", "channels: [x]\ndependencies:\n- victim==1.0\n"),
        ("conda/environment-gpu.yml", "dependencies:\n- conda-forge::victim=1.0=py310_0\n"),
        ("environment.yml", "dependencies: [victim=1.0.0]\n"),
        ("environment.yml", "dependencies: [\"victim[version='1.0',build=py_0]\"]\n"),
        ("environment.yml", f"dependencies:\n- pip:\n  - victim @ {WHEEL}\n  - victim==1.0\n"),
        ("python_env.yaml", "python: 3.11\ndependencies:\n- victim[extra]==1.0\n"),
        ("conda-lock.yml", "package:\n- {name: victim, version: '1.0', manager: pip}\n"),
        ("my.conda-lock.yml", "package:\n- {name: victim, version: '1.0', manager: conda}\n"),
        ("conda-linux-64.lock", "@EXPLICIT\nhttps://c.invalid/noarch/victim-1.0-py_0.conda#00\n"),
        ("conda-osx-64.lock", f"@EXPLICIT\n# pip victim @ {WHEEL} --hash=sha256:00\n"),
        ("spec-list.txt", "@EXPLICIT\nhttps://c.invalid/noarch/victim-1.0-py_0.tar.bz2\n"),
        (
            "pixi.lock",
            f"version: 6\npackages:\n- pypi: {WHEEL}\n  name: victim\n  version: '1.0'\n",
        ),
        ("pixi.lock", "packages:\n- conda: https://c.invalid/noarch/victim-1.0-py_0.conda\n"),
        (
            "pixi.lock",
            f"packages:\n- kind: pypi\n  name: victim\n  version: '1.0'\n  url: {WHEEL}\n",
        ),
        ("pyproject.toml", '[project]\ndependencies = ["victim==1.0"]\n'),
        ("pyproject.toml", '[project.optional-dependencies]\ndev = ["victim == 1.0"]\n'),
        ("pyproject.toml", '[dependency-groups]\ndev = ["victim==1.0", {include-group = "x"}]\n'),
        ("pyproject.toml", '[build-system]\nrequires = ["victim==1.0"]\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nvictim = "1.0"\npython = "^3.11"\n'),
        ("pyproject.toml", '[tool.poetry.group.a.dependencies]\nvictim = {version = "==1.0"}\n'),
        ("pyproject.toml", '[tool.uv]\ndev-dependencies = ["victim==1.0"]\n'),
        ("pyproject.toml", '[tool.hatch.envs.default]\ndependencies = ["victim==1.0"]\n'),
        ("pyproject.toml", '[tool.pixi.pypi-dependencies]\nvictim = "==1.0"\n'),
        ("pixi.toml", '[feature.x.dependencies]\nvictim = "==1.0"\n'),
        ("Pipfile", '[packages]\nvictim = "==1.0"\n'),
        ("setup.cfg", "[options]\ninstall_requires =\n    victim==1.0\n    other>2\n"),
        ("setup.cfg", "[options.extras_require]\nx = victim==1.0\n"),
        ("setup.cfg", "[options]\ninstall-requires = victim==1.0\n"),
        ("setup.py", "setup(install_requires='a, victim==1.0'.split(','))\n"),
        ("setup.py", "from setuptools import setup\nsetup(install_requires=['victim==1.0'])\n"),
        ("run.py", '# /// script\n# dependencies = ["victim==1.0"]\n# ///\nprint()\n'),
    ],
)
def test_pin_is_found_wherever_an_installer_reads_it(tmp_path: Path, path: str, text: str) -> None:
    found = read_files(tmp_path, {path: text})
    assert may_install(tmp_path, path) or path in ("run.py", "book.ipynb")
    version = "1.0.0" if "=1.0.0" in text else "1.0"
    assert names(found) == [f"victim=={version}"] and not found.hidden


def test_place_of_a_pin_is_told(tmp_path: Path) -> None:
    script = (
        "#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   'victim==1.0',\n# ]\n# ///\n"
    )
    found = read_files(
        tmp_path, {"run.py": script, "environment.yml": "name: x\n\ndependencies:\n- a==1\n"}
    )
    assert [(one.path, one.package.line) for one in found.packages] == [
        ("environment.yml", 4),
        ("run.py", 4),
    ]


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "x.py.lock"])
@pytest.mark.parametrize("decoy", ["packages", "package"])
def test_decoy_table_is_refused_and_hides_nothing(tmp_path: Path, name: str, decoy: str) -> None:
    real = {"packages": "package", "package": "packages"}[decoy]
    text = (
        f'[[{decoy}]]\nname = "other"\nversion = "1.0"\n'
        f'[[{real}]]\nname = "victim"\nversion = "1.0"\n'
    )
    found = read_files(tmp_path, {name: text})
    assert names(found) == ["other==1.0", "victim==1.0"]
    assert found.hidden and "both [[package]] and [[packages]]" in found.hidden[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", '[[packages]]\nname = "victim"\nversion = "1.0"\n'),
        ("pylock.toml", '[[package]]\nname = "victim"\nversion = "1.0"\n'),
        ("uv.lock", 'packages = "x"\n[[package]]\nname = "victim"\nversion = "1.0"\n'),
        ("uv.lock", "package = 1\n"),
        ("conda-lock.yml", "package:\n- {name: a, version: '1'}\npackages: []\n"),
        ("conda-lock.yml", "packages:\n- {name: a, version: '1'}\n"),
        ("pixi.lock", "packages: []\npackage:\n- {name: a, version: '1'}\n"),
        ("pixi.lock", "packages: &a []\nother: *a\n"),
        ("environment.yml", "dependencies: []\ndependencies: [victim==1.0]\n"),
        ("Pipfile.lock", '{"default": {}, "default": {"victim": {"version": "==1.0"}}}'),
        ("pixi.lock", f"packages:\n- pypi: {WHEEL}\n  name: other\n  version: '1.0'\n"),
        ("pixi.lock", "packages:\n- pypi: git+https://git.invalid/victim\n"),
        ("conda-lock.yml", f"package:\n- {{name: victim, version: '2.0', url: '{WHEEL}'}}\n"),
        ("conda-x.lock", "@EXPLICIT\nhttps://files.invalid/victim.zip\n"),
        ("Pipfile.lock", '{"default": {"victim": {"git": "https://git.invalid/victim"}}}'),
        ("Pipfile.lock", '{"default": {"victim": {"version": "*"}}}'),
        (
            "uv.lock",
            f'[[package]]\nname = "other"\nversion = "1.0"\nwheels = [{{ url = "{WHEEL}" }}]\n',
        ),
        (
            "uv.lock",
            '[[package]]\nname = "other"\nversion = "1.0"\n'
            'sdist = { url = "https://files.invalid/victim-1.0.tar.gz" }\n',
        ),
        (
            "poetry.lock",
            '[[package]]\nname = "victim"\nversion = "2.0"\n'
            'files = [{ file = "victim-1.0-py3-none-any.whl", hash = "x" }]\n',
        ),
        ("pyproject.toml", '[tool.setuptools.dynamic]\ndependencies = {file = ["x/deps.list"]}\n'),
        ("requirements.txt", "-r deps.txt\n"),
        (
            "setup.cfg",
            "[options]\ninstall_requires = victim==1.0\n[options]\ninstall_requires = a==2\n",
        ),
        ("setup.cfg", "[options]\ninstall_requires = victim==1.0\nINSTALL_REQUIRES = a==2\n"),
        ("deps.txt", "victim==1.0\n".encode("utf-16")),
    ],
)
def test_file_that_readers_understand_differently_is_told(
    tmp_path: Path, name: str, text: str | bytes
) -> None:
    assert read_files(tmp_path, {name: text}).hidden


def test_interpreter_is_no_package_that_may_be_installed(tmp_path: Path) -> None:
    text = "dependencies: [python=3.11, python, _openmp_mutex, numpy]\n"
    found = read_files(tmp_path, {"environment.yml": text})
    assert [one.name for one in found.wishes] == ["numpy"]


def test_included_file_of_any_name_is_read_as_requirements(tmp_path: Path) -> None:
    found = read_files(tmp_path, {"requirements.txt": "-r deps.txt\n", "deps.txt": "a\nb\n"})
    assert [one.partition(" (")[0] for one in found.hidden] == ["deps.txt:1: a", "deps.txt:2: b"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("environment.yml", "channels: [x]\ndependencies: [python=3.11, numpy, pandas>=2]\n"),
        ("environment.yml", "dependencies:\n- numpy=1.26\n- pip\n- pip:\n  - dvc\n  - -e .\n"),
        ("pyproject.toml", '[project]\ndependencies = ["numpy>=1.2", "x @ https://x.invalid"]\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\nnumpy = "^1.2"\nours = {path = "ours"}\n'),
        (
            "pyproject.toml",
            '[tool.mypy]\npackages = ["src"]\n[tool.poetry]\npackages = [{a = "b"}]\n',
        ),
        ("requirements.in", "numpy\npandas==2.0\n"),
        ("run.py", '# /// script\n# dependencies = ["requests<3", "rich"]\n# ///\n'),
        ("setup.py", "import sys\nsetup(install_requires=read())\n"),
        ("package-lock.json", "{}"),
        ("CMakeLists.txt", "cmake_minimum_required(VERSION 3.1)\nproject(x)\n"),
        ("notes.txt", "we pinned numpy==1.26 because of a bug\n"),
        ("labels.txt", "cat\ndog\n"),
        ("dependabot.yml", "version: 2\nupdates: []\n"),
        ("Chart.yaml", "dependencies:\n- name: db\n  version: 1.2\n  repository: https://x\n"),
        ("pubspec.yaml", "dependencies:\n  flutter: ^1.0\n"),
        (".github/workflows/a.yml", "jobs:\n  a:\n    with:\n      pypi: true\n      conda: x\n"),
        ("params.yaml", "packages: 3\nmodel:\n  manager: pip\n"),
        ("Dockerfile", "FROM x\nRUN pip install victim==1.0\n"),
        ("LICENSE", "all rights\n"),
        ("bun.lockb", b"\x00\xff"),
        ("data.txt", b"\xff\xfe\x00"),
    ],
)
def test_ordinary_file_hides_nothing(tmp_path: Path, path: str, text: str | bytes) -> None:
    assert not read_files(tmp_path, {path: text}).hidden


@pytest.mark.parametrize("path", ["dvc.lock", "dvc.yaml", "README.md", "src/lock.py", "a.json"])
def test_other_files_are_not_read(path: str) -> None:
    assert kind_of(path) is None and not is_dependency_file(path)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("Pipfile.lock", '{"default": {' + ",".join(f'"p{n}": {{}}' for n in range(60_000)) + "}}"),
        ("pixi.lock", "packages:\n" + "- {name: a, version: '1'}\n" * 20_000),
        ("run.py", "# /// script\n" * 90_000),
        ("deps.txt", "package:\n" * 90_000),
        ("deps.yml", "dependencies:\n" * 60_000),
        ("pyproject.toml", "a = " + "{dependencies=" * 5_000),
    ],
)
def test_file_made_to_hang_takes_seconds(tmp_path: Path, path: str, text: str) -> None:
    started = time.process_time()
    read_files(tmp_path, {path: text})
    assert time.process_time() - started < 6


@pytest.mark.parametrize(
    "text",
    [
        "print 'Python 2'\nsetup(install_requires=['victim==1.0'])\n",
        "setup(install_requires=['victim==1.0']\n",
        "setup(install_requires=['victim==1.0'])\0",
        "x = " + "(" * 5_000,
    ],
)
def test_setup_script_that_cannot_be_parsed_is_named(tmp_path: Path, text: str) -> None:
    (wish,) = read_files(tmp_path, {"vendor/setup.py": text}).wishes
    assert (wish.path, wish.text, wish.settled) == ("vendor/setup.py", "", False)
