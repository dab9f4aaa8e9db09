"""The trust of a project: the keys, certificates and identities whose signatures it accepts.

The protected branch lists them in ``.ml-assets/trust``. The user's own key is trusted as well, so
that users can verify their own signatures before they publish the key.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ml_assets.project.rules import TRUST, Rules
from ml_assets.signer.access import find_signer
from security.signing.trust import Trust, parse_trust


def find_trust(rules: Rules, *, with_own: bool = True) -> Trust:
    """Find the trusted signers.

    Args:
        with_own: also trust the user's own key, unless it is retired or revoked.

    Raises:
        PolicyError: the list of trusted signers is not valid.
    """
    return read_trust(rules.trust_files, rules.origin, with_own=with_own)


def read_trust(files: Mapping[str, bytes], origin: str, *, with_own: bool = True) -> Trust:
    """Read the trusted signers.

    Args:
        files: the files of ``TRUST``, by path. Those of its directories do not count, because
            the list names files next to it.
        origin: names the commit of the files, for messages.
        with_own: as for ``find_trust``.

    Raises:
        PolicyError: the list of trusted signers is not valid.
    """
    named = {posixpath.relpath(path, TRUST): text for path, text in files.items()}
    trust = replace(parse_trust(named, f"{TRUST} of {origin}"), at=datetime.now(UTC))
    own = find_signer().public_key() if with_own else None
    return trust if own is None else trust.with_key(own, "your own key")


def find_stray(files: Iterable[str]) -> list[str]:
    """Return the files in directories below ``TRUST``, which nothing reads."""
    return sorted(path for path in files if "/" in posixpath.relpath(path, TRUST))
