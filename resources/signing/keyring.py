"""The keyring: the user's signing key, stored only in the user's configuration directory.

The key is created on first use. Processes of stages and gates cannot read the directory
(``security/sandbox/confinement.py``), and no function here returns the private half.
"""

from __future__ import annotations

import datetime
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from resources.errors import os_reason
from resources.files import create_private
from resources.signing.private_key import load_private_key, refuse_key
from security.signing.public_key import PublicKey, load_public_key, take_public_key
from security.signing.signer import KeySigner


class Keyring:
    """The signing key of one user.

    Args:
        directory: the configuration directory of the user.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "signing.key"
        self._public = directory / "signing.pub"

    def exists(self) -> bool:
        """Whether there is a key."""
        return self.file.exists()

    def born(self) -> datetime.datetime:
        """Return the creation time of the key, which is that of its file.

        Raises:
            UnavailableError: there is no key.
        """
        try:
            made = self.file.stat().st_mtime
        except OSError as error:
            raise refuse_key(self.file, os_reason(error)) from error
        return datetime.datetime.fromtimestamp(int(made), datetime.UTC)

    def public_key(self) -> PublicKey | None:
        """Load the public half of the key; None without a key.

        Raises:
            SecurityError: the file is not a public key.
        """
        try:
            return load_public_key(self._public.read_bytes())
        except FileNotFoundError:
            return None

    def open_signer(self, passphrase: str | None = None) -> KeySigner:
        """Open the key for signing; create it on first use.

        Raises:
            UnavailableError: the key cannot be created or read, other users can read it, or the
                passphrase is missing or wrong.
        """
        if not self.exists():
            self.generate(passphrase)
        key = self._load(passphrase)
        public = take_public_key(key.public_key())
        return KeySigner(public, lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())))

    def generate(self, passphrase: str | None = None) -> PublicKey:
        """Create a key unless one exists; return its public half.

        If several processes create a key at once, all of them use the first one.

        Raises:
            UnavailableError: the key cannot be created.
        """
        if not self.exists():
            try:
                self._create(passphrase)
            except OSError as error:
                raise refuse_key(self.file, os_reason(error)) from error
        return take_public_key(self._load(passphrase).public_key())

    def rotate(self, passphrase: str | None = None) -> tuple[PublicKey, PublicKey]:
        """Replace the key by a new one; return the old and the new public half.

        The old private half is deleted.

        Raises:
            UnavailableError: there is no key, or the new one cannot be created.
        """
        old = take_public_key(self._load(passphrase).public_key())
        aside = self.file.with_name(f".signing.key.{secrets.token_hex(8)}")
        try:
            os.rename(self.file, aside)
            try:
                self._create(passphrase)
            except BaseException:
                os.rename(aside, self.file)
                self._public.write_bytes(old.pem)
                raise
            aside.unlink()
        except OSError as error:
            raise refuse_key(self.file, os_reason(error)) from error
        return old, take_public_key(self._load(passphrase).public_key())

    def _create(self, passphrase: str | None) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase:
            encryption = BestAvailableEncryption(passphrase.encode())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        if create_private(self.file, pem):
            self._public.write_bytes(take_public_key(key.public_key()).pem)

    def _load(self, passphrase: str | None) -> ec.EllipticCurvePrivateKey:
        return load_private_key(self.file, passphrase)
