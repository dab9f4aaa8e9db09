"""The SLSA level: each missing condition caps it, names its clause, and nothing states it."""

import inspect
from dataclasses import replace

import pytest

from security.signing.bundle import BundleKind
from security.signing.identity import Identity
from security.statements.provenance import Conditions, Provenance, ProvenanceAction
from security.verify import slsa_level
from security.verify.slsa_level import find_level
from tests.unit.security.statements.statement_samples import run

PLATFORM = Identity(
    BundleKind.KEYLESS,
    "https://forge.example/acme/builder/.github/workflows/train.yml@refs/tags/v1",
    "https://issuer.example",
    {
        "runner_environment": "github-hosted",
        "build_signer_uri": "https://forge.example/acme/builder/.github/workflows/train.yml",
        "build_config_uri": "https://forge.example/acme/model/.github/workflows/ci.yml",
    },
)
LAPTOP = Identity(BundleKind.KEY, "ab" * 32)
RAN = run("model")


def claiming(**claims: str) -> Identity:
    return replace(PLATFORM, claims={**PLATFORM.claims, **claims})


def test_separate_signer_of_a_hosted_platform_reaches_level_3() -> None:
    assert find_level(RAN, PLATFORM).level == 3


@pytest.mark.parametrize(
    ("provenance", "identity", "level", "clause"),
    [
        (None, PLATFORM, 0, "no verified provenance"),
        (RAN, None, 0, "no verified provenance"),
        (RAN, LAPTOP, 1, "build runner holds the signing key"),
        (RAN, replace(PLATFORM, kind=BundleKind.CERTIFICATES), 1, "holds the signing key"),
        (RAN, claiming(runner_environment="self-hosted"), 1, "platform-hosted runner"),
        (RAN, replace(PLATFORM, claims={}), 1, "platform-hosted runner"),
        (
            RAN,
            claiming(build_signer_uri=PLATFORM.claims["build_config_uri"]),
            1,
            "signs its own provenance",
        ),
        (RAN, claiming(build_signer_uri=""), 1, "signs its own provenance"),
        (RAN, claiming(build_config_uri=""), 1, "signs its own provenance"),
        (replace(RAN, action=ProvenanceAction.RESTORED), PLATFORM, 2, "restored from a cache"),
        (replace(RAN, conditions=Conditions(False)), PLATFORM, 2, "could reach the signing key"),
        (replace(RAN, conditions=Conditions(True, ("a.py",))), PLATFORM, 1, "not committed"),
        (replace(RAN, conditions=Conditions(True, (), ("x",))), PLATFORM, 1, "input changed"),
    ],
)
def test_level_is_capped_by_the_clause(
    provenance: Provenance | None, identity: Identity | None, level: int, clause: str
) -> None:
    found = find_level(provenance, identity)
    assert found.level == level
    assert clause in found.cap


def test_laptop_is_level_1_whatever_else_is_true() -> None:
    for conditions in (Conditions(True), Conditions(False), Conditions(True, ("a",), ("b",))):
        assert find_level(replace(RAN, conditions=conditions), LAPTOP).level == 1


def test_no_function_takes_a_level() -> None:
    for _, function in inspect.getmembers(slsa_level, inspect.isfunction):
        assert "level" not in inspect.signature(function).parameters
