"""The settings of remotes that count in an open repository, and the reasons for refused remotes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from resources.dvc.configuration.remote_settings import RemoteSettings, parse_sections
from resources.errors import ConfigurationError
from resources.git.repository import list_tracked, read_files_at

#: Settings with a file that holds credentials or names programs.
_FILES = frozenset(
    {
        "cert_path",
        "configpath",
        "credentialpath",
        "gdrive_service_account_json_file_path",
        "gdrive_user_credentials_file",
        "kerb_ticket",
        "key_path",
        "keyfile",
        "ssl_verify",
    }
)

#: The settings that strangers may choose for their own address: none sends the user's credentials
#: there, runs a program or asks for a password.
_HARMLESS = frozenset(
    {
        "access_key_id",
        "account_key",
        "account_name",
        "acl",
        "allow_anonymous_login",
        "auth",
        "cache_regions",
        "checksum_jobs",
        "connect_timeout",
        "connection_timeout",
        "custom_auth_header",
        "gdrive_acknowledge_abuse",
        "gdrive_trash_only",
        "jobs",
        "listobjects",
        "method",
        "no_traverse",
        "password",
        "port",
        "profile",
        "projectname",
        "protected",
        "read_timeout",
        "region",
        "sas_token",
        "secret_access_key",
        "session_token",
        "shared",
        "slow_link_warning",
        "sse",
        "sse_kms_key_id",
        "timeout",
        "token",
        "type",
        "url",
        "use_ssl",
        "user",
        "verify",
        "version_aware",
        "worktree",
    }
)


class Remotes(dict[str, Any]):
    """Remotes by name. A look-up of a refused remote raises the reason."""

    def __init__(
        self, remotes: Mapping[str, Any], refused: Mapping[str, ConfigurationError]
    ) -> None:
        super().__init__({name: one for name, one in remotes.items() if name not in refused})
        self.refused = refused

    def __missing__(self, name: str) -> Any:
        """Raise the reason why a remote is refused."""
        raise self.refused.get(name) or KeyError(name)


def find_risk(settings: Mapping[str, Any]) -> str | None:
    """Return a setting that a stranger may not choose for an address; None if all are harmless.

    Args:
        settings: of a remote, with its ``url``.
    """
    # A signature for S3 does not reveal the key. Other endpoints get passwords or tokens.
    signed = str(settings.get("url", "")).startswith("s3://")
    for key, value in settings.items():
        harmless = key in _HARMLESS or (key == "endpointurl" and signed)
        if not harmless and not (key == "ssl_verify" and str(value).lower() == "true"):
            return key
    return None


def refuse_branch_files(
    root: Path, rules: RemoteSettings, remotes: Mapping[str, Mapping[str, Any]]
) -> dict[str, ConfigurationError]:
    """Return the remotes with credential files or programs that this branch has changed.

    Args:
        root: the DVC root of the working tree.
        remotes: the settings that count, by name.
    """
    refused: dict[str, ConfigurationError] = {}
    for name, settings in remotes.items():
        for key, path in _find_files(settings):
            if _is_of_branch(root, rules, path):
                refused[name] = ConfigurationError(
                    f"remote.{name}.{key} is a file of this branch: {path}",
                    "name a file outside of the checkout: "
                    f"dvc config --local remote.{name}.{key} PATH",
                )
    return refused


def list_credential_files(root: Path, rules: RemoteSettings | None) -> list[Path]:
    """List the files with credentials or programs that the configuration of a checkout names.

    Args:
        root: the DVC root of the working tree.
        rules: the settings of the protected branch; None if those of the checkout count.

    Raises:
        ConfigurationError: a configuration cannot be parsed.
    """
    own = (root / ".dvc" / name for name in ("config", "config.local"))
    texts = [(str(file), file.read_bytes()) for file in own if file.is_file()]
    texts += [(rules.origin, rules.text)] if rules is not None else []
    named = (parse_sections(text, source).get("remote", {}) for source, text in texts)
    values = (value for one in named for remote in one.values() for value in _find_files(remote))
    expanded = {os.path.expanduser(value) for _, value in values}
    # DVC resolves paths from its directory; the words of a command can be any text.
    places = (above / one for one in expanded for above in (root / ".dvc", root))
    return [Path(os.path.normpath(one)) for one in places if one.is_file()]


def _find_files(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if key in _FILES and isinstance(value, str):
            yield key, value
        if key == "bearer_token_command":
            yield from ((key, word) for word in shlex.split(str(value)))


def _is_of_branch(root: Path, rules: RemoteSettings, path: str) -> bool:
    """Whether a file comes from Git, and not from the commit of the protected branch."""
    top = os.path.realpath(root)
    real = os.path.realpath(os.path.expanduser(path))
    lexical = os.path.abspath(os.path.expanduser(path))
    places = {os.path.relpath(real, top), os.path.relpath(lexical, root)}
    inside = {place for place in places if not place.startswith("..")}
    if not inside or not os.path.lexists(lexical):
        return False
    if len(places) > 1:
        return True  # a link: the branch may have made it
    (place,) = inside
    if not list_tracked(root, place):
        return False
    if rules.commit is None or not os.path.isfile(real):
        return True
    return read_files_at(root, rules.commit, [place]).get(place) != Path(real).read_bytes()
