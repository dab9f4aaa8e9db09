"""``ml-assets keys``: the user's signing key, and the project's list of trusted keys."""

from __future__ import annotations

import argparse
import datetime
import getpass
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ml_assets.project.project import Project, find_project
from ml_assets.project.repository_pin import open_rules
from ml_assets.project.rules import TRUST, Rules
from ml_assets.project.settings.signing import Method
from ml_assets.proof.signing_method import find_method
from ml_assets.proof.trust import find_trust
from ml_assets.signer.access import find_signer
from ml_assets.signer.service import PASSPHRASE_VARIABLE, SigningMethod
from ml_assets.signer.user_directories import find_configuration
from resources.errors import ConfigurationError, wrap_os_error
from resources.files import write_atomically
from resources.stores.trust_files import TrustFiles
from security.signing.public_key import PublicKey

_EPILOG = """\
examples:
  ml-assets keys generate
  ml-assets keys generate --passphrase
  ml-assets keys show --json
  ml-assets keys rotate
  ml-assets keys revoke 0123456789abcdef
  ml-assets keys trusted-root
"""
_ACTIONS = {
    "generate": "create a key if you have none, and add its public half to the project's list",
    "show": "show the signing key, and whether it is trusted",
    "rotate": "replace the signing key; signatures of the old key stay valid",
    "revoke": "revoke a key: all of its signatures become invalid",
    "trusted-root": "write Sigstore's trusted root beside the list of trusted signers",
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
                help=f"ask for a passphrase that protects the key (or set {PASSPHRASE_VARIABLE})",
            )
            action.add_argument(
                "--name", metavar="NAME", help="name of the key in the project's list"
            )
        if name == "revoke":
            action.add_argument("key", metavar="KEY", help="id of the key, or the start of it")


@dataclass(frozen=True)
class _State:
    """The state of a key after an action.

    Attributes:
        token: the key's URI, if it is in a token.
    """

    action: str
    key: PublicKey | None
    former: PublicKey | None = None
    changed: bool = False
    token: str | None = None


def execute(arguments: argparse.Namespace) -> int:
    """Run the action, and print the state of the key."""
    project = find_project(arguments.project)
    signer = find_signer()
    files = TrustFiles(project.root / TRUST)
    now = datetime.datetime.now(datetime.UTC)
    rules = open_rules(project)
    signing = rules.settings.signing
    if arguments.action == "trusted-root":
        return _write_trusted_root(project, rules, arguments.json)
    if signing.method is Method.PKCS11 and arguments.action != "revoke":
        state = _look_at_token(find_method(project, rules), files, arguments, now)
    elif arguments.action == "show":
        state = _State("show", signer.public_key())
    elif arguments.action == "revoke":
        state = _revoke(files, arguments.key, now)
    elif arguments.action == "rotate":
        old, new = signer.rotate(prompts=_prompts(arguments))
        files.add(old, "a former key", datetime.datetime.fromtimestamp(0, datetime.UTC))
        files.retire(old.id, now)
        files.add(new, arguments.name or _default_name(), now)
        state = _State("rotate", new, old, True)
    else:
        key = signer.generate(prompts=_prompts(arguments))
        born = datetime.datetime.fromtimestamp(signer.born() or 0, datetime.UTC)
        changed = files.add(key, arguments.name or _default_name(), born)
        state = _State("generate", key, None, changed)
    _print(project, state, arguments.json)
    return 0


def _write_trusted_root(project: Project, rules: Rules, as_json: bool) -> int:
    """Write the file that verifies keyless signatures offline."""
    path = Path(TRUST, "trusted_root.json")
    try:
        root = find_signer().read_trusted_root(find_method(project, rules))
        write_atomically(project.root / path, root)
    except OSError as error:
        raise wrap_os_error(error) from error
    print(json.dumps({"written": str(path)}) if as_json else f"written: {path}")
    return 0


def _look_at_token(
    method: SigningMethod,
    files: TrustFiles,
    arguments: argparse.Namespace,
    now: datetime.datetime,
) -> _State:
    """Show the token's key, or add its public half to the list.

    The key is valid from now on: a token gives no trustworthy time of creation.
    """
    if arguments.action == "show":
        return _State("show", find_signer().read_token_key(method), token=method.uri)
    if arguments.action == "rotate":
        raise ConfigurationError(
            "cannot create a key in a token",
            "create it with the token's tools, set signing.uri, then: ml-assets keys generate",
        )
    key = find_signer().verify_token_key(method)
    changed = files.add(key, arguments.name or _default_name(), now)
    return _State("generate", key, None, changed, method.uri)


def _revoke(files: TrustFiles, wanted: str, now: datetime.datetime) -> _State:
    found = [one for one in files.read().keys.values() if one.key.id.startswith(wanted)]
    if len(found) != 1:
        problem = "ambiguous key id" if found else "unknown key id"
        raise ConfigurationError(
            f"{problem}: {wanted}", "list the keys: .ml-assets/trust/trust.toml"
        )
    files.revoke(found[0].key.id, now)
    return _State("revoke", None, found[0].key, True)


def _prompts(arguments: argparse.Namespace) -> bool:
    if find_signer().has_passphrase() or not arguments.passphrase:
        return False
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "cannot ask for a passphrase without a terminal", f"set {PASSPHRASE_VARIABLE}"
        )
    return True


def _default_name() -> str:
    return f"{getpass.getuser()} at {os.uname().nodename}"


def _print(project: Project, state: _State, as_json: bool) -> None:
    file = find_configuration() / "signing.key"
    listed = _is_listed(project, state.key)
    ruling = _is_ruling(project, state.key)
    document = {
        "action": state.action,
        "id": state.key.id if state.key else None,
        "file": str(file) if find_signer().born() is not None and state.token is None else None,
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
        print(f"token: {state.token}" if state.token else f"file: {file}")
    elif state.action == "show":
        print("no key yet; create one: ml-assets keys generate")
    if state.changed:
        print(f"changed: {TRUST}; to trust the key, commit it to the protected branch")
    elif state.key is not None and not ruling:
        where = "listed here, but not on the protected branch" if listed else "not in the list"
        print(f"not trusted{'' if state.token else ' by other users'}: {where}")


def _is_listed(project: Project, key: PublicKey | None) -> bool:
    return key is not None and key.id in TrustFiles(project.root / TRUST).read().keys


def _is_ruling(project: Project, key: PublicKey | None) -> bool:
    """Return whether the protected branch trusts a key, after the command has changed the files."""
    return key is not None and key.id in find_trust(open_rules(project), with_own=False).keys
