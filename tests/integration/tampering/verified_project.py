"""A verified project that is changed in one thing, and verified in this process."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_assets.project.project import Project
from ml_assets.project.repository_pin import open_rules
from ml_assets.proof.store import Proofs
from ml_assets.proof.subject import resolve_subject
from ml_assets.proof.verify import verify_subject
from resources.errors import ResourceError
from security.content.document import write_json
from security.errors import SecurityError
from security.signing.bundle import Bundle
from tests.integration.contract.repository import Repository

#: Large, and read by no verification.
_LEFT_OUT = ("cache", "tmp", "dagster", "__pycache__", "site")


@dataclass(frozen=True)
class Answer:
    """The answer of a verification.

    Attributes:
        passed: whether a program that asks may use the subject.
        said: the steps, or the error.
    """

    passed: bool
    said: str


class VerifiedProject:
    """A copy of a project with a signed file and a signed directory, both models."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.root = repository.project

    def copy(self, home: Path) -> VerifiedProject:
        """Copy what a verification reads."""
        source = self.repository.home
        shutil.copytree(source, home, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        return VerifiedProject(Repository(home, self.repository.tools, self.repository.below))

    def verify(
        self,
        subject: str = "model.pkl",
        environment: str = "materialize",
        now: datetime.datetime | None = None,
    ) -> Answer:
        """Verify as ``ml-assets verify`` does; an error is no pass."""
        path = self.root / subject
        text = str(path) if os.path.lexists(path) else subject
        try:
            project = Project(self.root)
            rules = open_rules(project)
            with Proofs(project, rules).complete_records() as statements:
                asked = resolve_subject(project, text, statements)
                found = verify_subject(project, rules, statements, asked, environment, now)
        except (ResourceError, SecurityError, OSError) as error:
            return Answer(False, f"{type(error).__name__}: {error}")
        steps = [f"{one.name} {one.verdict.value}: {one.detail}" for one in found.steps]
        return Answer(found.verdict.exit_code == 0, "\n".join(steps))

    @property
    def ledger(self) -> Path:
        """The directory of its statements."""
        return self.root / ".ml-assets" / "state" / "ledger"

    @property
    def index(self) -> Path:
        """The index of its statements."""
        return self.root / ".ml-assets" / "state" / "statements.sqlite"

    def statements(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield its statements with their files."""
        for path in sorted(self.ledger.rglob("*.json")):
            yield path, read_payload(path.read_bytes())

    def files_about(self, kind: str, subject: str = "") -> list[Path]:
        """Return the files of the statements of a kind, about a subject if one is given."""
        return [
            path
            for path, body in self.statements()
            if kind in body["predicateType"]
            and (not subject or any(one["name"] == subject for one in body["subject"]))
        ]

    def add(self, content: bytes) -> Path:
        """Add bytes to the ledger under their own digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.ledger / digest[:2] / f"{digest[2:]}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def sign(self, body: Mapping[str, Any]) -> Bundle:
        """Sign a statement with the key of the project's user."""
        from ml_assets.signer.service import SignerService, SigningMethod

        service = SignerService(self.repository.home / "user" / ".config" / "ml-assets", {})
        service.open(SigningMethod("key", str(self.root)))
        return service.sign(write_json(dict(body)))


def read_payload(bundle: bytes) -> dict[str, Any]:
    """Return the statement in a bundle, unverified."""
    payload = base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])
    found = json.loads(payload)
    assert isinstance(found, dict)
    return found
