"""HDF5 and Keras files that lie or lead out of the file, made by changing real ones."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from crafted_containers import zipped
from crafted_native import FILES

WEIGHTS = (FILES / "w.h5").read_bytes()
NETWORK = (FILES / "norm.keras").read_bytes()
LEGACY = (FILES / "norm.h5").read_bytes()
FAR = struct.pack("<Q", 1 << 40)


def patched(after: bytes, distance: int, new: bytes, content: bytes = WEIGHTS) -> bytes:
    """Overwrite bytes at a distance from the first occurrence of a mark."""
    start = content.index(after) + distance
    return content[:start] + new + content[start + len(new) :]


def layout(position: int, new: bytes) -> bytes:
    """Overwrite a part of the first contiguous layout: version 3, class 1, address, size."""
    for start in range(0, len(WEIGHTS) - 26, 8):
        kind, size = struct.unpack_from("<HH", WEIGHTS, start)
        if kind == 8 and size >= 18 and WEIGHTS[start + 8 : start + 10] == b"\x03\x01":
            place = start + 8 + position
            return WEIGHTS[:place] + new + WEIGHTS[place + len(new) :]
    raise AssertionError("no contiguous data")


def keras(change: Callable[[dict[str, Any]], None], **extra: bytes) -> bytes:
    """Write a Keras archive whose configuration is changed."""
    with zipfile.ZipFile(io.BytesIO(NETWORK)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    return zipped({**members, **extra})


def layer(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of the last layer."""

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][-1].update(fields)

    return change


def setting(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of a setting of the last layer."""

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][-1]["config"][name] = value

    return change


CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}
GET_FILE = {"module": "keras.utils", "class_name": "get_file", "config": {}}
LYING_HDF5 = {
    "another size": WEIGHTS + b"x",
    "truncated": WEIGHTS[:-8],
    "root outside": patched(b"\x89HDF", 64, FAR),
    "driver for several files": patched(b"\x89HDF", 48, struct.pack("<Q", 96)),
    "base": patched(b"\x89HDF", 24, struct.pack("<Q", 8)),
    "index outside": patched(b"TREE", 32, FAR),
    "index that contains itself": patched(
        b"TREE", 4, b"\0\1", patched(b"TREE", 32, struct.pack("<Q", WEIGHTS.index(b"TREE")))
    ),
    "names outside": patched(b"HEAP", 24, FAR),
    "name outside": patched(b"SNOD", 8, FAR),
    "object outside": patched(b"SNOD", 16, FAR),
    "many objects": patched(b"SNOD", 6, b"\xff\xff"),
    "data outside": layout(2, FAR),
    "data that is too long": layout(10, FAR),
    "data shorter than its shape": layout(10, struct.pack("<Q", 1)),
    "virtual data": layout(0, b"\x04\x03"),
    "unknown layout": layout(0, b"\x09"),
    "only the signature": WEIGHTS[:8] + bytes(600),
    "pickled attribute": LEGACY.replace(b"keras_version", b"PSEUDOATOM\0\0\0", 1),
    "legacy with a lambda": LEGACY.replace(b'"class_name": "Dense"', b'"class_name":"Lambda"', 1),
}
LYING_KERAS = {
    "lambda": keras(layer(class_name="Lambda")),
    "code as an activation": keras(setting("activation", CODE)),
    "function of a module": keras(
        setting("activation", {"module": "os", "class_name": "function", "config": "system"})
    ),
    "layer of a module": keras(layer(module="subprocess", class_name="Popen")),
    "module that looks like Keras": keras(layer(module="keras_evil.layers")),
    "module below Keras": keras(layer(module="keras.utils.io")),
    "download": keras(setting("kernel_initializer", GET_FILE)),
    "saved model of TensorFlow": keras(layer(class_name="TFSMLayer")),
    "module of PyTorch": keras(layer(class_name="TorchModuleWrapper")),
    "registered code": keras(layer(class_name="package>Lambda")),
    "vocabulary of a path": keras(setting("vocabulary", "/etc/passwd")),
    "further member": keras(lambda config: None, **{"assets/x": b"x"}),
    "weights that are a pickle": keras(
        lambda config: None, **{"model.weights.h5": b"cos\nsystem\n."}
    ),
    "configuration that is not JSON": keras(lambda config: None, **{"metadata.json": b"{"}),
}
