"""Containers around pickles that would run code, and files that are two things at once."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable

import joblib
import numpy as np
from crafted_pickles import Craft, evil, stack_global, text, touch, whole, whole_wrapper

Wrap = Callable[[bytes], bytes]
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def zipped(
    members: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b""
) -> bytes:
    """Make a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.comment = comment
    return buffer.getvalue()


def deflated(members: dict[str, bytes]) -> bytes:
    """Make a zip archive of deflated members."""
    return zipped(members, zipfile.ZIP_DEFLATED)


def npy(array: np.ndarray) -> bytes:
    """Write an array as numpy does."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def objects(marker: str) -> bytes:
    """Write an array of objects that creates the marker."""
    return npy(np.array([evil(marker)], dtype=object))


def tensors(header: object, data: bytes = b"") -> bytes:
    """Write a safetensors file."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


WRAPS: dict[str, Wrap] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    "gzip-thrice": lambda raw: gzip.compress(gzip.compress(gzip.compress(raw))),
    "xz-in-bzip2": lambda raw: bz2.compress(lzma.compress(raw)),
    "zip": lambda raw: zipped({"model.pkl": raw}),
    "zip-deflated": lambda raw: deflated({"model.pkl": raw}),
    "zip-bzip2": lambda raw: zipped({"model.pkl": raw}, zipfile.ZIP_BZIP2),
    "zip-lzma": lambda raw: zipped({"model.pkl": raw}, zipfile.ZIP_LZMA),
    "zip-other-name": lambda raw: zipped({"README.txt": raw}),
    "zip-second": lambda raw: zipped({"a.pkl": pickle.dumps(1), "b": raw}),
    "zip-in-gzip": lambda raw: gzip.compress(zipped({"model.pkl": raw})),
    "gzip-in-zip": lambda raw: zipped({"model": gzip.compress(raw)}),
    "zip-in-zip": lambda raw: zipped({"inner.zip": zipped({"model.pkl": raw})}),
    "zip-in-deflated-zip": lambda raw: deflated({"inner.zip": zipped({"model.pkl": raw})}),
    "npz-named": lambda raw: zipped({"arr_0.npy": raw}),
    "torch-zip": lambda raw: zipped({"m/data.pkl": raw, "m/version": b"3\n"}),
    "torch-zip-deflated": lambda raw: deflated({"m/data.pkl": raw, "m/version": b"3\n"}),
    "torch-zip-second-pickle": lambda raw: zipped(
        {"m/data.pkl": pickle.dumps({}, 2), "m/extra.pkl": raw}
    ),
    "torch-zip-script": lambda raw: zipped(
        {"m/data.pkl": pickle.dumps({}, 2), "m/constants.pkl": raw}
    ),
    "torch-legacy-object": lambda raw: torch_legacy(raw),
    "torch-legacy-keys": lambda raw: torch_legacy(pickle.dumps({}, 2), keys=raw),
    "torch-legacy-system": lambda raw: torch_legacy(pickle.dumps({}, 2), system=raw),
    "torch-legacy-behind": lambda raw: torch_legacy(pickle.dumps({}, 2)) + raw,
    "behind-array": lambda raw: npy(np.zeros(3)) + raw,
    "behind-object-array": lambda raw: npy(np.array([None, "a"], dtype=object)) + raw,
    "behind-gzip": lambda raw: gzip.compress(pickle.dumps(1)) + gzip.compress(raw),
    "behind-zlib": lambda raw: zlib.compress(pickle.dumps(1)) + raw,
    "behind-xz": lambda raw: lzma.compress(pickle.dumps(1)) + lzma.compress(raw),
    "behind-bzip2": lambda raw: bz2.compress(pickle.dumps(1)) + bz2.compress(raw),
    "in-object-header": lambda raw: npy(np.array([0], dtype=object))[:128] + raw,
}


def torch_legacy(raw: bytes, keys: bytes | None = None, system: bytes | None = None) -> bytes:
    """Make a legacy file of PyTorch."""
    header = pickle.dumps(TORCH_MAGIC, 2) + pickle.dumps(1001, 2)
    system = pickle.dumps({"little_endian": True}, 2) if system is None else system
    return header + system + raw + (pickle.dumps([], 2) if keys is None else keys)


def torch_tensor(key: str = "0", count: int = 3) -> bytes:
    """Pickle one tensor as PyTorch does."""
    storage = b"(" + text("storage") + stack_global("torch", "FloatStorage")
    storage += text(key) + text("cpu") + b"K" + bytes([count]) + b"tQ"
    tensor = stack_global("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + b"K\0"
    tensor += b"K" + bytes([count]) + b"\x85K\x01\x85\x89"
    tensor += stack_global("collections", "OrderedDict") + b")RtR"
    return whole(b"}", text("weight"), tensor, b"s", protocol=2)


def torch_zip(tensor: bytes, extra: dict[str, bytes] | None = None) -> bytes:
    """Make a zip file of PyTorch."""
    members = {"model/data.pkl": tensor, "model/byteorder": b"little"}
    members |= {"model/data/0": b"\0" * 12, "model/version": b"3\n"}
    return zipped({**members, **(extra or {})})


def joblib_compressed(method: str) -> Craft:
    """Return a craft of joblib's own compression."""

    def craft(marker: str) -> bytes:
        buffer = io.BytesIO()
        joblib.dump({"a": np.zeros(100), "b": evil(marker)}, buffer, compress=(method, 3))
        return buffer.getvalue()

    return craft


def npz(marker: str) -> bytes:
    """Put an array of objects beside one of numbers."""
    return zipped({"a.npy": npy(np.zeros(3)), "b.npy": objects(marker)})


def structured_npy(marker: str) -> bytes:
    """Hide the objects in a field."""
    array = np.zeros(1, dtype=[("a", "f8"), ("b", "O")])
    array["b"][0] = evil(marker)
    return npy(array)


def skops_schema(node: dict[str, object], **members: bytes) -> bytes:
    """Make a skops file."""
    schema = json.dumps({"protocol": 2, "_skops_version": "0.16", **node}).encode()
    return zipped({**members, "schema.json": schema})


def skops_function(marker: str) -> bytes:
    """Name a function."""
    node = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}
    return skops_schema({**node, "content": {"command": marker}})


def skops_method(_: str) -> bytes:
    """Use a loader that calls."""
    node = {"__class__": "Pipeline", "__module__": "sklearn.pipeline", "__loader__": "MethodNode"}
    return skops_schema({**node, "content": {"func": "predict", "obj": {}}})


def skops_objects(marker: str) -> bytes:
    """Put an array of objects beside the schema."""
    node = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode"}
    buffer = io.BytesIO(skops_schema({**node, "type": "numpy", "file": "1.npy"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("1.npy", objects(marker))
    return buffer.getvalue()


def tensors_as_pickle(marker: str, first: bytes = b"") -> bytes:
    """Make a safetensors file that is a pickle from its first byte on.

    The length's first two bytes push a string that ends within the header; the header's metadata
    is a row of operations that push printable bytes; the last of them ends in the tensors, and
    there is the payload.
    """
    start = '{"__metadata__":{"k":"'
    skipped = 6 + len(start)
    length = (skipped << 8) + ord("U")
    payload = b"x" * 65 + first + pickle.dumps(evil(marker), 2)
    size = len(payload)
    end = f'"}},"w":{{"dtype":"U8","shape":[{size}],"data_offsets":[0,{size}]}}}}'
    blocks, rest = divmod(length - len(start), 128)
    assert rest == 63
    header = start + ("C~" + "x" * 126) * blocks + "C~" + "x" * (rest - 2 - len(end)) + end
    return tensors(header.encode(), payload)


def packed_tensors_as_pickle(marker: str) -> bytes:
    """Compress such a file: joblib unpacks it and reads a pickle."""
    return gzip.compress(tensors_as_pickle(marker))


STUMBLES = {
    "list-for-arguments": stack_global("collections", "deque") + b"]Na]a" + b"Ra0",
    "list-for-arguments-of-class": stack_global("sklearn.pipeline", "Pipeline") + b"]\x810",
    "no-state": b"(lNb0",
    "no-items": b"N(e0N(u0",
    "strange-keywords": stack_global("sklearn.pipeline", "Pipeline")
    + b")"
    + stack_global("collections", "OrderedDict")
    + b")R\x920",
}


def wrapper_first(marker: str) -> bytes:
    """Put a wrapper of joblib's first in an array of objects, which numpy reads plainly."""
    start = npy(np.array([0], dtype=object))[:128]
    payload = stack_global("anything", "encode") + text(touch(marker)) + b"\x85R."
    return start + whole_wrapper("f8", (0,), padding=False) + payload


def onnx_as_pickle(marker: str) -> bytes:
    """Put a pickle where an ONNX file begins with its fields."""
    return b"\x08\x07" + pickle.dumps(evil(marker))


def pickle_and_zip(marker: str) -> bytes:
    """Hang an archive behind a harmless array."""
    array = npy(np.zeros(4))
    archive = zipped({"model.pkl": pickle.dumps(evil(marker))})
    body = array[:128].replace(b"(4,)", b"(%d,)" % (len(archive) // 8 + 1)) + archive
    return body.ljust(128 + (len(archive) // 8 + 1) * 8, b"\0")


def tensors_and_zip(marker: str) -> bytes:
    """Hide an archive in the tensors of a safetensors file."""
    archive = zipped({"model.pkl": pickle.dumps(evil(marker))})
    entry = {"dtype": "U8", "shape": [len(archive)], "data_offsets": [0, len(archive)]}
    return tensors({"w": entry}, archive)


def prefixed_zip(marker: str) -> bytes:
    """Put bytes before an archive."""
    return pickle.dumps(1) + zipped({"model.pkl": pickle.dumps(evil(marker))})


def tar(marker: str) -> bytes:
    """Make a tar archive, the oldest form of PyTorch's files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        raw = pickle.dumps(evil(marker))
        entry = tarfile.TarInfo("pickle")
        entry.size = len(raw)
        archive.addfile(entry, io.BytesIO(raw))
    return buffer.getvalue()


def pickle_and_tar(marker: str) -> bytes:
    """Make a tar archive whose first member's name is a harmless pickle."""
    raw = bytearray(tar(marker))
    raw[:100] = b"\x80\x04X\x00\x02\x00\x00".ljust(100, b"a")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return bytes(raw[:519]) + b"." + bytes(raw[520:])


def hdf5(marker: str) -> bytes:
    """Make a harmless pickle that is an HDF5 file at its second possible place."""
    return whole(b"B" + struct.pack("<I", 600) + (b"\0" * 505 + b"\x89HDF\r\n\x1a\n").ljust(600))


def _renamed(old: bytes, new: bytes, only: int | None = None) -> Craft:
    """Return a craft of an archive with names that were changed in its bytes."""

    def craft(marker: str) -> bytes:
        members = {"aaaaaaaaaaaa": pickle.dumps(1), old.decode(): pickle.dumps(evil(marker))}
        raw = zipped(members)
        if only is None:
            return raw.replace(old, new)
        parts = raw.split(old)
        return parts[0] + (new, old)[only] + parts[1] + (old, new)[only] + parts[2]

    return craft


def zip_encrypted(marker: str) -> bytes:
    """Set the flag of encryption."""
    raw = bytearray(zipped({"model.pkl": pickle.dumps(evil(marker))}))
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def zip_symlink(marker: str) -> bytes:
    """Make a member a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("model.pkl")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, marker)
    return buffer.getvalue()


def zip_overlap(marker: str) -> bytes:
    """Let two entries of the directory share one member."""
    raw = zipped({"a": pickle.dumps(evil(marker)), "b": pickle.dumps(1)})
    at = raw.rindex(b"PK\x01\x02")
    return raw[: at + 42] + struct.pack("<L", 0) + raw[at + 46 :]


def zip_hidden(marker: str) -> bytes:
    """Leave a member out of the directory: readers from the front still see it."""
    hidden = zipped({"x.pkl": pickle.dumps(evil(marker))})
    first = hidden[: hidden.index(b"PK\x01\x02")]
    shown = zipped({"a.pkl": pickle.dumps(1)})
    at = shown.index(b"PK\x01\x02")
    directory = bytearray(shown[at:])
    directory[42:46] = struct.pack("<L", len(first))
    end = directory.index(b"PK\x05\x06")
    directory[end + 16 : end + 20] = struct.pack("<L", len(first) + at)
    return first + shown[:at] + bytes(directory)


HIDDEN: dict[str, Craft] = {
    **{
        f"tensors-as-pickle-{name}": lambda marker, first=first: tensors_as_pickle(marker, first)
        for name, first in STUMBLES.items()
    },
    **{f"joblib-{m}": joblib_compressed(m) for m in ("zlib", "gzip", "bz2", "lzma", "xz")},
    **{
        function.__name__.replace("_", "-"): function
        for function in (
            objects,
            structured_npy,
            npz,
            skops_function,
            skops_method,
            skops_objects,
            tensors_as_pickle,
            packed_tensors_as_pickle,
            wrapper_first,
            onnx_as_pickle,
            pickle_and_zip,
            tensors_and_zip,
            prefixed_zip,
            tar,
            pickle_and_tar,
            hdf5,
            zip_encrypted,
            zip_symlink,
            zip_overlap,
            zip_hidden,
        )
    },
    "zip-two-of-a-name": _renamed(b"bbbbbbbbbbbb", b"aaaaaaaaaaaa"),
    "zip-parent": _renamed(b"bbbbbbbbbbbb", b"../../../bbb"),
    "zip-absolute": _renamed(b"bbbbbbbbbbbb", b"/bbbbbbbbbbb"),
    "zip-backslash": _renamed(b"bbbbbbbbbbbb", b"..\\..\\bbbbbb"),
    "zip-drive": _renamed(b"bbbbbbbbbbbb", b"C:bbbbbbbbbb"),
    "zip-newline": _renamed(b"bbbbbbbbbbbb", b"b\nbbbbbbbbbb"),
    "zip-zero": _renamed(b"bbbbbbbbbbbb", b"b\0bbbbbbbbbb"),
    "zip-local-name": _renamed(b"bbbbbbbbbbbb", b"cccccccccccc", 0),
    "zip-directory-name": _renamed(b"bbbbbbbbbbbb", b"cccccccccccc", 1),
    "zip-comment": lambda marker: zipped(
        {"m.pkl": pickle.dumps(1)}, comment=pickle.dumps(evil(marker), 0)
    ),
}
