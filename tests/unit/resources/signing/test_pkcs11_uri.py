"""URIs of keys in tokens: one meaning, and neither a PIN nor a module in them (RFC 7512)."""

import pytest

from resources.errors import ConfigurationError
from resources.signing.pkcs11_signer import KeyName, parse_uri


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("pkcs11:token=a;object=b", KeyName("a", None, "b", None)),
        ("pkcs11:object=b;token=a;type=private", KeyName("a", None, "b", None)),
        ("pkcs11:token=my%20token;object=%C3%A9", KeyName("my token", None, "é", None)),
        ("pkcs11:token=a;id=%01%ff", KeyName("a", None, None, b"\x01\xff")),
        ("pkcs11:token=a;serial=0f;object=b;id=1", KeyName("a", b"0f", "b", b"1")),
    ],
)
def test_uri_names_a_key(uri: str, name: KeyName) -> None:
    assert parse_uri(uri) == name


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=a;object=b?module-path=evil.so",
        "pkcs11:token=a;object=b?pin-value=1234",
        "pkcs11:token=a;object=b?pin-source=file:pin",
        "pkcs11:token=a;object=b;object=c",
        "pkcs11:token=a;object=b;pin-value=1234",
        "pkcs11:token=a;x-other=b;object=c",
        "pkcs11:token=a;object=b;type=public",
        "pkcs11:token=a;object=",
        "pkcs11:token=a;object=%ff",
        "pkcs11:token=a;object=b#c",
        "pkcs11:token=a",
        "pkcs11:object=b",
        "pkcs11:token=a;object=b;",
        "pkcs11:token=a;object=b\n",
        "pkcs11:token=a b;object=c",
        "pkcs11:token=a;object=%zz",
        "pkcs11:",
        "PKCS11:token=a;object=b",
        "file:token=a;object=b",
        "",
    ],
)
def test_uri_that_means_something_else_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="PKCS#11 URI") as refused:
        parse_uri(uri)
    assert "1234" not in refused.value.message + refused.value.hint
