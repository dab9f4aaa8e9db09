"""The jobs of a CI file, as a platform reads them: their variables, and the commands they run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import ml_assets.project.templates

ROOT = Path(__file__).parents[3]
TEMPLATES = Path(ml_assets.project.templates.__file__).parent
GITHUB = TEMPLATES / "github.yml"
GITLAB = TEMPLATES / "gitlab.yml"
OWN = ROOT / ".github" / "workflows" / "ml-assets.yml"
RELEASE = OWN.with_name("release.yml")

#: Steps that are not run: they fetch from the network what is here already.
INSTALLING = ("Install ml-assets", "Install the project", "Update the advisories")


@dataclass(frozen=True)
class Step:
    """One command of a job.

    Attributes:
        always: it runs after a failure, too.
    """

    name: str
    command: str
    always: bool = False


@dataclass(frozen=True)
class Job:
    """What one job runs, and the variables it runs with."""

    variables: Mapping[str, str]
    steps: tuple[Step, ...]


def load(file: Path) -> dict[str, Any]:
    """Read a CI file; what YAML 1.1 takes for a truth value is GitHub's key ``on``."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return {"on" if key is True else key: value for key, value in document.items()}


def read_github(file: Path, name: str, values: Mapping[str, str]) -> Job:
    """Read a job of GitHub Actions.

    Args:
        values: what each expression comes to; one that is not among them is an error.
    """
    document = load(file)
    job = document["jobs"][name]
    variables = {**document["env"], **job.get("env", {})}
    steps = [one for one in job["steps"] if "run" in one]
    assert all(set(one) <= {"name", "run", "if"} for one in steps), "nothing else is understood"
    return Job(
        {name: _evaluate(str(value), values) for name, value in variables.items()},
        tuple(
            Step(one["name"], one["run"], one.get("if") == "${{ !cancelled() }}") for one in steps
        ),
    )


def _evaluate(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text)


def read_gitlab(file: Path, name: str, variables: Mapping[str, str]) -> Job:
    """Read a job of GitLab CI.

    Args:
        variables: what the platform sets, and what its rules choose.
    """
    document = load(file)
    stated = {
        key: re.sub(r"\$(\w+)", lambda found: variables[found[1]], value)
        for key, value in document["variables"].items()
    }
    steps = tuple(Step(command, command) for command in document[name]["script"])
    return Job({**stated, **variables}, steps)
