"""The lock text: how DVC writes one entry of ``dvc.lock``, and whether a text is written so.

Dumping an entry takes more than a millisecond. A text of the usual form is recognized by a
pattern instead, which accepts less than what DVC writes; where it does not match, the entry is
dumped to compare.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_WIDTH = 80  # characters, behind which DVC goes on in the next line

# A text without quotes that no rule of YAML takes for anything else than a text.
_SPECIAL = r"(?!(?i:true|false|null|yes|no|on|off|y|n)(?:$|:))"
_LETTER = r"""[A-Za-z0-9_./@=+,;$&|<>()*'"{}\[\]!?%~^-]"""
_TEXT = rf"{_SPECIAL}(?:[A-Za-z_/$]|\./){_LETTER}*(?: {_LETTER}+)*"
_KEY = rf"{_SPECIAL}[A-Za-z_][A-Za-z0-9_.@/-]*"
# No exponents: of these DVC's own round trip changes the last digit.
_NUMBER = r"(?!-0$)-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{0,7}[1-9]|\.0)?"
_SCALAR = rf"(?:{_TEXT}|{_NUMBER}|true|false)$"
# At least one letter that makes it no number.
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
    # Not at import: it takes milliseconds, which a run with nothing to do need not pay.
    return re.compile(_USUAL, re.M)


def render_entry(name: str, entry: Mapping[str, Any]) -> str:
    """Dump one entry as it stands under ``stages:``."""
    from dvc.utils.serialize import dumps_yaml

    return str(dumps_yaml({"stages": {name: entry}})).removeprefix("stages:\n")


def is_usual(text: str) -> bool:
    """Whether an entry's text has the usual form, which DVC writes with these very bytes."""
    return _usual().fullmatch(text) is not None and _LONG.search(text) is None
