"""The provenance: the run of a stage, with its outs and its inputs.

Specification: SLSA v1.0 *Provenance*, predicate ``https://slsa.dev/provenance/v1``. Our build type
is described in ``docs/reference/build-type.md``. Subjects are the outs, hashed outside
the stage's process. Materials also carry DVC's md5, next to their sha256.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from security.content.field import Field
from security.errors import SecurityError
from security.statements.statement import Statement, Subject, parse_digests, write_statement

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:ml-assets:dvc-stage:v1"
_DEFINITION_FIELDS = (
    "buildType",
    "externalParameters",
    "internalParameters",
    "resolvedDependencies",
)
_OUTER_FIELDS = ("stage", "command", "params", "environment")
_INNER_FIELDS = ("action", "confined", "uncommitted", "changed")


class ProvenanceError(SecurityError):
    """A statement is not a stage's provenance."""

    kind = "provenance"


class ProvenanceAction(Enum):
    """Whether a stage ran, or its outs were restored from a cache."""

    RAN = "ran"
    RESTORED = "restored"


class Role(Enum):
    """The role of a material in a run."""

    OUT = "out"  # written by another stage
    DATA = "data"  # tracked by DVC, written by no stage
    CODE = "code"  # tracked by Git
    PARAMS = "params"
    LOCAL = "local"  # tracked by neither DVC nor Git
    COMMIT = "commit"
    LOCK = "lock"
    INTERPRETER = "interpreter"
    ORIGIN = "origin"  # the provenance of the run whose outs were restored


@dataclass(frozen=True, slots=True)
class Material:
    """An input of a run (in SLSA's words: a resolved dependency).

    Attributes:
        uri: its download address, if known.
    """

    name: str
    digest: Mapping[str, str]
    role: Role
    uri: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as an in-toto ResourceDescriptor."""
        return {
            **({"uri": self.uri} if self.uri else {}),
            "digest": dict(self.digest),
            "name": self.name,
            "annotations": {"role": self.role.value},
        }


@dataclass(frozen=True, slots=True)
class Builder:
    """The platform of a run.

    Attributes:
        id: ``urn:ml-assets:builder:local``, or the id of a CI service.
        version: versions of the programs that took part, by name.
    """

    id: str
    version: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions of a run that we observed.

    Attributes:
        confined: the stage's process could not reach keys and results.
        uncommitted: paths that the run read and that differed from the commit.
        changed: deps that changed during the run.
        writable: places that the stage's process could write although this program or Git trusts
            them; ``*`` for all.
    """

    confined: bool
    uncommitted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of outs.

    Attributes:
        outs: with their observed digests.
        stage: DVC's address of the stage.
        command: its resolved commands.
        params: values by file and key.
        variables: names of the environment variables of its process.
        invocation: the run's id.
        project: the names of the run's project; none in statements of earlier versions.
    """

    outs: tuple[Subject, ...]
    stage: str
    command: tuple[str, ...]
    params: Mapping[str, Any]
    variables: tuple[str, ...]
    materials: tuple[Material, ...]
    action: ProvenanceAction
    conditions: Conditions
    builder: Builder
    invocation: str
    started: datetime.datetime
    finished: datetime.datetime
    project: tuple[str, ...] = ()

    def of_role(self, *roles: Role) -> list[Material]:
        """Return the materials with a role."""
        return [one for one in self.materials if one.role in roles]


def write_provenance(provenance: Provenance) -> Statement:
    """Write a provenance as a statement.

    Raises:
        StatementError: it has no outs, or a malformed digest.
    """
    conditions = provenance.conditions
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "stage": provenance.stage,
                "command": list(provenance.command),
                "params": dict(provenance.params),
                "environment": list(provenance.variables),
            },
            "internalParameters": {
                "action": provenance.action.value,
                "confined": conditions.confined,
                "uncommitted": list(conditions.uncommitted),
                "changed": list(conditions.changed),
                **({"writable": list(conditions.writable)} if conditions.writable else {}),
                **({"project": list(provenance.project)} if provenance.project else {}),
            },
            "resolvedDependencies": [one.to_json() for one in provenance.materials],
        },
        "runDetails": {
            "builder": {"id": provenance.builder.id, "version": dict(provenance.builder.version)},
            "metadata": {
                "invocationId": provenance.invocation,
                "startedOn": write_time(provenance.started),
                "finishedOn": write_time(provenance.finished),
            },
        },
    }
    return write_statement(provenance.outs, PREDICATE, predicate)


def parse_provenance(statement: Statement) -> Provenance:
    """Read a provenance. The steps, each with the attack that it stops:

    1. The predicate type and our build type: fields of another type have other meanings.
    2. Exactly the fields that we write: an unknown field would go unread.
    3. Every material has an identifying digest and a role: the content of an address can change.
    4. Writing it again gives the same bytes.

    Raises:
        ProvenanceError: a step finds something else.
    """
    try:
        if statement.predicate_type != PREDICATE:  # 1
            raise ValueError("another statement type")
        found = _build(statement)  # 2, 3
        if write_provenance(found).payload != statement.payload:  # 4
            raise ValueError("it is not in our form")
    except (ValueError, TypeError, SecurityError) as error:
        raise ProvenanceError(
            f"not the provenance of a stage: {error}", "run the stage again: ml-assets run --force"
        ) from error
    return found


def _build(statement: Statement) -> Provenance:
    body = Field(statement.predicate).only(("buildDefinition", "runDetails"))
    definition = body.get("buildDefinition").only(_DEFINITION_FIELDS)
    if definition.get("buildType").value != BUILD_TYPE:
        raise definition.get("buildType").unlike(BUILD_TYPE)
    outer = definition.get("externalParameters").only(_OUTER_FIELDS)
    inner = definition.get("internalParameters").only(_INNER_FIELDS, ("writable", "project"))
    details = body.get("runDetails").only(("builder", "metadata"))
    builder = details.get("builder").only(("id", "version"))
    metadata = details.get("metadata").only(("invocationId", "startedOn", "finishedOn"))
    versions = builder.get("version")
    return Provenance(
        outs=statement.subjects,
        stage=outer.text_of("stage"),
        command=outer.get("command").texts(),
        params=outer.get("params").mapping(),
        variables=outer.get("environment").texts(),
        materials=tuple(_material(one) for one in definition.get("resolvedDependencies").items()),
        action=inner.get("action").choice(ProvenanceAction),
        conditions=Conditions(
            inner.get("confined").flag(),
            inner.get("uncommitted").texts(),
            inner.get("changed").texts(),
            inner.get("writable").texts(),
        ),
        builder=Builder(
            builder.text_of("id"), {name: versions.text_of(name) for name in versions.keys()}
        ),
        invocation=metadata.text_of("invocationId"),
        started=parse_time(metadata.get("startedOn")),
        finished=parse_time(metadata.get("finishedOn")),
        project=inner.get("project").texts(),
    )


def _material(field: Field) -> Material:
    field.only(("name", "digest", "annotations"), ("uri",))
    role = field.get("annotations").only(("role",)).get("role").choice(Role)
    digest = parse_digests(field, "digest")
    return Material(field.text_of("name"), digest, role, field.get("uri").optional_text() or "")


def write_time(at: datetime.datetime) -> str:
    """Write a time (RFC 3339, UTC, microseconds)."""
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(field: Field) -> datetime.datetime:
    """Parse a time with its zone (RFC 3339).

    Raises:
        ValueError: it is not one.
    """
    try:
        found = datetime.datetime.fromisoformat(field.text())
    except ValueError as error:
        raise field.unlike("a time") from error
    if found.tzinfo is None:
        raise field.unlike("a time with its zone")
    return found.astimezone(datetime.UTC)


def join_params(params: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return parameters by file and key, as JSON values.

    Other values of YAML and TOML (times, infinite numbers) become text.
    """
    return {
        file: {key: _plain(value) for key, value in sorted(values.items())}
        for file, values in sorted(params.items())
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else str(value)


def sort_materials(materials: Sequence[Material]) -> tuple[Material, ...]:
    """Return materials by role, then by name."""
    order = list(Role)
    return tuple(sorted(materials, key=lambda one: (order.index(one.role), one.name)))
