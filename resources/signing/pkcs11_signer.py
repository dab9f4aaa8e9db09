"""The signer whose key lies in a PKCS#11 token: the private half never comes here.

Specification: RFC 7512 (the URI) and PKCS#11 v2.40 (``CKM_ECDSA``). A process is logged in to a
token once, for all that is in it: so a session is opened for each signature and closed after it,
and there is one at a time.
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
_HINT = "write it as pkcs11:token=NAME;object=LABEL, with no PIN in it"
_P256 = bytes.fromhex("06082a8648ce3d030107")  # DER of its object identifier, RFC 5480
_HALF = 32  # bytes of r and of s, and of x and of y, on P-256
_POINT = 1 + 2 * _HALF
_TRIAL = b"ml-assets: is this the private half of that key"  # no statement begins so


@dataclass(frozen=True, slots=True)
class KeyName:
    """Which key of which token, as a URI names it."""

    token: str
    serial: bytes | None
    label: str | None
    id: bytes | None


def parse_uri(uri: str) -> KeyName:
    """Parse a PKCS#11 URI. The steps, each with what it stops:

    1. Only a path: a query could name a module to load (``module-path``) or hold the PIN, which
       every clone and history would show.
    2. Only attributes that are looked at here, none twice: no other key than the one that is meant.
    3. It names a token, and a key in it.

    Raises:
        ConfigurationError: a step finds something else.
    """
    found = _URI.fullmatch(uri)
    if found is None:  # 1
        raise ConfigurationError("not a PKCS#11 URI of a path alone", _HINT)
    values: dict[str, bytes] = {}
    for part in found[1].split(";"):
        name, _, value = part.partition("=")
        if name not in _KNOWN or name in values or not value:  # 2
            raise ConfigurationError(f"a PKCS#11 URI with an unknown part: {name[:40]!a}", _HINT)
        values[name] = unquote_to_bytes(value)
    if values.get("type", b"private") != b"private" or "token" not in values:  # 3
        raise ConfigurationError("a PKCS#11 URI that names no token's private key", _HINT)
    if "object" not in values and "id" not in values:
        raise ConfigurationError("a PKCS#11 URI that names no key", _HINT)
    try:
        label = values["object"].decode() if "object" in values else None
        return KeyName(values["token"].decode(), values.get("serial"), label, values.get("id"))
    except UnicodeDecodeError as error:
        raise ConfigurationError("a PKCS#11 URI that is not UTF-8", _HINT) from error


@dataclass(frozen=True)
class TokenKey:
    """A key in a token.

    Attributes:
        module: the token's shared library, which is loaded into this process.
        pin: the user's; it is in no message. None looks at what the token shows to everybody.
    """

    name: KeyName
    module: Path
    pin: str | None = field(repr=False)

    def read_public_key(self) -> PublicKey:
        """Read the public half, which lies in the token beside the private one.

        Raises:
            UnavailableError: the token cannot be read, refuses the PIN, or has no such key.
            ConfigurationError: there are several such tokens or keys.
            PublicKeyError: the key is no ECDSA key on P-256.
        """
        with self._open() as session:
            return _read_point(_find(session, ObjectClass.PUBLIC_KEY, self.name))

    def open_signer(self) -> KeySigner:
        """Open the key for signing, and try it: nothing runs for a signature that cannot be made.

        Raises:
            UnavailableError: the token cannot be read, refuses the PIN, or has no such key.
            ConfigurationError: there are several such tokens or keys.
            PublicKeyError: the key is no ECDSA key on P-256.
            SignatureError: the token's public key is not that of the private one.
        """
        public = self.read_public_key()
        public.verify(self.sign_message(_TRIAL), _TRIAL)
        return KeySigner(public, self.sign_message)

    def sign_message(self, message: bytes) -> bytes:
        """Return the key's ECDSA signature (DER) of some bytes.

        Raises:
            UnavailableError, ConfigurationError: as when it is opened.
        """
        digest = hashlib.sha256(message).digest()
        with self._open() as session:
            key = _find(session, ObjectClass.PRIVATE_KEY, self.name)
            if not isinstance(key, SignMixin):
                raise UnavailableError("the token's key cannot sign", "make another key in it")
            return _encode(key.sign(digest, mechanism=Mechanism.ECDSA))

    @contextmanager
    def _open(self) -> Iterator[Session]:
        with _guard:
            # A token locks itself after a few wrong PINs: a server must not use up all of them.
            if (self.module, self.name, self.pin) in _refused_pins:
                raise UnavailableError(
                    "the token has refused this PIN, and is not asked again",
                    "set the right one, and start anew",
                )
            try:
                token = pkcs11.lib(str(self.module)).get_token(
                    token_label=self.name.token, token_serial=self.name.serial
                )
                with token.open(user_pin=self.pin) as session:
                    yield session
            except (RuntimeError, ValueError, OSError) as error:  # RuntimeError: all of PKCS#11's
                if isinstance(error, PinIncorrect):
                    _refused_pins.add((self.module, self.name, self.pin))
                raise _refuse(error) from error


#: The library tells modules that there are no threads, and a login is the whole process's.
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
            "look what it has: pkcs11-tool --login --list-objects --module FILE",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"the token has several such keys: {_show(name)}", "add the key's id, as in ;id=%01"
        )
    if found[0][Attribute.KEY_TYPE] is not KeyType.EC:
        raise _other_kind()
    return found[0]


def _show(name: KeyName) -> str:
    shown = [] if name.label is None else [f"object={name.label!a}"]
    shown += [] if name.id is None else [f"id={name.id.hex()}"]
    return ", ".join(shown)


def _read_point(key: Object) -> PublicKey:
    """Read a public key's point; PKCS#11 wants it as an OCTET STRING, some tokens give it bare."""
    point = key[Attribute.EC_POINT]
    if key[Attribute.EC_PARAMS] != _P256:
        raise _other_kind()
    point = point.removeprefix(bytes((0x04, _POINT))) if len(point) == _POINT + 2 else point
    return take_public_key(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


def _other_kind() -> PublicKeyError:
    return PublicKeyError("the token's key is of another kind", "make an ECDSA key on P-256 in it")


def _encode(raw: bytes) -> bytes:
    """Write a token's signature (r and s, one after the other) as DER."""
    if len(raw) != 2 * _HALF:
        raise UnavailableError("the token gave no signature on P-256", "look at its key")
    return encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))


def _refuse(error: Exception) -> ResourceError:
    """Say what a token refused: by the name of the error alone, for its text is a module's own."""
    if isinstance(error, MultipleTokensReturned):
        return ConfigurationError("there are several such tokens", "add the serial of one")
    what = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    return UnavailableError(
        f"the token cannot sign: {what}", "look at its module, its name, the key's name and the PIN"
    )
