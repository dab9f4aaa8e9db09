"""The trust: the trusted signers, with their purposes and times.

It is read from ``.ml-assets/trust/trust.toml`` and the files next to it, at the protected branch's
commit: a branch under review cannot add its own key.

```toml
version = 1

[[keys]]
file = "ab12cd34ab12cd34.pem"           # ECDSA P-256, PEM
name = "ml-platform laptop"
from = 2026-11-24T09:00:00Z
until = 2027-01-01T00:00:00Z            # retired; its earlier signatures stay valid
revoked = 2027-01-05T00:00:00Z          # possibly stolen: no signature of it counts
for = ["provenance", "gate-result"]     # optional; these purposes only

[[keyless]]
identity = "https://example.com/acme/ml/.github/workflows/release.yml@refs/heads/main"
issuer = "https://token.actions.example.com"
root = "trusted_root.json"              # Sigstore's trusted root that verifies it offline

[[authorities]]
file = "ca.pem"                         # PEM of the authority's certificates
identity = "release@example.com"        # a subject alternative name of the signing certificate
```
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from security.content.table import Table, load_policy
from security.signing.public_key import PublicKey, SignatureError, load_public_key
from security.statements.predicates import Purpose

FILE = "trust.toml"
VERSION = 1


@dataclass(frozen=True)
class Trusted:
    """One trusted signer.

    Attributes:
        name: the display name.
        purposes: the purposes that the signer is trusted for; None for all.
        since: the start of its validity.
        until: the end of its validity.
        revoked: the time of revocation; no signature of a revoked signer counts.
    """

    name: str
    purposes: frozenset[Purpose] | None = None
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None
    revoked: datetime.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TrustedKey(Trusted):
    """A trusted key."""

    key: PublicKey

    @property
    def key_pem(self) -> bytes:
        """The key's bytes, PEM."""
        return self.key.pem


@dataclass(frozen=True)
class TrustedIdentity(Trusted):
    """A trusted keyless identity, always together with its issuer.

    Attributes:
        root: Sigstore's trusted root for offline verification, JSON.
    """

    identity: str = ""
    issuer: str = ""
    root: bytes = b""


@dataclass(frozen=True)
class TrustedAuthority(Trusted):
    """A trusted authority for one identity."""

    certificates: bytes = b""
    identity: str = ""


@dataclass(frozen=True)
class Trust:
    """All trusted signers.

    Attributes:
        at: the time to compare certificates without a time stamp with; None refuses them.
    """

    keys: Mapping[str, TrustedKey]
    identities: tuple[TrustedIdentity, ...] = ()
    authorities: tuple[TrustedAuthority, ...] = ()
    at: datetime.datetime | None = None

    def find_key(self, key_id: str) -> TrustedKey:
        """Return a key by its id.

        Raises:
            SignatureError: it is not trusted.
        """
        found = self.keys.get(key_id)
        if found is None:
            raise SignatureError(
                f"signing key not trusted: {key_id[:16]}",
                "if you know the key, add it to .ml-assets/trust on the protected branch",
            )
        return found

    def with_key(self, key: PublicKey, name: str) -> Trust:
        """Return the trust with one more key, unless it lists that key (possibly revoked)."""
        return replace(self, keys={key.id: TrustedKey(name, key=key), **self.keys})


def check_signer(trusted: Trusted, purpose: Purpose, at: datetime.datetime | None) -> None:
    """Check that a signer is trusted for a purpose at a time.

    1. It is not revoked: a thief of the key can state any time.
    2. It is trusted for this purpose.
    3. The statement's time lies within the signer's validity. The time is the signer's own claim,
       so it only binds an honest signer. A statement without a time counts until revocation.

    Raises:
        SignatureError: a step fails.
    """
    hint = "check .ml-assets/trust/trust.toml of the protected branch"
    if trusted.revoked is not None:  # 1
        raise SignatureError(f"signer revoked: {trusted.name}", hint)
    if trusted.purposes is not None and purpose not in trusted.purposes:  # 2
        raise SignatureError(
            f"{trusted.name} is not trusted for this purpose: {purpose.value}", hint
        )
    if at is not None:  # 3
        if trusted.since is not None and at < trusted.since:
            raise SignatureError(f"signed before the validity of {trusted.name}: {at:%F %T}", hint)
        if trusted.until is not None and at >= trusted.until:
            raise SignatureError(f"signed after the retirement of {trusted.name}: {at:%F %T}", hint)


def parse_trust(files: Mapping[str, bytes], where: str) -> Trust:
    """Parse the trust; without ``trust.toml`` it is empty.

    Args:
        files: the files of the directory, by name.
        where: the directory, for messages.

    Raises:
        PolicyError: a setting is missing, unknown, of another type or names a missing file.
        SecurityError: a key file is malformed.
    """
    if FILE not in files:
        return Trust({})
    document = load_policy(files[FILE], f"{where}/{FILE}")
    document.refuse_unknown(("version", "keys", "keyless", "authorities"))
    document.require("version")
    if document.whole_number("version", 0, 0, 10**6) != VERSION:
        raise document.error("version", f"not {VERSION}", f"write version = {VERSION}")
    keys = [_parse_key(one, files) for one in document.list_of_tables("keys")]
    by_id: dict[str, TrustedKey] = {}
    for one in keys:
        if by_id.setdefault(one.key.id, one) is not one:
            raise document.error("keys", f"key listed twice: {one.name}", "remove one entry")
    return Trust(
        by_id,
        tuple(_parse_identity(one, files) for one in document.list_of_tables("keyless")),
        tuple(_parse_authority(one, files) for one in document.list_of_tables("authorities")),
    )


def parse_identities(
    text: bytes, files: Mapping[str, bytes], where: str
) -> tuple[TrustedIdentity, ...]:
    """Parse a list of keyless identities with one fixed purpose.

    Args:
        files: the files next to it, by name.
        where: its path, for messages.

    Raises:
        PolicyError: a setting is missing, unknown, of another type or names a missing file.
    """
    document = load_policy(text, where)
    document.refuse_unknown(("version", "keyless"))
    document.require("version")
    if document.whole_number("version", 0, 0, 10**6) != VERSION:
        raise document.error("version", f"not {VERSION}", f"write version = {VERSION}")
    found = tuple(_parse_identity(one, files) for one in document.list_of_tables("keyless"))
    if any(one.purposes is not None for one in found):
        raise document.error("keyless", "unknown setting: for", "remove it")
    return found


_SIGNER = ("name", "from", "until", "revoked", "for")


def _parse_key(table: Table, files: Mapping[str, bytes]) -> TrustedKey:
    table.refuse_unknown(("file", *_SIGNER))
    pem = _file(table, "file", files)
    return TrustedKey(**_signer(table, "key"), key=load_public_key(pem))


def _parse_identity(table: Table, files: Mapping[str, bytes]) -> TrustedIdentity:
    table.refuse_unknown(("identity", "issuer", "root", *_SIGNER))
    table.require("identity", "issuer")
    return TrustedIdentity(
        **_signer(table, table.line("identity")),
        identity=table.line("identity"),
        issuer=table.line("issuer"),
        root=_file(table, "root", files),
    )


def _parse_authority(table: Table, files: Mapping[str, bytes]) -> TrustedAuthority:
    table.refuse_unknown(("file", "identity", *_SIGNER))
    table.require("identity")
    return TrustedAuthority(
        **_signer(table, table.line("identity")),
        certificates=_file(table, "file", files),
        identity=table.line("identity"),
    )


def _signer(table: Table, name: str) -> dict[str, Any]:
    return {
        "name": table.line("name", name),
        "purposes": _purposes(table),
        "since": _time(table, "from"),
        "until": _time(table, "until"),
        "revoked": _time(table, "revoked"),
    }


def _file(table: Table, key: str, files: Mapping[str, bytes]) -> bytes:
    table.require(key)
    name = table.line(key)
    if name not in files:
        raise table.error(key, f"no such file next to it: {name}", "add the file, and commit it")
    return files[name]


def _purposes(table: Table) -> frozenset[Purpose] | None:
    if "for" not in table:
        return None
    known = {one.value: one for one in Purpose}
    named = table.get("for").value
    if not isinstance(named, list) or not named or not all(one in known for one in named):
        raise table.error("for", "not a list of purposes", f"known purposes: {', '.join(known)}")
    return frozenset(known[one] for one in named)


def _time(table: Table, key: str) -> datetime.datetime | None:
    value = table.get(key).value
    if value is None:
        return None
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise table.error(key, "not a time with a zone", "write it as 2026-12-31T00:00:00Z")
    return value.astimezone(datetime.UTC)
