"""Settings of signing: what a method needs, and what is refused."""

from typing import Any

import pytest

from ml_assets.project.settings.signing import Method, parse_signing_settings
from ml_assets.project.settings.table import settings_table
from resources.errors import ConfigurationError

URI = "pkcs11:token=a;object=b"


def test_token_is_named_by_a_uri_and_its_module_may_be_the_users_to_name() -> None:
    settings = parse_signing_settings(settings_table({"method": "pkcs11", "uri": URI}, "x.toml"))

    assert (settings.method, settings.uri, settings.module) == (Method.PKCS11, URI, None)


@pytest.mark.parametrize(
    ("table", "key", "hint"),
    [
        ({"method": "pkcs11"}, "uri", "add uri to it"),
        ({"method": "pkcs11", "uri": 1}, "uri", "write a string"),
        ({"method": "pkcs11", "uri": URI, "module": ["x"]}, "module", "write a string"),
        ({"denied": "/var/lib/softhsm"}, "denied", "write a list of strings"),
        ({"method": "hsm"}, "method", "write one of key, keyless, certificate, pkcs11"),
    ],
)
def test_wrong_setting_says_what_to_write(table: dict[str, Any], key: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"x.toml: {key}: (not|missing)") as refused:
        parse_signing_settings(settings_table(table, "x.toml"))

    assert refused.value.hint == hint


@pytest.mark.parametrize("name", ["pin", "PIN", "pin-value"])
def test_pin_is_no_setting(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"x.toml: {name}: unknown key") as refused:
        parse_signing_settings(
            settings_table({"method": "pkcs11", "uri": URI, name: "1234"}, "x.toml")
        )

    assert "1234" not in refused.value.message + refused.value.hint
