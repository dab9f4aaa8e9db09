"""A PKCS#11 token in software (SoftHSM), with keys that can sign here and keys that cannot."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.contract.repository import Repository

SETTINGS = "ml-assets.toml"
PIN = "482913"
#: Where distributions put SoftHSM's module.
_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
#: Puts the halves of two keys beside each other, as someone may who can write into the token.
_MIX = """
import sys
import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption
from cryptography.hazmat.primitives.serialization import PrivateFormat, PublicFormat
from pkcs11.util.ec import decode_ec_private_key, decode_ec_public_key

one, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
form = PrivateFormat.TraditionalOpenSSL, NoEncryption()
private = decode_ec_private_key(one.private_bytes(Encoding.DER, *form))
info = PublicFormat.SubjectPublicKeyInfo
public = decode_ec_public_key(other.public_key().public_bytes(Encoding.DER, info))
token = pkcs11.lib(sys.argv[1]).get_token(token_label="signing")
with token.open(user_pin=sys.argv[2], rw=True) as session:
    kept = {pkcs11.Attribute.LABEL: "mixed", pkcs11.Attribute.TOKEN: True}
    for half in (private, public):
        session.create_object({**half, **kept})
"""


class SoftToken:
    """Two tokens called ``double``, and ``signing`` with these keys.

    ``release`` is as it has to be; ``large`` is on P-384, ``rsa`` no ECDSA key; two are ``twice``;
    ``mixed`` has the halves of two keys.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "tokens"
        self.directory.mkdir()
        self._configuration = directory / "softhsm2.conf"
        self._configuration.write_text(f"directories.tokendir = {self.directory}\n")
        for label in ("signing", "double", "double"):
            self._run("--init-token", "--free", "--label", label, "--so-pin", "9" * 8)
        keys = {
            ("release", "01"): ec.generate_private_key(ec.SECP256R1()),
            ("large", "02"): ec.generate_private_key(ec.SECP384R1()),
            ("rsa", "03"): rsa.generate_private_key(65537, 2048),
            ("twice", "04"): ec.generate_private_key(ec.SECP256R1()),
            ("twice", "05"): ec.generate_private_key(ec.SECP256R1()),
        }
        for (label, number), key in keys.items():
            file = directory / "key.pem"
            file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            words = ("--token", "signing", "--label", label, "--id", number, "--force")
            self._run("--import", str(file), *words)
            file.unlink()
        mix = [sys.executable, "-c", _MIX, str(self.module), PIN]
        subprocess.run(mix, env={**os.environ, **self.place}, check=True, capture_output=True)

    @property
    def module(self) -> Path:
        """SoftHSM's own library."""
        return next(Path(one) for one in _PLACES if Path(one).exists())

    @property
    def place(self) -> dict[str, str]:
        """The variable that says where the tokens lie."""
        return {"SOFTHSM2_CONF": str(self._configuration)}

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs to sign."""
        return {**self.place, "ML_ASSETS_PKCS11_PIN": PIN}

    def settings(self, key: str = "object=release", **more: object) -> str:
        """Return the settings of a project that signs with a key of the token."""
        values = {"uri": f"pkcs11:token=signing;{key}", "module": str(self.module), **more}
        lines = [f"{name} = {value!r}" for name, value in values.items() if value is not None]
        return "\n".join(["[signing]", 'method = "pkcs11"', *lines, ""])

    def _run(self, *words: str) -> None:
        command = ["softhsm2-util", "--module", str(self.module), *words, "--pin", PIN]
        environment = {**os.environ, **self.place}
        subprocess.run(command, env=environment, check=True, capture_output=True)


def refused(
    project: Repository, words: tuple[str, ...], variables: Mapping[str, str], code: int
) -> str:
    """Run what has to be refused in two lines, and return them."""
    done = project.ml_assets(*words, extra=variables)
    assert done.code == code, done
    lines = done.stderr.strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"], done
    assert PIN not in done.stderr + done.stdout
    return done.stderr
