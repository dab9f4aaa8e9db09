"""The PKCS#11 signer: signs with a key in a token; the private half never leaves the token.

Specification: RFC 7512 (the URI) and PKCS#11 v2.40 (``CKM_ECDSA``). A login applies to the whole
process, so each signature opens and closes a session of its own, one at a time.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import MultipleTokensReturned, PinIncorrect
from pkcs11.mechanisms import KeyType, Mechanism
from pkcs11.types import Object, Session, SignMixin

from resources.errors import ConfigurationError, ResourceError, UnavailableError
from security.signing.public_key import PublicKey, PublicKeyError, take_public_key
from security.signing.signer import KeySigner

_URI = re.compile(r"pkcs11:((?:[A-Za-z0-9._~:@!$'()*+,=&;\[\]-]|%[0-9A-Fa-f]{2})*)")
_KNOWN = ("token", "serial", "object", "id", "type")
_HINT = "write it without a PIN as: pkcs11:token=NAME;object=LABEL"
_P256 = bytes.fromhex("06082a8648ce3d030107")  # DER of its object identifier, RFC 5480
_HALF = 32  # bytes of r and of s, and of x and of y, on P-256
_POINT = 1 + 2 * _HALF
_TRIAL = b"ml-assets: is this the private half of that key"  # not the start of any statement


@dataclass(frozen=True, slots=True)
class KeyName:
    """The key and token that a URI names."""

    token: str
    serial: bytes | None
    label: str | None
    id: bytes | None


def parse_uri(uri: str) -> KeyName:
    """Parse a PKCS#11 URI. The steps, each with the attack or mistake that it stops:

    1. Accept only a path: a query could load a module (``module-path``) or publish the PIN in the
       Git history.
    2. Accept only known attributes, each once: an ignored attribute could select another key.
    3. Require a token and a key in it.

    Raises:
        ConfigurationError: a step fails.
    """
    found = _URI.fullmatch(uri)
    if found is None:  # 1
        raise ConfigurationError("not a PKCS#11 URI with a path only", _HINT)
    values: dict[str, bytes] = {}
    for part in found[1].split(";"):
        name, _, value = part.partition("=")
        if name not in _KNOWN or name in values or not value:  # 2
            raise ConfigurationError(
                f"unknown or repeated attribute in PKCS#11 URI: {name[:40]!a}", _HINT
            )
        values[name] = unquote_to_bytes(value)
    if values.get("type", b"private") != b"private" or "token" not in values:  # 3
        raise ConfigurationError("no private key of a token in PKCS#11 URI", _HINT)
    if "object" not in values and "id" not in values:
        raise ConfigurationError("no key (object or id) in PKCS#11 URI", _HINT)
    try:
        label = values["object"].decode() if "object" in values else None
        return KeyName(values["token"].decode(), values.get("serial"), label, values.get("id"))
    except UnicodeDecodeError as error:
        raise ConfigurationError("text that is not UTF-8 in PKCS#11 URI", _HINT) from error


@dataclass(frozen=True)
class TokenKey:
    """A key in a token.

    Attributes:
        module: the shared library of the token, loaded into this process.
        pin: the PIN of the user, never shown in a message; None reads public objects only.
    """

    name: KeyName
    module: Path
    pin: str | None = field(repr=False)

    def read_public_key(self) -> PublicKey:
        """Read the public half of the key from the token.

        Raises:
            UnavailableError: the token cannot be read, rejects the PIN, or has no such key.
            ConfigurationError: several tokens or keys match.
            PublicKeyError: the key is not an ECDSA key on P-256.
        """
        with self._open() as session:
            return _read_point(_find(session, ObjectClass.PUBLIC_KEY, self.name))

    def open_signer(self) -> KeySigner:
        """Open the key for signing and make a trial signature, so that a wrong key fails early.

        Raises:
            UnavailableError: the token cannot be read, rejects the PIN, or has no such key.
            ConfigurationError: several tokens or keys match.
            PublicKeyError: the key is not an ECDSA key on P-256.
            SignatureError: the public and private keys in the token do not belong together.
        """
        public = self.read_public_key()
        public.verify(self.sign_message(_TRIAL), _TRIAL)
        return KeySigner(public, self.sign_message)

    def sign_message(self, message: bytes) -> bytes:
        """Return the ECDSA signature (DER) of a message.

        Raises:
            UnavailableError, ConfigurationError: as ``open_signer``.
        """
        digest = hashlib.sha256(message).digest()
        with self._open() as session:
            key = _find(session, ObjectClass.PRIVATE_KEY, self.name)
            if not isinstance(key, SignMixin):
                raise UnavailableError(
                    "the key in the token cannot sign",
                    "generate a signing key: pkcs11-tool --keypairgen --key-type EC:prime256v1",
                )
            return _encode(key.sign(digest, mechanism=Mechanism.ECDSA))

    @contextmanager
    def _open(self) -> Iterator[Session]:
        with _guard:
            # A token locks itself after a few wrong PINs: a server must not use up the attempts.
            if (self.module, self.name, self.pin) in _refused_pins:
                raise UnavailableError(
                    "the token rejected this PIN before, not tried again",
                    "set the correct PIN, then start the process again",
                )
            try:
                token = pkcs11.lib(str(self.module)).get_token(
                    token_label=self.name.token, token_serial=self.name.serial
                )
                with token.open(user_pin=self.pin) as session:
                    yield session
            except (
                RuntimeError,
                ValueError,
                OSError,
            ) as error:  # RuntimeError: all errors of pkcs11
                if isinstance(error, PinIncorrect):
                    _refused_pins.add((self.module, self.name, self.pin))
                raise _refuse(error) from error


#: The library declares itself single-threaded to modules, and a login covers the whole process.
_guard = threading.Lock()
_refused_pins: set[tuple[Path, KeyName, str | None]] = set()


def _find(session: Session, kind: ObjectClass, name: KeyName) -> Object:
    wanted = {Attribute.CLASS: kind, Attribute.LABEL: name.label, Attribute.ID: name.id}
    found = list(
        session.get_objects({what: one for what, one in wanted.items() if one is not None})
    )
    if not found:
        half = "private" if kind is ObjectClass.PRIVATE_KEY else "public"
        raise UnavailableError(
            f"the token has no such {half} key: {_show(name)}",
            "list its keys: pkcs11-tool --login --list-objects --module FILE",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"the token has several such keys: {_show(name)}",
            "add the id of one key to the URI: ;id=%01",
        )
    if found[0][Attribute.KEY_TYPE] is not KeyType.EC:
        raise _other_kind()
    return found[0]


def _show(name: KeyName) -> str:
    shown = [] if name.label is None else [f"object={name.label!a}"]
    shown += [] if name.id is None else [f"id={name.id.hex()}"]
    return ", ".join(shown)


def _read_point(key: Object) -> PublicKey:
    """Read the point of a public key: an OCTET STRING in PKCS#11, bare bytes in some tokens."""
    point = key[Attribute.EC_POINT]
    if key[Attribute.EC_PARAMS] != _P256:
        raise _other_kind()
    point = point.removeprefix(bytes((0x04, _POINT))) if len(point) == _POINT + 2 else point
    return take_public_key(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


def _other_kind() -> PublicKeyError:
    return PublicKeyError(
        "the key in the token is not an ECDSA key on P-256",
        "generate one: pkcs11-tool --keypairgen --key-type EC:prime256v1",
    )


def _encode(raw: bytes) -> bytes:
    """Encode the signature of a token (r followed by s) as DER."""
    if len(raw) != 2 * _HALF:
        raise UnavailableError(
            "the token returned no signature on P-256",
            "check the type of the key: pkcs11-tool --login --list-objects --module FILE",
        )
    return encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))


def _refuse(error: Exception) -> ResourceError:
    """Return the error for a failed token call: its name only, as modules choose the text."""
    if isinstance(error, MultipleTokensReturned):
        return ConfigurationError(
            "several such tokens", "add the serial of one token to the URI: ;serial=NUMBER"
        )
    reason = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    return UnavailableError(
        f"the token cannot sign: {reason}",
        "check the module, the names of token and key, and the PIN",
    )
