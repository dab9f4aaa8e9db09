"""The keyring: the user's own signing key, in his configuration directory and nowhere else.

A key is made when it is first needed. No stage's or gate's process can read the directory
(``security/sandbox/confinement.py``), and nothing here shows the private half.
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

from resources.signing.private_key import load_private_key, refuse_key
from security.signing.public_key import PublicKey, load_public_key, take_public_key
from security.signing.signer import KeySigner


class Keyring:
    """The keys of one user.

    Args:
        directory: his configuration directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "signing.key"
        self._public = directory / "signing.pub"

    def exists(self) -> bool:
        """Whether there is a key."""
        return self.file.exists()

    def born(self) -> datetime.datetime:
        """Return when the key was made, as its file says.

        Raises:
            UnavailableError: there is none.
        """
        try:
            made = self.file.stat().st_mtime
        except OSError as error:
            raise refuse_key(self.file, (error.strerror or str(error)).lower()) from error
        return datetime.datetime.fromtimestamp(int(made), datetime.UTC)

    def public_key(self) -> PublicKey | None:
        """Return the public half of the key; None where there is no key.

        Raises:
            SecurityError: its file holds something else.
        """
        try:
            return load_public_key(self._public.read_bytes())
        except FileNotFoundError:
            return None

    def open_signer(self, passphrase: str | None = None) -> KeySigner:
        """Open the key for signing; it is made if there is none.

        Raises:
            UnavailableError: it cannot be made or read, others can read it, or the passphrase is
                missing or wrong.
        """
        if not self.exists():
            self.generate(passphrase)
        key = self._load(passphrase)
        public = take_public_key(key.public_key())
        return KeySigner(public, lambda message: key.sign(message, ec.ECDSA(hashes.SHA256())))

    def generate(self, passphrase: str | None = None) -> PublicKey:
        """Make a key unless there is one; return its public half. Of two at once, one wins.

        Raises:
            UnavailableError: it cannot be made.
        """
        if not self.exists():
            try:
                self._make(passphrase)
            except OSError as error:
                raise refuse_key(self.file, (error.strerror or str(error)).lower()) from error
        return take_public_key(self._load(passphrase).public_key())

    def rotate(self, passphrase: str | None = None) -> tuple[PublicKey, PublicKey]:
        """Make another key in place of the present one; return the old and the new public half.

        The old private half is gone afterwards: it can sign nothing any more.

        Raises:
            UnavailableError: there is no key, or none can be made.
        """
        old = take_public_key(self._load(passphrase).public_key())
        aside = self.file.with_name(f".signing.key.{secrets.token_hex(8)}")
        try:
            os.rename(self.file, aside)
            try:
                self._make(passphrase)
            except BaseException:
                os.rename(aside, self.file)
                self._public.write_bytes(old.pem)
                raise
            aside.unlink()
        except OSError as error:
            raise refuse_key(self.file, (error.strerror or str(error)).lower()) from error
        return old, take_public_key(self._load(passphrase).public_key())

    def _make(self, passphrase: str | None) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        encryption: KeySerializationEncryption = NoEncryption()
        if passphrase:
            encryption = BestAvailableEncryption(passphrase.encode())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self.directory / f".signing.key.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(temporary, flags, 0o600), "wb") as stream:
                stream.write(pem)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, self.file)
            self._public.write_bytes(take_public_key(key.public_key()).pem)
        except FileExistsError:
            return  # somebody else was faster, and that key is used
        finally:
            temporary.unlink(missing_ok=True)

    def _load(self, passphrase: str | None) -> ec.EllipticCurvePrivateKey:
        return load_private_key(self.file, passphrase)
