"""The lock text: renders one entry of ``dvc.lock``, and recognizes text that DVC wrote.

A dump of an entry takes more than a millisecond. So a pattern recognizes text of the usual form. It
accepts only part of what DVC writes; for other text the entry is dumped and compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_WIDTH = 80  # characters, after which DVC wraps the line

# A string that YAML reads as a string without quotes.
_SPECIAL = r"(?!(?i:true|false|null|yes|no|on|off|y|n)(?:$|:))"
_LETTER = r"""[A-Za-z0-9_./@=+,;$&|<>()*'"{}\[\]!?%~^-]"""
_TEXT = rf"{_SPECIAL}(?:[A-Za-z_/$]|\./){_LETTER}*(?: {_LETTER}+)*"
_KEY = rf"{_SPECIAL}[A-Za-z_][A-Za-z0-9_.@/-]*"
# No exponents: DVC's round trip changes the last digit of such numbers.
_NUMBER = r"(?!-0$)-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{0,7}[1-9]|\.0)?"
_SCALAR = rf"(?:{_TEXT}|{_NUMBER}|true|false)$"
# At least one letter, so that YAML does not read a number.
_MD5 = r"(?=[0-9e]*[abcdf])[0-9a-f]{32}(?:\.dir)?$"
_ITEM = (
    rf"    - path: {_TEXT}$\n      hash: md5\n      md5: {_MD5}\n      size: [0-9]{{1,15}}\n"
    r"(?:      nfiles: [0-9]{1,9}\n)?(?:      isexec: true\n)?"
)
_VALUE = rf"        {_KEY}: {_SCALAR}\n"
_LIST = rf"        {_KEY}:\n(?:        - {_SCALAR}\n)+"
_USUAL = (
    rf"  {_KEY}:\n"
    rf"    cmd: {_TEXT}$\n"
    rf"(?:    deps:\n(?:{_ITEM})+)?"
    rf"(?:    params:\n(?:      {_KEY}:\n(?:{_VALUE}|{_LIST})+)+)?"
    rf"(?:    outs:\n(?:{_ITEM})+)?"
)
_LONG = re.compile(rf".{{{_WIDTH}}}")


@cache
def _usual() -> re.Pattern[str]:
    # Not at import: it takes milliseconds, which a run without work avoids.
    return re.compile(_USUAL, re.M)


def render_entry(name: str, entry: Mapping[str, Any]) -> str:
    """Dump one entry as under ``stages:``."""
    from dvc.utils.serialize import dumps_yaml

    return str(dumps_yaml({"stages": {name: entry}})).removeprefix("stages:\n")


def is_writable(value: Any) -> bool:
    """Whether DVC can write a value of a parameter: YAML has no form for some values of TOML."""
    if _is_plain(value):
        return True
    from ruamel.yaml.representer import RepresenterError

    try:
        render_entry("stage", {"params": value})
    except RepresenterError:
        return False
    return True


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def is_usual(text: str) -> bool:
    """Whether the text of an entry has the usual form, for which DVC writes the same bytes."""
    return _usual().fullmatch(text) is not None and _LONG.search(text) is None
