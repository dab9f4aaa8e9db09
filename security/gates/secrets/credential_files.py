"""Detectors of credentials in the files of tools, which have no quotes and no telling names.

Most formats are known by the name of the file. A line that no other text has is found in any file:
a login for netrc in one line, a base64 of ``user:password``, or a key of kubectl.
"""

from __future__ import annotations

import base64
import binascii
import re

from detect_secrets.plugins.base import RegexBasedDetector


class NetrcDetector(RegexBasedDetector):
    """Detect passwords in files for netrc, and in commands that write one."""

    secret_type = "Netrc Password"  # nosec B105  # a label
    path = None
    denylist = (
        re.compile(r"\b(?:machine\s+\S+|default)\s+login\s+\S+\s+password\s+[\"']?([^\s\"']+)"),
    )


class NetrcFileDetector(RegexBasedDetector):
    """Detect passwords in files for netrc that use a line for each word."""

    secret_type = "Netrc Password"  # nosec B105  # a label
    path = re.compile(r"(?:^|/)[._]?netrc(?:\.(?:txt|bak|local|example|template))?$")
    denylist = (re.compile(r"(?:^|\s)(?:password|account)\s+[\"']?([^\s\"']+)"),)


class RegistryAuthDetector(RegexBasedDetector):
    """Detect logins of container registries, and of HTTP: base64 of ``user:password``."""

    secret_type = "Basic Auth in Base64"  # nosec B105  # a label
    path = None
    denylist = (
        re.compile(r"\b_?auth[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/_-]{6,}={0,2})"),
        re.compile(r"\bBasic\s+([A-Za-z0-9+/_-]{6,}={0,2})", re.IGNORECASE),
        re.compile(r"\.dockerc(?:onfigjson|fg)[\"']?\s*:\s*[\"']?([A-Za-z0-9+/]{16,}={0,2})"),
    )


class RegistryTokenDetector(RegexBasedDetector):
    """Detect tokens of container registries."""

    secret_type = "Registry Token"  # nosec B105  # a label
    path = None
    denylist = (re.compile(r"\"(?:identity|registry)token\"\s*:\s*\"([^\"]{8,})\""),)


class NpmFileDetector(RegexBasedDetector):
    """Detect tokens and passwords of npm and yarn."""

    secret_type = "NPM Credential"  # nosec B105  # a label
    path = re.compile(r"(?:^|/)\.?(?:npmrc|yarnrc(?:\.ya?ml)?)$")
    denylist = (
        re.compile(r"_(?:authToken|auth|password)\s*=\s*[\"']?([^\s\"']{6,})"),
        re.compile(r"npmAuth(?:Token|Ident)\"?\s*:\s*[\"']?([^\s\"']{6,})"),
    )


class IndexTokenDetector(RegexBasedDetector):
    """Detect tokens in addresses of package indexes and channels."""

    secret_type = "Package Index Token"  # nosec B105  # a label
    path = None
    denylist = (
        re.compile(
            r"(?:index-url|index_url|find-links)[\"']?[\s=:]+[\"']?https?://([^\s/:@\"']{12,})@"
        ),
        re.compile(r"https?://[^\s/\"']+/t/([A-Za-z0-9-]{12,})/"),
    )


class KubernetesDetector(RegexBasedDetector):
    """Detect keys of kubectl's configuration."""

    secret_type = "Kubernetes Key"  # nosec B105  # a label
    path = None
    denylist = (re.compile(r"client-key-data[\"']?\s*:\s*[\"']?([A-Za-z0-9+/=]{20,})"),)


class KubernetesFileDetector(RegexBasedDetector):
    """Detect tokens and passwords in kubectl's configuration."""

    secret_type = "Kubernetes Key"  # nosec B105  # a label
    path = re.compile(
        r"(?:^|/)(?:\.kube/.*|[^/]*kube[_-]?config(?:\.(?:ya?ml|json|conf|txt|bak))?)$",
        re.IGNORECASE,
    )
    denylist = (
        re.compile(
            r"\b(?:(?:id-|refresh-|access-)?token|password)[\"']?\s*:\s*[\"']?([^\s\"',}]{6,})"
        ),
    )


class PasswordFileDetector(RegexBasedDetector):
    """Detect passwords in files of PostgreSQL and rclone."""

    secret_type = "Password File"  # nosec B105  # a label
    path = re.compile(r"(?:^|/)(?:\.?pgpass(?:\.conf)?|rclone\.conf)$")
    denylist = (
        re.compile(r"^[^:#\s]+:(?:\d+|\*):[^:]+:[^:]+:(\S+)"),
        re.compile(r"^\s*(?:pass|password2|token|client_secret)\s*=\s*(\S+)"),
    )


class TokenFileDetector(RegexBasedDetector):
    """Detect tokens in the configuration of command-line tools."""

    secret_type = "Token File"  # nosec B105  # a label
    path = re.compile(
        r"(?:^|/)(?:\.databrickscfg|\.terraformrc|terraform\.rc|credentials\.tfrc\.json"
        r"|kaggle\.json"
        r"|\.cargo/credentials(?:\.toml)?|gh/hosts\.ya?ml|\.huggingface/token|\.vault-token)$"
    )
    denylist = (
        re.compile(r"(?:token|key)[\"']?\s*[:=]\s*[\"']?([^\s\"',}]{8,})"),
        re.compile(r"^([A-Za-z0-9._-]{16,})$"),
    )


#: All detectors of this file.
DETECTORS = (
    NetrcDetector,
    NetrcFileDetector,
    RegistryAuthDetector,
    RegistryTokenDetector,
    NpmFileDetector,
    IndexTokenDetector,
    KubernetesDetector,
    KubernetesFileDetector,
    PasswordFileDetector,
    TokenFileDetector,
)
NAMES = frozenset(kind.__name__ for kind in DETECTORS)
_PLACEHOLDER = re.compile(
    r"(?:your|my|the|some|insert|replace|example|dummy|fake|test)?[-_ ]*"
    r"(?:api|access|auth|secret)?[-_ ]*"
    r"(?:password|passwd|pass|token|key|secret|here|changeme|placeholder|username)[-_ ]*(?:here)?",
    re.IGNORECASE,
)


def applies(detector: RegexBasedDetector, path: str) -> bool:
    """Say whether a detector of this file reads a file."""
    pattern: re.Pattern[str] | None = getattr(detector, "path", None)
    return pattern is None or pattern.search(path) is not None


def is_placeholder(detector: str, secret: str) -> bool:
    """Say whether a hit stands for a credential, or is no base64 of one."""
    if _PLACEHOLDER.fullmatch(secret) or re.match(r"[$%<{]", secret):
        return True
    return detector == RegistryAuthDetector.__name__ and not _holds_login(secret)


def _holds_login(secret: str) -> bool:
    """Say whether base64 holds ``user:password`` in printable characters."""
    padded = secret.replace("-", "+").replace("_", "/") + "=" * (-len(secret) % 4)
    try:
        text = base64.b64decode(padded, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return False
    return text.isprintable() and ":" in text.strip(":")
