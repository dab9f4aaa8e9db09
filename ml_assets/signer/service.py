"""The service of the signer: what a client can ask for, and nothing more.

1. A payload is signed if it is a statement with a predicate type of this program: the signer signs
   no arbitrary bytes.
2. What signs is chosen once, at the start of a run, before a gate or stage runs. A client that
   judged code takes over after that cannot sign with another method or send the identity token to
   another service.
3. No answer contains a private key, a passphrase, a PIN, a token or the secret of seals.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ml_assets.signer.passphrase_prompt import ask_passphrase
from ml_assets.signer.token_key import PIN_VARIABLE, find_token_key
from resources.errors import ConfigurationError, UnavailableError
from resources.signing.keyring import Keyring
from resources.stores.seal import Seal, seal_with
from resources.stores.secret import load_secret
from security.signing.bundle import Bundle
from security.signing.public_key import PublicKey
from security.signing.signer import KeySigner, Signer
from security.statements.predicates import PREDICATES
from security.statements.statement import StatementError, parse_statement

if TYPE_CHECKING:
    from resources.signing.pkcs11_signer import TokenKey

#: Holds the passphrase of the user's own key, where it has one.
PASSPHRASE_VARIABLE = "ML_ASSETS_KEY_PASSPHRASE"  # nosec B105  # the name of a variable


@dataclass(frozen=True, slots=True)
class SigningMethod:
    """What signs, from the settings of the protected branch.

    Attributes:
        name: ``key``, ``keyless``, ``certificate`` or ``pkcs11``.
        root: of the project; no key or module inside is used.
        key: path of the private key of a certificate.
        certificates: its chain, PEM.
        sigstore: client trust configuration, JSON; None for the public services.
        uri: of the key in a token.
        module: path of the PKCS#11 module.
    """

    name: str
    root: str
    key: str | None = None
    certificates: str | None = None
    sigstore: str | None = None
    uri: str | None = None
    module: str | None = None


class SignerService:
    """Signs and seals with the keys of one user.

    Args:
        directory: the user's configuration directory, with the keys.
        variables: the environment variables that hold passphrase, PIN and tokens.
    """

    def __init__(self, directory: Path, variables: Mapping[str, str]) -> None:
        self._directory = directory
        self._variables = variables
        self._method: SigningMethod | None = None
        self._signer: Signer | None = None

    @cached_property
    def _keyring(self) -> Keyring:
        return Keyring(self._directory)

    @cached_property
    def _seal(self) -> Seal:
        return seal_with(load_secret(self._directory / "results.secret"))

    def seal(self, purpose: str, messages: Sequence[bytes]) -> list[bytes]:
        """Return the seal of each message (``resources/stores/seal.py``).

        Raises:
            UnavailableError: the secret cannot be created or read.
        """
        return self._seal(purpose, messages)

    def public_key(self) -> PublicKey | None:
        """Return the public half of the user's own key; None without a key."""
        return self._keyring.public_key()

    def born(self) -> float | None:
        """Return when the user's own key was created, in seconds since 1970; None without a key."""
        return self._keyring.born().timestamp() if self._keyring.exists() else None

    def has_passphrase(self) -> bool:
        """Whether the environment has a passphrase for the user's own key."""
        return self._passphrase is not None

    def generate(self, *, prompts: bool = False) -> PublicKey:
        """Create the user's own key if there is none.

        Args:
            prompts: ask at the terminal for a passphrase, if the environment has none.

        Raises:
            ConfigurationError: there is no terminal to ask at.
            UnavailableError: the key cannot be created.
        """
        return self._keyring.generate(self._find_passphrase(prompts))

    def rotate(self, *, prompts: bool = False) -> tuple[PublicKey, PublicKey]:
        """Replace the user's own key; return the old and the new public half.

        Args:
            prompts: as for ``generate``.

        Raises:
            ConfigurationError: there is no terminal to ask at.
            UnavailableError: there is no key, or the new one cannot be created.
        """
        return self._keyring.rotate(self._find_passphrase(prompts))

    def read_token_key(self, method: SigningMethod) -> PublicKey:
        """Return the public half of the key in the token; most tokens show it without a PIN.

        Raises:
            ResourceError, SecurityError: the key cannot be read.
        """
        self.choose(method)
        return self._token(method).read_public_key()

    def verify_token_key(self, method: SigningMethod) -> PublicKey:
        """Return the public half of the key in the token, after a trial signature.

        Raises:
            ResourceError, SecurityError: the key cannot be used.
        """
        self.choose(method)
        return self._open_token(method).public_key

    def read_trusted_root(self, method: SigningMethod) -> bytes:
        """Return the trusted root of Sigstore (JSON).

        Raises:
            UnavailableError: Sigstore cannot be reached.
        """
        from resources.signing.keyless_signer import KeylessSigner

        self.choose(method)
        return KeylessSigner(method.sigstore).trusted_root

    def choose(self, method: SigningMethod) -> None:
        """Choose what signs, for good.

        Raises:
            ConfigurationError: another method was chosen before.
        """
        if self._method not in (None, method):  # 2
            raise ConfigurationError(
                "the signing method changed during the command", "run the command again"
            )
        self._method = method

    def open(self, method: SigningMethod) -> None:
        """Choose what signs, and open it.

        Raises:
            ResourceError, SecurityError: the key is not available.
            ConfigurationError: another method was chosen before.
        """
        self.choose(method)
        if self._signer is None:
            self._signer = self._open(method)

    def sign(self, payload: bytes) -> Bundle:
        """Sign a statement.

        Raises:
            ResourceError, SecurityError: the signer is unavailable or refuses.
        """
        if self._signer is None:
            raise UnavailableError("no signing method chosen", "report it as a bug of ml-assets")
        kind = parse_statement(payload).predicate_type
        if kind not in PREDICATES:  # 1
            raise StatementError(f"not signed, unknown predicate type: {kind}", "sign it yourself")
        return self._signer.sign(payload)

    @property
    def _passphrase(self) -> str | None:
        return self._variables.get(PASSPHRASE_VARIABLE) or None

    def _find_passphrase(self, prompts: bool) -> str | None:
        if self._passphrase is not None or not prompts:
            return self._passphrase
        return ask_passphrase(PASSPHRASE_VARIABLE)

    def _open(self, method: SigningMethod) -> Signer:
        if method.name == "key":
            return self._keyring.open_signer(self._passphrase)
        if method.name == "keyless":
            from resources.signing.keyless_signer import KeylessSigner

            return KeylessSigner(method.sigstore)
        if method.name == "pkcs11":
            return self._open_token(method)
        from resources.signing.certificate_signer import open_certificate_signer

        return open_certificate_signer(
            _outside(method), str(method.certificates).encode(), self._passphrase
        )

    def _open_token(self, method: SigningMethod) -> KeySigner:
        if not self._variables.get(PIN_VARIABLE):
            raise UnavailableError("no PIN for the token", f"set {PIN_VARIABLE}")
        return self._token(method).open_signer()

    def _token(self, method: SigningMethod) -> TokenKey:
        return find_token_key(str(method.uri), method.module, Path(method.root), self._variables)


def _outside(method: SigningMethod) -> Path:
    """Return the path of a private key, which no repository may hold."""
    path = Path(os.path.expanduser(str(method.key)))
    if not path.is_absolute() or path.resolve().is_relative_to(Path(method.root).resolve()):
        raise ConfigurationError(
            f"private key inside the project: {method.key}",
            "move it to your configuration directory",
        )
    return path
