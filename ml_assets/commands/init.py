"""``ml-assets init``: write the policy, the schemas, a workspace and a CI file into a project."""

from __future__ import annotations

import argparse
import json
from importlib.resources import files as package_files
from pathlib import Path

from ml_assets.project.ci_file import PATHS, find_requirement, write_ci_file
from ml_assets.project.project import find_project
from ml_assets.project.protection import POLICY
from resources.ci_job import Provider
from resources.errors import ConfigurationError, wrap_os_error
from resources.files import write_atomically
from security.policy.policy import builtin_policy_text, policy_schema

_EPILOG = """\
examples:
  ml-assets init
  ml-assets init --force
  ml-assets init --ci gitlab
"""

_WORKSPACE = b"""\
# The Dagster UI of this project: dagster dev -w workspace.yaml
load_from:
  - python_module:
      module_name: ml_assets.definitions
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument(
        "--ci",
        choices=[*(one.value for one in Provider), "none"],
        help="platform of the CI workflow (default: github, in the root of a Git repository)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Write all files, or none."""
    root = find_project(arguments.project).root
    files = {
        POLICY: builtin_policy_text(),
        ".ml-assets/policy.schema.json": policy_schema(),
        ".ml-assets/settings.schema.json": _settings_schema(),
        "workspace.yaml": _WORKSPACE,
    }
    provider, left_out = _choose_platform(root, arguments.ci)
    requirement = find_requirement()
    if provider is not None:
        files[PATHS[provider]] = write_ci_file(provider, requirement)
    _refuse_links(root, files)
    present = [path for path in files if (root / path).exists()]
    if present and not arguments.force:
        raise ConfigurationError(
            f"files exist: {', '.join(present)}", "overwrite them: ml-assets init --force"
        )
    for path, content in files.items():
        try:
            write_atomically(root / path, content)
        except OSError as error:
            raise wrap_os_error(error) from error
    if arguments.json:
        print(json.dumps({"written": list(files)}))
    else:
        for path in files:
            print(f"written: {path}")
        if left_out:
            print(f"skipped: {left_out}")
        elif provider is not None and not requirement:
            print(
                f"next: set ML_ASSETS_REQUIREMENT in {PATHS[provider]} to the requirement for pip"
            )
        print("next: commit the files; the policy counts once it is on the protected branch")
    return 0


def _settings_schema() -> bytes:
    """Return the JSON Schema of the settings, which ``make docs`` writes into the package."""
    return (package_files("ml_assets.project.settings") / "settings.schema.json").read_bytes()


def _choose_platform(root: Path, asked: str | None) -> tuple[Provider | None, str]:
    """Return the platform of the CI workflow, or None with the reason."""
    if asked == "none":
        return None, ""
    if (root / ".git").exists():
        return Provider(asked or Provider.GITHUB.value), ""
    why = "CI workflow, which belongs in the root of a Git repository"
    if asked is not None:
        raise ConfigurationError(f"cannot write the {why}: {root}", "leave it out: --ci none")
    return None, why


def _refuse_links(root: Path, files: dict[str, bytes]) -> None:
    """Refuse to write through a symbolic link, which a commit may contain."""
    for path in files:
        for place in (root / path, *(root / path).parents):
            if place.is_relative_to(root) and place != root and place.is_symlink():
                raise ConfigurationError(
                    f"refusing to write through a symbolic link: {place}", "remove the link"
                )
