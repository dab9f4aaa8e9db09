"""Provenance: it reads back as written, and nothing else passes for it."""

import json
from typing import Any

import pytest

from security.statements.provenance import (
    Conditions,
    ProvenanceError,
    parse_provenance,
    write_provenance,
)
from security.statements.statement import StatementError, parse_statement
from tests.unit.security.statements.statement_samples import data, run


def changed(path: list[str], value: Any) -> bytes:
    body = json.loads(write_provenance(run("model", data("raw"))).payload)
    inner = body
    for key in path[:-1]:
        inner = inner[int(key)] if isinstance(inner, list) else inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(body, separators=(",", ":")).encode()


def test_provenance_reads_back_as_written() -> None:
    written = run(
        "model", data("raw"), conditions=Conditions(False, ("a.py",), ("raw",), (".git",))
    )
    assert parse_provenance(write_provenance(written)) == written


def test_statement_is_slsa_provenance_with_sha256_subjects() -> None:
    body = json.loads(write_provenance(run("model", data("raw"))).payload)
    assert body["predicateType"] == "https://slsa.dev/provenance/v1"
    assert set(body["subject"][0]["digest"]) == {"sha256"}
    dependencies = body["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert all(set(one["digest"]) & {"sha256", "gitCommit"} for one in dependencies)


def test_provenance_of_nothing_is_not_written() -> None:
    with pytest.raises(StatementError, match="subject: no subject"):
        write_provenance(run("model", outs=()))


DEFINITION = ["predicate", "buildDefinition"]


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (["predicateType"], "https://slsa.dev/provenance/v0.2", "another statement type"),
        ([*DEFINITION, "buildType"], "https://example.com/other", "buildType: not urn:ml-assets"),
        ([*DEFINITION, "more"], 1, "unknown key"),
        ([*DEFINITION, "externalParameters"], None, "externalParameters: missing"),
        ([*DEFINITION, "externalParameters", "command"], "train", "not a list"),
        (
            [*DEFINITION, "internalParameters", "action"],
            "built",
            "action: not one of ran, restored: built",
        ),
        ([*DEFINITION, "internalParameters", "confined"], "yes", "confined: not true or false"),
        ([*DEFINITION, "internalParameters", "slsa_level"], 3, "unknown key"),
        ([*DEFINITION, "resolvedDependencies", "0", "digest"], {}, "no identifying digest"),
        ([*DEFINITION, "resolvedDependencies", "1", "digest"], {"md5": "0" * 32}, "no identifying"),
        (
            [*DEFINITION, "resolvedDependencies", "1", "annotations"],
            {"role": "x"},
            "role: not one of",
        ),
        (
            ["predicate", "runDetails", "metadata", "finishedOn"],
            "soon",
            "finishedOn: not a time: soon",
        ),
        (["predicate", "runDetails", "metadata", "finishedOn"], "2026-11-24T12:00:00", "zone"),
        (["predicate", "runDetails", "metadata", "startedOn"], "2026-11-24", "zone"),
        (["predicate", "runDetails", "builder", "id"], "", "id: empty"),
        (["predicate", "runDetails", "builder", "id"], 7, "id: not a string"),
    ],
)
def test_one_changed_field_is_refused(path: list[str], value: Any, why: str) -> None:
    with pytest.raises(ProvenanceError, match=why):
        parse_provenance(parse_statement(changed(path, value)))


def test_same_claim_in_other_bytes_is_refused() -> None:
    body = json.loads(write_provenance(run("model")).payload)
    with pytest.raises(ProvenanceError, match="not in our form"):
        parse_provenance(parse_statement(json.dumps(body, indent=1).encode()))
