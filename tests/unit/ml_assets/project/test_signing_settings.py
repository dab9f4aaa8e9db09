"""Settings of signing: what a method needs, and what is refused."""

from typing import Any

import pytest

from ml_assets.project.settings.reader import read_table
from ml_assets.project.settings.signing import Method, SigningSettings
from resources.errors import ConfigurationError

URI = "pkcs11:token=a;object=b"


def test_token_is_named_by_a_uri_and_its_module_may_be_the_users_to_name() -> None:
    settings = read_table(SigningSettings, {"method": "pkcs11", "uri": URI}, "x.toml")

    assert (settings.method, settings.uri, settings.module) == (Method.PKCS11, URI, None)


@pytest.mark.parametrize(
    ("table", "key", "expected"),
    [
        ({"method": "pkcs11"}, "uri", "a value, required with method pkcs11"),
        ({"method": "pkcs11", "uri": 1}, "uri", "a string"),
        ({"method": "pkcs11", "uri": URI, "module": ["x"]}, "module", "a string"),
        ({"denied": "/var/lib/softhsm"}, "denied", "a list of strings"),
        ({"method": "hsm"}, "method", "key or keyless or certificate or pkcs11"),
    ],
)
def test_wrong_setting_says_what_to_write(table: dict[str, Any], key: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"wrong setting in x.toml: {key}$") as refused:
        read_table(SigningSettings, table, "x.toml")

    assert refused.value.hint == f"write {expected}"


@pytest.mark.parametrize("name", ["pin", "PIN", "pin-value"])
def test_pin_is_no_setting(name: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown setting in x.toml") as refused:
        read_table(SigningSettings, {"method": "pkcs11", "uri": URI, name: "1234"}, "x.toml")

    assert "1234" not in refused.value.message + refused.value.hint
