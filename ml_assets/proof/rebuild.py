"""The rebuild: run a stage again in a clean checkout of its commit, and compare its outs.

1. Clone the commit into an empty directory.
2. Restore the stage's inputs from DVC's caches, which the clone shares, and compare them with the
   provenance: other inputs are refused.
3. Run the stage's commands, ignoring cached outs.
4. Hash the outs and compare them, file by file.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.proof.attestation import identify_content
from resources.dvc.cache.content import Content
from resources.errors import ConfigurationError, UnavailableError
from resources.git.command import run_git
from security.statements.provenance import Role
from security.statements.rebuild import Rebuild
from security.statements.statement import Subject
from security.verify.verified_statements import Origin

_SECONDS = 24 * 3600.0


def rebuild(project: Project, origin: Origin, place: Path) -> Rebuild:
    """Run a provenance's stage again.

    Args:
        place: an empty directory.

    Raises:
        ConfigurationError: the run had no commit, or uncommitted changes.
        UnavailableError: the commit or an input is missing, or the stage fails.
    """
    run = origin.provenance
    commits = run.of_role(Role.COMMIT)
    if not commits or run.conditions.uncommitted:
        raise ConfigurationError(
            f"{run.stage} ran on uncommitted code", "commit it, and run it again"
        )
    commit = commits[0].digest["gitCommit"]
    clone = Project(_clone(project, commit, place / "checkout"))
    _run(clone, "--select", f"+{run.stage}")  # 2
    _compare_inputs(clone, origin)
    _run(clone, "--select", run.stage, "--force")  # 3
    known = {one.name: one for one in run.outs}
    before = _read(project, known)
    after = _read(clone, known)
    differing = {  # 4
        name: files
        for name, out in known.items()
        if (files := tuple(_differing(name, out, before.get(name), after.get(name))))
    }
    now = datetime.datetime.now(datetime.UTC)
    return Rebuild(run.outs, run.stage, commit, differing, origin.verified.bundle.sha256, now)


def _clone(project: Project, commit: str, target: Path) -> Path:
    """Clone a commit; return its DVC root."""
    top = run_git(project.root, "rev-parse", "--show-toplevel").stdout.decode().strip()
    below = os.path.relpath(os.path.realpath(project.root), os.path.realpath(top))
    for words in (
        ("clone", "--quiet", "--shared", "--no-checkout", top, str(target)),
        ("-C", str(target), "checkout", "--quiet", "--detach", commit),
    ):
        done = run_git(project.root, *words)
        if done.returncode != 0:
            raise UnavailableError(
                f"cannot check out {commit[:12]}: {done.stderr.decode('utf-8', 'replace').strip()}",
                "fetch it: git fetch origin",
            )
    root = target / below
    cache = project.find_cache()
    local = root / ".dvc" / "config.local"
    local.write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    return root


def _run(clone: Project, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ml_assets.cli", "--project", str(clone.root), "run", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        raise UnavailableError(
            f"the run in the clean checkout failed: {'; '.join(said)[:300]}",
            "fetch its inputs: dvc pull",
        )


def _compare_inputs(clone: Project, origin: Origin) -> None:
    """Refuse to compare outs that have other inputs."""
    checkout = clone.open_checkout()
    for one in origin.provenance.of_role(Role.OUT, Role.DATA, Role.CODE, Role.PARAMS):
        content = checkout.read(one.name) if "://" not in one.name else None
        if content is None or not identify_content(content).items() <= one.digest.items():
            raise UnavailableError(
                f"input differs from the run's: {one.name}", "fetch the original: dvc pull"
            )


def _read(project: Project, known: Mapping[str, Subject]) -> dict[str, Content]:
    checkout = project.open_checkout()
    found = {name: checkout.read(name) for name in known}
    return {name: content for name, content in found.items() if content is not None}


def _differing(
    name: str, out: Subject, before: Content | None, after: Content | None
) -> Iterator[str]:
    """Yield the differing files of an out, or the out itself if its files are unknown."""
    if after is not None and identify_content(after) == dict(out.digest):
        return
    if before is None or after is None or before.entries is None or after.entries is None:
        yield name
        return
    old = {entry.path: entry.sha256 for entry in before.entries}
    new = {entry.path: entry.sha256 for entry in after.entries}
    differing = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    yield from (f"{name}/{path}" for path in differing)
