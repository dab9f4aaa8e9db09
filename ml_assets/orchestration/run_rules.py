"""The rules of a Dagster run: resolved by its first step, the same for all its steps.

Each step may run in its own process, so the first one writes the commit of the protected branch
into the local state. Stages can write there, and the person who launches a run sets its tags. So
the file is sealed with the user's secret, and a file with another seal ends the run.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.protection import find_protected
from ml_assets.project.rules import Rules, pin_rules
from resources.errors import ConfigurationError
from resources.git.repository import Branch


def resolve_rules(project: Project, run_id: str) -> Rules:
    """Return the rules of a Dagster run; the first call for a run resolves them.

    Raises:
        ConfigurationError: the protected branch is not in this clone, or the file is forged.
    """
    file = _directory(project) / run_id
    if not file.exists():
        _write(file, _seal(project, run_id, find_protected(project.root)))
    return pin_rules(project.root, _read(project, run_id, file))


def _directory(project: Project) -> Path:
    project.make_state()
    directory = project.own_state / "rules"
    directory.mkdir(exist_ok=True)
    return directory


def _seal(project: Project, run_id: str, branch: Branch | None) -> bytes:
    named = [branch.name, branch.commit] if branch is not None else None
    body = json.dumps(["rules", run_id, named])
    (seal,) = project.seal("rules of a run", [body.encode()])
    return json.dumps({"body": body, "seal": seal.hex()}).encode()


def _write(file: Path, content: bytes) -> None:
    """Write the file as a whole, unless another step of the run has written it."""
    own = file.with_name(f".{secrets.token_hex(8)}")
    own.write_bytes(content)
    try:
        os.link(own, file)
    except FileExistsError:
        pass  # later steps take the commit of the first one
    finally:
        own.unlink()


def _read(project: Project, run_id: str, file: Path) -> Branch | None:
    content = file.read_bytes()
    try:
        _, _, named = json.loads(json.loads(content)["body"])
        branch = Branch(*map(str, named)) if named is not None else None
    except (ValueError, KeyError, TypeError) as error:
        raise _forged(file) from error
    if not hmac.compare_digest(content, _seal(project, run_id, branch)):
        raise _forged(file)
    return branch


def _forged(file: Path) -> ConfigurationError:
    return ConfigurationError(
        f"the rules of this run were modified: {file}", "find the stage that wrote it; run again"
    )
