"""The Python versions: each file that names them names the classifiers of pyproject.toml."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLASSIFIER = "Programming Language :: Python :: 3."
VERSIONS = [
    line.removeprefix("Programming Language :: Python :: ")
    for line in PROJECT["classifiers"]
    if line.startswith(CLASSIFIER)
]
FIRST, LAST = (int(version.removeprefix("3.")) for version in (VERSIONS[0], VERSIONS[-1]))


def test_classifiers_are_every_version_of_a_range() -> None:
    assert VERSIONS == [f"3.{minor}" for minor in range(FIRST, LAST + 1)]


def test_requirement_is_that_range() -> None:
    assert PROJECT["requires-python"] == f">=3.{FIRST},<3.{LAST + 1}"


def test_workflow_tests_each_version() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ml-assets.yml").read_text())
    assert workflow["jobs"]["suite"]["strategy"]["matrix"] == {"python": VERSIONS}


def test_bootstrap_takes_each_version_and_no_other() -> None:
    script = (ROOT / "tools" / "bootstrap.sh").read_text()
    assert f'NEEDED="{VERSIONS[0]} to {VERSIONS[-1]}"' in script
    assert " | ".join(f"{version}.*" for version in VERSIONS) + ") return 0" in script
    tried = re.findall(r"python(3\.\d+)", script.partition("for candidate in ")[2].split(";")[0])
    assert sorted(tried) == VERSIONS


def test_ci_job_takes_each_version_and_no_other() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert f"(3, {FIRST}) <= sys.version_info < (3, {LAST + 1})" in script
