"""The SLSA level: what can truly be said of how an artifact was built, and what keeps it there.

Specification: SLSA v1.0, *Security levels*, Build track, and *Producing artifacts*. A level is
computed from a provenance that was verified and from who signed it. It is no value that anybody can
state: nothing takes a level as an argument, and no statement is believed that claims one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from security.signing.bundle import Kind
from security.signing.identity import Identity
from security.statements.provenance import Action, Provenance

#: What Fulcio calls the runners that the platform itself provides.
_HOSTED = "github-hosted"


@dataclass(frozen=True, slots=True)
class SlsaLevel:
    """A level of the Build track, with the clause that keeps it from being higher."""

    level: int
    cap: str


@dataclass(frozen=True, slots=True)
class _Clause:
    """A requirement: who does not meet it stays at a level below it."""

    below: int
    text: str
    is_met: Callable[[Provenance, Identity], bool]


_CLAUSES = (
    _Clause(
        1,
        "Build L2, provenance is authentic: the code that was built is in no commit",
        lambda provenance, _: not provenance.conditions.uncommitted,
    ),
    _Clause(
        1,
        "Build L2, provenance is authentic: an input changed while the stage ran",
        lambda provenance, _: not provenance.conditions.changed,
    ),
    _Clause(
        1,
        "Build L2, hosted: signed with a key that whoever ran the build holds, and not by a build"
        " platform",
        lambda _, identity: identity.kind is Kind.KEYLESS,
    ),
    _Clause(
        1,
        "Build L2, hosted: the certificate does not say that the platform's own machine ran it",
        lambda _, identity: identity.claims.get("runner_environment") == _HOSTED,
    ),
    _Clause(
        1,
        "Build L2, provenance is authentic: stated by a step of the job that was built, whose"
        " author could state anything",
        lambda _, identity: _is_separate(identity),
    ),
    _Clause(
        2,
        "Build L3, isolated: restored from a cache, and not built in this run",
        lambda provenance, _: provenance.action is Action.RAN,
    ),
    _Clause(
        2,
        "Build L3, isolated: the stage's process could reach what signs",
        lambda provenance, _: provenance.conditions.confined,
    ),
)
_HIGHEST = SlsaLevel(3, "Build L3 is the highest level of SLSA v1.0's Build track")


def find_level(provenance: Provenance | None, identity: Identity | None) -> SlsaLevel:
    """Return the level of what a provenance speaks of, and the first clause that caps it.

    Args:
        provenance: verified; None where there is none.
        identity: who signed it.
    """
    if provenance is None or identity is None:
        return SlsaLevel(0, "Build L1, provenance exists: there is none that verifies")
    for clause in sorted(_CLAUSES, key=lambda one: one.below):
        if not clause.is_met(provenance, identity):
            return SlsaLevel(clause.below, clause.text)
    return _HIGHEST


def _is_separate(identity: Identity) -> bool:
    """Whether a workflow signed that the one which was built only calls (Fulcio, build signer)."""
    signer = identity.claims.get("build_signer_uri", "")
    called_by = identity.claims.get("build_config_uri", "")
    return bool(signer) and bool(called_by) and signer != called_by
