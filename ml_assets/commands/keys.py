"""``ml-assets keys``: the user's own signing key, and the project's list of who may sign."""

from __future__ import annotations

import argparse
import datetime
import getpass
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ml_assets.project.project import Project, find_configuration, find_project
from ml_assets.project.rules import find_rules
from ml_assets.project.settings.signing import Method, SigningSettings
from ml_assets.proof.signer import PASSPHRASE_VARIABLE
from ml_assets.proof.token_key import open_token_signer, read_token_key
from ml_assets.proof.trust import DIRECTORY, find_trust
from resources.errors import ConfigurationError
from resources.signing.keyring import Keyring
from resources.stores.trust_files import TrustFiles
from security.signing.public_key import PublicKey

_EPILOG = """\
examples:
  ml-assets keys generate
  ml-assets keys generate --passphrase
  ml-assets keys show --json
  ml-assets keys rotate
  ml-assets keys revoke 0123456789abcdef
"""
_ACTIONS = {
    "generate": "make a key unless there is one, and add its public half to the project's list",
    "show": "say which key signs, and where it is trusted",
    "rotate": "sign with a new key from now on; what the old one signed stays good",
    "revoke": "believe nothing that a key has signed, whenever that was",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in _ACTIONS.items():
        action = actions.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for option in ("--json", "--debug"):  # they may stand before the action as well
            action.add_argument(
                option, action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
            )
        if name in ("generate", "rotate"):
            action.add_argument(
                "--passphrase",
                action="store_true",
                help=f"ask for one that protects the key (else: ${PASSPHRASE_VARIABLE})",
            )
            action.add_argument("--name", metavar="NAME", help="what people shall call the key")
        if name == "revoke":
            action.add_argument("key", metavar="KEY", help="its id, or how that begins")


@dataclass(frozen=True)
class _State:
    """A key, and what is known of it.

    Attributes:
        token: the URI of the key, where it lies in a token.
    """

    action: str
    key: PublicKey | None
    former: PublicKey | None = None
    changed: bool = False
    token: str | None = None


def execute(arguments: argparse.Namespace) -> int:
    """Do what the action says, and print how things stand."""
    project = find_project(arguments.project)
    keyring = Keyring(find_configuration())
    files = TrustFiles(project.root / DIRECTORY)
    now = datetime.datetime.now(datetime.UTC)
    signing = find_rules(project.root).settings.signing
    if signing.method is Method.PKCS11 and arguments.action != "revoke":
        state = _look_at_token(project, signing, files, arguments, now)
    elif arguments.action == "show":
        state = _State("show", keyring.public_key())
    elif arguments.action == "revoke":
        state = _revoke(files, arguments.key, now)
    elif arguments.action == "rotate":
        old, new = keyring.rotate(_passphrase(arguments))
        files.add(old, "a former key", datetime.datetime.fromtimestamp(0, datetime.UTC))
        files.retire(old.id, now)
        files.add(new, arguments.name or _default_name(), now)
        state = _State("rotate", new, old, True)
    else:
        key = keyring.generate(_passphrase(arguments))
        changed = files.add(key, arguments.name or _default_name(), keyring.born())
        state = _State("generate", key, None, changed)
    _print(project, keyring, state, arguments.json)
    return 0


def _look_at_token(
    project: Project,
    signing: SigningSettings,
    files: TrustFiles,
    arguments: argparse.Namespace,
    now: datetime.datetime,
) -> _State:
    """Show the token's key, or add its public half to the list; keys are made with its own tools.

    It is listed from now on: when it was made no token says in a way that can be believed.
    """
    if arguments.action == "show":
        return _State("show", read_token_key(project, signing), token=signing.uri)
    if arguments.action == "rotate":
        raise ConfigurationError(
            "a token's key is not made here",
            "make one in the token, name it in signing.uri, then: ml-assets keys generate",
        )
    key = open_token_signer(project, signing).public_key
    changed = files.add(key, arguments.name or _default_name(), now)
    return _State("generate", key, None, changed, signing.uri)


def _revoke(files: TrustFiles, wanted: str, now: datetime.datetime) -> _State:
    found = [one for one in files.read().keys.values() if one.key.id.startswith(wanted)]
    if len(found) != 1:
        many = "several start so" if found else "none in the list starts so"
        raise ConfigurationError(f"not a key: {wanted}: {many}", "look: ml-assets keys show")
    files.revoke(found[0].key.id, now)
    return _State("revoke", None, found[0].key, True)


def _passphrase(arguments: argparse.Namespace) -> str | None:
    named = os.environ.get(PASSPHRASE_VARIABLE)
    if named or not arguments.passphrase:
        return named or None
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "nobody can be asked for a passphrase", f"set {PASSPHRASE_VARIABLE}"
        )
    return getpass.getpass("passphrase: ") or None


def _default_name() -> str:
    return f"{getpass.getuser()} at {os.uname().nodename}"


def _print(project: Project, keyring: Keyring, state: _State, as_json: bool) -> None:
    listed = _is_listed(project, state.key)
    ruling = _is_ruling(project, state.key)
    document = {
        "action": state.action,
        "id": state.key.id if state.key else None,
        "file": str(keyring.file) if keyring.exists() and state.token is None else None,
        "token": state.token,
        "listed": listed,
        "trusted": ruling,
        "former": state.former.id if state.former else None,
    }
    if as_json:
        print(json.dumps(document))
        return
    if state.former is not None:
        did = "revoked" if state.action == "revoke" else "retired"
        print(f"{did}: {state.former.id}")
    if state.key is not None:
        print(f"key: {state.key.id}")
        print(f"token: {state.token}" if state.token else f"file: {keyring.file}")
    elif state.action == "show":
        print("no key yet: ml-assets keys generate, or the next run makes one")
    if state.changed:
        print(f"changed: {Path(DIRECTORY)}; it rules once it is on the protected branch: commit it")
    elif state.key is not None and not ruling:
        where = "listed here, not yet on the protected branch" if listed else "not in its list"
        print(f"trusted by nobody{'' if state.token else ' but you'}: {where}")


def _is_listed(project: Project, key: PublicKey | None) -> bool:
    return key is not None and key.id in TrustFiles(project.root / DIRECTORY).read().keys


def _is_ruling(project: Project, key: PublicKey | None) -> bool:
    """Whether the protected branch trusts a key, not only the one who holds it."""
    return key is not None and key.id in find_trust(project, with_own=False).keys
