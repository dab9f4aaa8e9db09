"""Models in the formats of single libraries, honest and lying, written as plain bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

FILES = Path(__file__).parent / "files"
Field = tuple[int, int] | Callable[["Flat"], int] | None


class Flat:
    """A writer of FlatBuffers: tables first, what they refer to after them."""

    def __init__(self, identifier: bytes, root: Callable[[Flat], int]) -> None:
        self.content = bytearray(b"\0\0\0\0" + identifier)
        struct.pack_into("<I", self.content, 0, root(self))

    def refer(self, place: int, target: int) -> None:
        """Write the distance to a target."""
        struct.pack_into("<I", self.content, place, target - place)


def table(*fields: Field) -> Callable[[Flat], int]:
    """Return the writer of a table; a field is a number and its width, or another writer."""

    def write(flat: Flat) -> int:
        vtable = len(flat.content)
        flat.content += struct.pack("<HH", 4 + 2 * len(fields), 4 + 8 * len(fields))
        flat.content += b"".join(
            struct.pack("<H", 0 if one is None else 4 + 8 * index)
            for index, one in enumerate(fields)
        )
        start = len(flat.content)
        flat.content += struct.pack("<i", start - vtable) + b"\0" * (8 * len(fields))
        for index, one in enumerate(fields):
            place = start + 4 + 8 * index
            if isinstance(one, tuple):
                value, width = one
                flat.content[place : place + width] = value.to_bytes(width, "little")
            elif one is not None:
                flat.refer(place, one(flat))
        return start

    return write


def vector(code: str, *numbers: int) -> Callable[[Flat], int]:
    """Return the writer of a vector of numbers."""

    def write(flat: Flat) -> int:
        start = len(flat.content)
        flat.content += struct.pack(f"<I{len(numbers)}{code}", len(numbers), *numbers)
        return start

    return write


def tables(*parts: Callable[[Flat], int]) -> Callable[[Flat], int]:
    """Return the writer of a vector of tables."""

    def write(flat: Flat) -> int:
        start = len(flat.content)
        flat.content += struct.pack("<I", len(parts)) + b"\0" * (4 * len(parts))
        for index, one in enumerate(parts):
            flat.refer(start + 4 + 4 * index, one(flat))
        return start

    return write


def text(value: str) -> Callable[[Flat], int]:
    """Return the writer of a text."""
    write = vector("B", *value.encode())
    return lambda flat: (write(flat), flat.content.append(0))[0]


def tflite(
    shape: tuple[int, ...] = (2, 2),
    buffer: int = 1,
    custom: str = "",
    inputs: tuple[int, ...] = (0,),
    opcode: int = 0,
    outside: tuple[int, int] = (0, 0),
) -> bytes:
    """Write a model of TensorFlow Lite with one tensor of 16 bytes and one operator."""
    code = table((32 if custom else 1, 1), text(custom) if custom else None, (1, 4))
    tensor = table(vector("i", *shape), (0, 1), (buffer, 4), text("w"))
    operator = table((opcode, 4), vector("i", *inputs), vector("i", 0))
    graph = table(tables(tensor), vector("i", 0), vector("i", 0), tables(operator))
    data = table(vector("B", *bytes(16)), (outside[0], 8), (outside[1], 8))
    model = table((3, 4), tables(code), tables(graph), text("x"), tables(table(), data))
    return bytes(Flat(b"TFL3", model).content)


def _gguf_text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(
    template: str = "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    lengths: tuple[int, ...] = (8, 2),
    kind: int = 0,
    offsets: tuple[int, ...] = (0, 64),
    pairs: int = 2,
    data: int = 128,
    depth: int = 0,
) -> bytes:
    """Write a GGUF file with two tensors of 64 bytes."""
    content = b"GGUF" + struct.pack("<IQQ", 3, len(offsets), pairs)
    content += _gguf_text("tokenizer.chat_template") + struct.pack("<I", 8) + _gguf_text(template)
    content += _gguf_text("tokens") + struct.pack("<I", 9)
    content += struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQ", 8, 1) + _gguf_text("a")
    for index, offset in enumerate(offsets):
        content += _gguf_text(f"w{index}") + struct.pack("<I", len(lengths))
        content += struct.pack(f"<{len(lengths)}Q", *lengths) + struct.pack("<IQ", kind, offset)
    return content.ljust(-(-len(content) // 32) * 32, b"\0") + bytes(data)


LIGHTGBM = (FILES / "lgb.txt").read_bytes()
UBJ = (FILES / "xgb.ubj").read_bytes()
CBM = (FILES / "cat.cbm").read_bytes()
JSON = (FILES / "xgb.json").read_bytes()


def replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the first occurrence of bytes that must exist."""
    assert old in content
    return content.replace(old, new, 1)


def deep_ubj(levels: int) -> bytes:
    """Nest lists in a model of XGBoost."""
    inner = b"[" * levels + b"]" * levels
    return b"{L" + struct.pack(">Q", 7) + b"learner{L" + struct.pack(">Q", 1) + b"a" + inner + b"}}"


STUMP = (
    b"tree\nversion=v4\nmax_feature_idx=4\n\nTree=0\nnum_leaves=1\nleaf_value=0.5\n\nend of trees\n"
)
NATIVE = {
    "lightgbm": LIGHTGBM,
    "lightgbm-stump": STUMP,
    "xgboost-ubj": UBJ,
    "catboost": CBM,
    "gguf": gguf(),
    "gguf-quantized": gguf(lengths=(32, 1), kind=2, offsets=(0, 32)),
    "gguf-template": gguf("Do not import; {{ 'please include x' }}{% set a = b['c'] | trim %}"),
    "gguf-empty": gguf(offsets=(), data=0),
    "tflite": tflite(),
    "tflite-known-operator": tflite(custom="TFLite_Detection_PostProcess"),
}
_CHILD = b"left_child=2 -2 -1"
LYING_NATIVE = {
    "lightgbm: child beyond": replaced(LIGHTGBM, _CHILD, b"left_child=3 -2 -1"),
    "lightgbm: leaf beyond": replaced(LIGHTGBM, _CHILD, b"left_child=2 -9 -1"),
    "lightgbm: child is its parent": replaced(LIGHTGBM, _CHILD, b"left_child=0 -2 -1"),
    "lightgbm: fewer leaves": replaced(LIGHTGBM, b"num_leaves=4", b"num_leaves=3"),
    "lightgbm: many leaves": replaced(LIGHTGBM, b"num_leaves=4", b"num_leaves=9999999999"),
    "lightgbm: feature beyond": replaced(LIGHTGBM, b"split_feature=0 1", b"split_feature=9 1"),
    "lightgbm: negative feature": replaced(LIGHTGBM, b"split_feature=0", b"split_feature=-1"),
    "lightgbm: sizes of trees": replaced(LIGHTGBM, b"tree_sizes=564", b"tree_sizes=565"),
    "lightgbm: category": replaced(LIGHTGBM, b"decision_type=2", b"decision_type=1"),
    "lightgbm: another key": replaced(STUMP, b"leaf_value", b"system=rm\nleaf_value"),
    "lightgbm: value that is text": replaced(STUMP, b"0.5", b"0.5;x"),
    "lightgbm: control characters": STUMP + b"\x1b[2J\n",
    "lightgbm: no end": replaced(STUMP, b"end of trees", b""),
    "lightgbm: a pickle inside": replaced(STUMP, b"end of trees\n", b"end of trees\n\x80\x04."),
    "xgboost: child beyond": replaced(JSON, b'"left_children":[1', b'"left_children":[77'),
    "xgboost: child is the root": replaced(JSON, b'"left_children":[1', b'"left_children":[0'),
    "xgboost: more nodes": replaced(JSON, b'"num_nodes":"', b'"num_nodes":"9'),
    "ubj: list longer than the file": replaced(
        UBJ, b"[$d#L" + bytes(7), b"[$d#L" + b"\0\1" * 3 + b"\0"
    ),
    "ubj: negative length": replaced(UBJ, b"{L" + bytes(7), b"{L" + b"\xff" * 7),
    "ubj: bytes behind": UBJ + b"x",
    "ubj: truncated": UBJ[:-9],
    "ubj: another model": b"{i\x01aZ}",
    "ubj: nested without end": deep_ubj(100_000),
    "ubj: repeated key": replaced(UBJ, UBJ[1:17], UBJ[1:17] + b"Z" + UBJ[1:17]),
    "catboost: buffer beyond": CBM[:4] + struct.pack("<I", 1 << 30) + CBM[8:],
    "catboost: root beyond": CBM[:8] + struct.pack("<I", 1 << 30) + CBM[12:],
    "catboost: bytes behind": CBM + b"\x80\x04.",
    "catboost: truncated": CBM[:-100],
    "gguf: tensor beyond": gguf(offsets=(0, 128)),
    "gguf: tensors overlap": gguf(offsets=(0, 32)),
    "gguf: offset overflows": gguf(offsets=(0, (1 << 64) - 64)),
    "gguf: shape overflows": gguf(lengths=(1 << 32, 1 << 32)),
    "gguf: not aligned": gguf(offsets=(0, 65)),
    "gguf: more pairs than bytes": gguf(pairs=1 << 60),
    "gguf: fewer pairs": gguf(pairs=1),
    "gguf: unknown type": gguf(kind=99),
    "gguf: nested lists": gguf(depth=1000),
    "gguf: truncated": gguf()[:-1],
    "gguf: text longer than the file": replaced(gguf(), b"\x17" + bytes(7), b"\xff" * 7 + b"\x00"),
    "gguf: template of Python": gguf("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    "gguf: template by filter": gguf("{{ x | attr('a') }}"),
    "gguf: template by escapes": gguf("{{ x['\\x5f\\x5fclass'] }}"),
    "gguf: template by name": gguf("{{ lipsum.globals }}"),
    "tflite: tensor larger than its buffer": tflite(shape=(2, 3)),
    "tflite: shape overflows": tflite(shape=(1 << 30, 1 << 30, 1 << 30)),
    "tflite: negative shape": tflite(shape=(-5,)),
    "tflite: buffer that is none": tflite(buffer=7),
    "tflite: input beyond": tflite(inputs=(9,)),
    "tflite: input below": tflite(inputs=(-2,)),
    "tflite: operator beyond": tflite(opcode=3),
    "tflite: data outside": tflite(outside=(1 << 40, 16)),
    "tflite: operator of TensorFlow": tflite(custom="FlexReadFile"),
    "tflite: operator of the host": tflite(custom="MyOp"),
    "tflite: truncated": tflite()[:-20],
    "tflite: root beyond": struct.pack("<I", 1 << 31) + tflite()[4:],
}
