"""Rules for Arrow arrays in the frames of pandas: the length against the buffers.

Arrow's `_restore_array` believes the length, the offset and the buffers of the file, and reads
memory beyond a short buffer.
"""

from __future__ import annotations

from security.model_scan.pickle.call_rules import Arguments
from security.model_scan.pickle.pickle_values import (
    Global,
    Instance,
    Items,
    Opaque,
    Value,
    is_bytes,
)

_ALIAS, _BUFFER = Global("pyarrow.lib", "type_for_alias"), Global("pyarrow.lib", "py_buffer")
#: The bits of one element, or of one offset of a text, which has one more.
_BITS = {"bool": 1, "string": 32, "utf8": 32, "large_string": 64, "large_utf8": 64}
_TEXTS = ("string", "utf8", "large_string", "large_utf8")
_WRONG = "a length that its buffers do not have"


def restored_array(arguments: Arguments) -> str | None:
    """Accept the parts of an array whose buffers hold as many elements as it announces."""
    parts = arguments[0] if len(arguments) == 1 else None
    if not isinstance(parts, tuple) or len(parts) != 7:
        return "parts of an array that Arrow does not write"
    kind, length, _, offset, buffers = parts[:5]
    alias = kind.arguments[0] if isinstance(kind, Instance) and kind.maker == _ALIAS else None
    if not isinstance(alias, str) or type(length) is not int or type(offset) is not int:
        return "an array of a kind that the scanner does not know"
    if not isinstance(buffers, Items) or alias not in _BITS or len(buffers.first) < 2:
        return "an array of a kind that the scanner does not know"
    if length < 0 or offset < 0:
        return _WRONG
    needed = (length + offset + (1 if alias in _TEXTS else 0)) * _BITS[alias]
    held = _measure(buffers.first[1])
    return None if held is not None and (held * 8 >= needed or not length) else _WRONG


def _measure(buffer: Value) -> int | None:
    """Return the number of bytes of a buffer; None if it is none."""
    if not isinstance(buffer, Instance) or buffer.maker != _BUFFER or not buffer.arguments:
        return None
    content = buffer.arguments[0]
    while isinstance(content, Instance) and is_bytes(content) and content.arguments:
        content = content.arguments[0]
    if isinstance(content, (bytes, str)):  # text, as old protocols write bytes
        return len(content)
    return content.length if isinstance(content, Opaque) and is_bytes(content) else None
