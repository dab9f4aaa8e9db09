"""The attestation of a stage: its observed run, signed as provenance as soon as it ends."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.proof.commit_files import CommitFiles
from ml_assets.proof.store import Proofs
from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Dep, Stage
from resources.dvc.run.stage_environment import StageEnvironment
from resources.dvc.run.stage_result import Action as Done
from resources.dvc.run.stage_result import Observed, StageResult
from resources.errors import UnavailableError
from resources.git.repository import list_changed, list_tracked, read_remote_url
from security.errors import SecurityError
from security.statements.directory_listing import ListedFile, write_listing
from security.statements.provenance import (
    Builder,
    Conditions,
    Material,
    Provenance,
    ProvenanceAction,
    Role,
    join_params,
    sort_materials,
    write_provenance,
)
from security.statements.statement import Subject, identify

#: Lock files of an environment, in the root or in ``requirements/``.
_LOCK = re.compile(
    r"(requirements/)?(?!dvc\.lock)"
    r"([\w.-]*\.lock|requirements[\w.-]*\.txt|pylock[\w.-]*\.toml|conda-lock\.yml)"
)
#: Builder ids by the environment variable of the platform.
_BUILDERS = {
    "GITHUB_ACTIONS": "urn:ml-assets:builder:github-actions",
    "GITLAB_CI": "urn:ml-assets:builder:gitlab-ci",
    "CI": "urn:ml-assets:builder:ci",
}
_LOCAL = "urn:ml-assets:builder:local"


class StageAttestation:
    """Attests the stages of one run. Safe for threads.

    Args:
        environment: the variables of their processes.
        invocation: the run's id.
        strict: restore only outs with a trusted provenance.
    """

    def __init__(
        self,
        project: Project,
        checkout: Checkout,
        proofs: Proofs,
        environment: StageEnvironment,
        invocation: str,
        *,
        strict: bool = False,
    ) -> None:
        self._project = project
        self._checkout = checkout
        self._proofs = proofs
        self._variables = tuple(sorted(environment.variables))
        self._python = environment.python
        self._invocation = invocation
        self._strict = strict

    def begin(self) -> None:
        """Open the signer; a key that is created now is older than everything that it signs.

        Raises:
            ResourceError: the signing key is not available.
        """
        with _told():
            self._proofs.signer  # noqa: B018  # opened and kept
            self._proofs.project_names  # noqa: B018  # of the repository before the stages
        self._commit_files  # noqa: B018  # of the commit before the stages

    def believes(self, stage: Stage, contents: Mapping[str, Content]) -> bool:
        """Whether a trusted provenance names this stage for these outs, or none is needed."""
        if not self._strict:
            return True
        with self._proofs.records() as records:
            for content in contents.values():
                origin = records.made(identify(identify_content(content)))
                if origin is None or origin.provenance.stage != stage.name:
                    return False
        return True

    def attest(self, stage: Stage, result: StageResult) -> None:
        """Sign the provenance of a stage's run and add it to the ledger.

        Raises:
            ResourceError: it cannot be signed or stored.
        """
        if stage.is_source or not result.contents or result.observed is None:
            return
        with _told(f"{stage.name}: "):
            for location, content in result.contents.items():
                self._list(location, content)
            statement = write_provenance(self._describe(stage, result, result.observed))
            self._proofs.add(statement)
            self._proofs.leave_open()

    def _list(self, location: str, content: Content) -> None:
        """Sign the listing of a directory."""
        if content.entries:
            files = [ListedFile(entry.path, entry.sha256) for entry in content.entries]
            for listing in write_listing(location, files):
                self._proofs.add(listing)

    def _describe(self, stage: Stage, result: StageResult, observed: Observed) -> Provenance:
        restored = result.action is Done.RESTORE
        materials = [*self._surroundings, *self._inputs(stage, observed.inputs)]
        if restored:
            materials += self._origins(result)
        return Provenance(
            outs=tuple(
                Subject(location, identify_content(content))
                for location, content in result.contents.items()
            ),
            stage=stage.name,
            command=tuple(stage.commands),
            params=join_params((result.entry or {}).get("params", {})),
            variables=self._variables,
            materials=sort_materials(materials),
            action=ProvenanceAction.RESTORED if restored else ProvenanceAction.RAN,
            conditions=Conditions(
                observed.confined,
                self._uncommitted(stage, observed.inputs),
                tuple(observed.changed),
                observed.writable,
            ),
            builder=self._builder,
            invocation=self._invocation,
            started=observed.started,
            finished=observed.finished,
            project=tuple(sorted(self._proofs.project_names)),
        )

    def _inputs(self, stage: Stage, inputs: Mapping[str, Content]) -> Iterator[Material]:
        for dep in stage.deps:
            if dep.location in inputs:
                yield from self._material(dep, inputs)
        for params in stage.params:
            content = self._read(params.location)
            if content is not None:
                yield _name(params.location, content, Role.PARAMS)

    def _material(self, dep: Dep, inputs: Mapping[str, Content]) -> Iterator[Material]:
        """Yield the materials of a dep: an out, several outs, or files that no stage writes."""
        content = inputs[dep.location]
        below = [out for out in dep.producers if out.startswith(f"{dep.location}/")]
        for out in below:
            part = self._read(out)
            if part is not None:
                yield _name(out, part, self._role_of_out(out))
        self._list(dep.location, content)
        if dep.producers and not below:
            yield _name(dep.location, content, self._role_of_out(dep.producers[0]))
        else:
            tracked = self._is_tracked(dep.location, content, below)
            yield _name(dep.location, content, Role.CODE if tracked else Role.LOCAL)

    def _role_of_out(self, location: str) -> Role:
        producer = self._checkout.manifest.producer.get(location)
        return Role.DATA if producer is None or producer.is_source else Role.OUT

    def _read(self, location: str) -> Content | None:
        return self._checkout.read(location) if "://" not in location else None

    def _is_tracked(self, location: str, content: Content, outs: Sequence[str]) -> bool:
        """Whether Git tracks all files of a location except the outs in it."""
        if location.startswith(("/", "..")):
            return False
        if content.entries is None:
            return location in self._tracked
        paths = [f"{location}/{entry.path}" for entry in content.entries]
        return all(path in self._tracked or _lies_in(path, outs) for path in paths)

    def _uncommitted(self, stage: Stage, inputs: Mapping[str, Content]) -> tuple[str, ...]:
        """Return the tracked files that the stage has read and that differ from the commit."""
        read: dict[str, str] = {}
        for dep in stage.deps:
            if dep.location in inputs and not dep.location.startswith(("/", "..")):
                digests = _list_digests(dep.location, inputs[dep.location])
                outs = [one for one in dep.producers if one != dep.location]
                if outs or not dep.producers:
                    read |= {k: v for k, v in digests.items() if not _lies_in(k, outs)}
        for location in (stage.file, *(params.location for params in stage.params)):
            content = self._read(location)
            read |= _list_digests(location, content) if content is not None else {}
        tracked = {path: one for path, one in read.items() if self._is_known(path)}
        named = [dep.location for dep in stage.deps if not dep.producers]
        named += [stage.file, *(params.location for params in stage.params)]
        changed = [path for path in self._changed if _lies_in(path, named)]
        return tuple(sorted({*changed, *self._commit_files.find_differing(tracked)}))

    def _is_known(self, path: str) -> bool:
        """Whether Git tracks a file, or the commit has it: a stage can remove it from the index."""
        return path in self._tracked or self._commit_files.has(path)

    def _origins(self, result: StageResult) -> Iterator[Material]:
        """Yield the provenance of the runs that made the restored outs."""
        with self._proofs.records() as records:
            contents = result.contents.values()
            found = [records.origin(identify(identify_content(one))) for one in contents]
        digests = dict.fromkeys(one.verified.bundle.sha256 for one in found if one is not None)
        for digest in digests:
            yield Material("run-cache", {"sha256": digest}, Role.ORIGIN)

    @cached_property
    def _tracked(self) -> frozenset[str]:
        return frozenset(list_tracked(self._project.root, "."))

    @cached_property
    def _commit_files(self) -> CommitFiles:
        return CommitFiles(self._project.root, self._project.head.commit)

    @cached_property
    def _changed(self) -> frozenset[str]:
        return list_changed(self._project.root)

    @cached_property
    def _builder(self) -> Builder:
        found = (one for variable, one in _BUILDERS.items() if os.environ.get(variable))
        return Builder(
            next(found, _LOCAL), {"dvc": version("dvc"), "ml-assets": version("ml-assets")}
        )

    @cached_property
    def _surroundings(self) -> tuple[Material, ...]:
        """The commit, the environment's lock files and its interpreter."""
        found: list[Material] = []
        commit = self._project.head.commit
        if commit is not None:
            remote = read_remote_url(self._project.root)
            uri = f"git+{remote}@{commit}" if remote else ""
            found.append(Material("commit", {"gitCommit": commit}, Role.COMMIT, uri))
        for path in sorted(one for one in self._tracked if _LOCK.fullmatch(one)):
            content = self._read(path)
            if content is not None:
                found.append(_name(path, content, Role.LOCK))
        if self._python is not None:
            real = Path(os.path.realpath(self._python))
            digest = self._checkout.store.digest(str(real)).sha256
            found.append(Material(real.name, {"sha256": digest}, Role.INTERPRETER))
        return tuple(found)


@contextmanager
def _told(who: str = "") -> Iterator[None]:
    """Raise an error of signing as the error of a stage."""
    try:
        yield
    except SecurityError as error:
        raise UnavailableError(f"{who}{error.message}", error.hint) from error


def _lies_in(path: str, outs: Sequence[str]) -> bool:
    return any(path == out or path.startswith(f"{out}/") for out in outs)


def _list_digests(location: str, content: Content) -> dict[str, str]:
    """Return the sha256 of each file of a location, by path."""
    if content.entries is None:
        return {location: content.sha256}
    return {f"{location}/{entry.path}": entry.sha256 for entry in content.entries}


def identify_content(content: Content) -> dict[str, str]:
    """Return the digest of a file or directory for the subject of a statement."""
    return {"sha256" if content.entries is None else "dirHash": content.sha256}


def _name(location: str, content: Content, role: Role) -> Material:
    if content.entries is None:
        return Material(location, {"sha256": content.sha256, "md5": content.md5}, role)
    dvc = content.md5.removesuffix(".dir")
    return Material(location, {"dirHash": content.sha256, "dvcDir": dvc}, role)
