"""The SLSA level: how well an artifact's build is protected, computed and never claimed.

Specification: SLSA v1.0, *Security levels*, Build track, and *Producing artifacts*. The level
follows from a verified provenance and its signer. No function takes a level as an argument, and a
level that a statement claims is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from security.signing.bundle import BundleKind
from security.signing.identity import Identity
from security.statements.provenance import Provenance, ProvenanceAction

#: Fulcio's claim for runners that the platform itself provides.
_HOSTED = "github-hosted"


@dataclass(frozen=True, slots=True)
class SlsaLevel:
    """A level of the Build track, with the first clause that caps it."""

    level: int
    cap: str

    def __str__(self) -> str:
        """Return the level as one line for people."""
        if self.level == _HIGHEST.level:
            return f"SLSA Build L{self.level}"
        return f"SLSA Build capped at L{self.level}: {self.cap}"


@dataclass(frozen=True, slots=True)
class _Clause:
    """A requirement of a level; a build that does not meet it stays at ``below``."""

    below: int
    text: str
    is_met: Callable[[Provenance, Identity], bool]


_CLAUSES = (
    _Clause(
        1,
        "the built code is not committed (Build L2, authentic provenance)",
        lambda provenance, _: not provenance.conditions.uncommitted,
    ),
    _Clause(
        1,
        "an input changed while the stage ran (Build L2, authentic provenance)",
        lambda provenance, _: not provenance.conditions.changed,
    ),
    _Clause(
        1,
        "the build runner holds the signing key (Build L2, hosted platform)",
        lambda _, identity: identity.kind is BundleKind.KEYLESS,
    ),
    _Clause(
        1,
        "the certificate does not name a platform-hosted runner (Build L2, hosted platform)",
        lambda _, identity: identity.claims.get("runner_environment") == _HOSTED,
    ),
    _Clause(
        1,
        "the build job signs its own provenance (Build L2, authentic provenance)",
        lambda _, identity: _is_separate(identity),
    ),
    _Clause(
        2,
        "restored from a cache, not built in this run (Build L3, isolated)",
        lambda provenance, _: provenance.action is ProvenanceAction.RAN,
    ),
    _Clause(
        2,
        "the stage could reach the signing key (Build L3, isolated)",
        lambda provenance, _: provenance.conditions.confined,
    ),
)
_HIGHEST = SlsaLevel(3, "highest level of the Build track")


def find_level(provenance: Provenance | None, identity: Identity | None) -> SlsaLevel:
    """Return the level of a provenance's subjects, and the first clause that caps it.

    Args:
        provenance: verified; None without one.
        identity: its signer.
    """
    if provenance is None or identity is None:
        return SlsaLevel(0, "no verified provenance (Build L1, provenance exists)")
    for clause in sorted(_CLAUSES, key=lambda one: one.below):
        if not clause.is_met(provenance, identity):
            return SlsaLevel(clause.below, clause.text)
    return _HIGHEST


def _is_separate(identity: Identity) -> bool:
    """Return whether the signer is another workflow than the built one, which calls it.

    Fulcio's claims: *Build Signer URI* and *Build Config URI*.
    """
    signer = identity.claims.get("build_signer_uri", "")
    called_by = identity.claims.get("build_config_uri", "")
    return bool(signer) and bool(called_by) and signer != called_by
