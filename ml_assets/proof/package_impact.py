"""The impact of a package or an advisory: the environments that contain an affected package.

Signed bills of materials list the packages. The subjects of a bill are the lock files and the
interpreter, which the provenance of runs names too: so a bill leads to the outs of its environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from ml_assets.gating.advisories import open_store
from resources.errors import ConfigurationError, UnavailableError
from security.advisories.database import AdvisoryDatabase
from security.advisories.packages.requirements import build_package
from security.advisories.vulnerability import match_package
from security.signing.signature import Verified
from security.verify.lineage import Node
from security.verify.verified_statements import VerifiedStatements

PREDICATE = "https://cyclonedx.org/bom"
_ADVISORY = re.compile(r"(CVE|GHSA|PYSEC|OSV|DSA|DLA)-[0-9A-Za-z-]+", re.IGNORECASE)
_PURL = re.compile(r"pkg:([a-z]+)/([^@?#]+)(?:@([^?#]+))?.*")


def names_a_package(text: str) -> bool:
    """Return whether a text is an advisory id or a package URL."""
    return bool(_ADVISORY.fullmatch(text)) or text.startswith("pkg:")


def find_bills(records: VerifiedStatements, text: str) -> Iterator[tuple[Node, str]]:
    """Yield the subjects of bills with a package, each with the bill's ledger digest.

    Args:
        text: an advisory id, or a package URL with or without a version.

    Raises:
        ConfigurationError: a package URL is malformed.
        UnavailableError: the ledger has no bill, or the advisories do not have the id, so that an
            empty answer would be wrong.
        SecurityError: the advisories cannot be read.
    """
    bills = [found for one in records.index.of_type(PREDICATE) if (found := records.find(one))]
    if not bills:
        raise UnavailableError(
            "no trusted bill of materials to search",
            "create one: ml-assets run --force",
        )
    if not text.startswith("pkg:"):
        with open_store().load_or_index(now=datetime.now(UTC)) as database:
            _require_known(database, text)
            yield from _search(bills, lambda purl: _is_affected(database, purl, text.upper()))
        return
    wanted = _PURL.fullmatch(text)
    if wanted is None:
        raise ConfigurationError(f"not a package URL: {text}", "write pkg:pypi/NAME@VERSION")
    yield from _search(bills, lambda purl: _is_same(wanted, purl))


def _require_known(database: AdvisoryDatabase, text: str) -> None:
    """Refuse an id that the advisories do not have: nothing is known about its packages."""
    if not database.knows(text):
        newest = max((one.newest for one in database.status.ecosystems), default=None)
        end = f"advisories end {newest:%Y-%m-%d}" if newest else "there are no advisories"
        raise UnavailableError(
            f"unknown here: {text.upper()}; {end}", "update them: ml-assets advisories update"
        )


def _search(
    bills: list[Verified], matches: Callable[[re.Match[str]], bool]
) -> Iterator[tuple[Node, str]]:
    known: dict[str, bool] = {}
    for bill in bills:
        held = [purl for purl in _purls(bill.statement.predicate) if _ask(known, purl, matches)]
        for subject in bill.statement.subjects if held else ():
            detail = f"contains {', '.join(held[:3])}"
            node = Node(subject.digest["sha256"], "environment", subject.name, subject.digest)
            yield Node(
                node.id, node.kind, node.name, node.digest, detail=detail
            ), bill.bundle.sha256


def _ask(known: dict[str, bool], purl: str, matches: Callable[[re.Match[str]], bool]) -> bool:
    if purl not in known:
        found = _PURL.fullmatch(purl)
        known[purl] = found is not None and matches(found)
    return known[purl]


def _purls(bill: Any) -> list[str]:
    components = bill.get("components", ())
    return [one["purl"] for one in components if isinstance(one, dict) and "purl" in one]


def _is_same(wanted: re.Match[str], purl: re.Match[str]) -> bool:
    same = wanted[1] == purl[1] and _normal(wanted[2]) == _normal(purl[2])
    return same and wanted[3] in (None, purl[3])


def _is_affected(database: AdvisoryDatabase, purl: re.Match[str], advisory: str) -> bool:
    """Return whether an advisory affects a package; an uncertain match counts."""
    if purl[1] != "pypi" or purl[3] is None:
        return False
    package = build_package(_normal(purl[2]), unquote(purl[3]), 1)
    found = match_package(database, package, at=datetime.now(UTC))
    return any(advisory in (name.upper() for name in one.ids) for one in found)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", unquote(name)).lower()
