"""Containers: compressed layers and zip archives, with the allowed members of each archive kind."""

from __future__ import annotations

from collections.abc import Iterator

from security.model_scan.byte_stream import ByteContent, Stored
from security.model_scan.compression import Compressed
from security.model_scan.examination import Examination
from security.model_scan.formats.skops_schema import SCHEMA, judge_schema
from security.model_scan.formats.torch_checkpoint import judge_object
from security.model_scan.formats.zip_directory import Member, read_directory
from security.model_scan.report import Format, ScanLocation, ScanSeverity, UnscannedError, quote

_METHODS = {
    Format.GZIP: "gzip",
    Format.ZLIB: "zlib",
    Format.BZIP2: "bzip2",
    Format.XZ: "xz",
    Format.LZMA: "lzma",
}
_TORCH_OBJECT = "data.pkl"
_TORCH_NOTES = frozenset(
    {".data/serialization_id", ".format_version", ".storage_alignment", "byteorder", "version"}
)
_LONGEST_NOTE = 256


def judge_layer(
    examination: Examination, content: ByteContent, where: ScanLocation, layer: Format
) -> Format:
    """Scan the content of a compressed layer; count all of its unpacked bytes."""
    method = _METHODS[layer]
    inner = Compressed(content, method, examination.budget)
    examination.enter(inner, where.enter(f"({method})"))
    return layer


def judge_archive(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a zip archive as PyTorch or skops archive, or else member by member.

    Raises:
        UnscannedError: the archive is ambiguous to readers, or a member cannot be scanned.
    """
    if not isinstance(content, Stored):
        raise UnscannedError("zip archive inside a compressed layer", where)
    try:
        members = read_directory(content, examination.limits)
    except UnscannedError as error:
        error.location = error.location or where
        raise
    if not members:
        raise UnscannedError("zip archive without members", where)
    names = {member.name for member in members}
    if any(name.endswith(f"/{_TORCH_OBJECT}") for name in names):
        return _judge_torch(examination, members, where)
    if SCHEMA in names:
        return _judge_skops(examination, members, where)
    arrays = all(name.endswith(".npy") for name in names)
    for inside, found in _judge_members(examination, members, where):
        if arrays and found is not Format.NPY:
            message = "member has the name of an array but another format"
            examination.find("npz-member", ScanSeverity.MEDIUM, message, inside)
    return Format.NPZ if arrays else Format.ZIP


def _judge_members(
    examination: Examination, members: list[Member], where: ScanLocation
) -> Iterator[tuple[ScanLocation, Format]]:
    """Scan each member and yield its location and format.

    Raises:
        UnscannedError: the first error of a member, raised after all members were scanned.
    """
    refused: UnscannedError | None = None
    for member in members:
        inside = where.enter(member.name)
        try:
            yield inside, examination.enter(_open(examination, member), inside)
        except UnscannedError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def _open(examination: Examination, member: Member) -> ByteContent:
    """Return the content of a member; reading it unpacks it."""
    if not member.deflated:
        return member.packed
    return Compressed(member.packed, "deflate", examination.budget)


def _judge_torch(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Scan a PyTorch archive: one folder with the object's pickle, its storages, and notes.

    TorchScript is refused: it holds a program in a language that the scanner does not follow.
    """
    root = members[0].name.partition("/")[0]
    contents = {member.name.removeprefix(f"{root}/"): member for member in members}
    if not all(member.name.startswith(f"{root}/") for member in members):
        raise UnscannedError("PyTorch archive with more than one folder", where)
    if _TORCH_OBJECT not in contents:
        raise UnscannedError(f"PyTorch archive without {_TORCH_OBJECT} in its first folder", where)
    if any(name == "constants.pkl" or name.startswith("code/") for name in contents):
        raise UnscannedError("unsupported format: TorchScript, which holds a program", where)
    inside = where.enter(contents[_TORCH_OBJECT].name)
    try:
        keys = judge_object(examination, _open(examination, contents[_TORCH_OBJECT]), inside)
    except UnscannedError as error:
        error.location = error.location or inside
        raise
    known = {_TORCH_OBJECT, *(f"data/{key}" for key in keys)}
    for name, member in contents.items():
        note = name in _TORCH_NOTES and member.size <= _LONGEST_NOTE
        if name not in known and not note:
            raise UnscannedError("unknown member of a PyTorch archive", where.enter(member.name))
    return Format.TORCH


def _judge_skops(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Scan a skops archive: the names in its schema, and every array beside it."""
    schema = next(member for member in members if member.name == SCHEMA)
    raw = judge_schema(examination, _open(examination, schema), where.enter(SCHEMA))
    arrays = [
        member
        for member in members
        if member.name != SCHEMA and not (member.name in raw and member.name.endswith(".bin"))
    ]
    for inside, found in _judge_members(examination, arrays, where):
        if found not in (Format.NPY, Format.NPZ):
            message = f"member of a skops file is not an array: {quote(found.value)}"
            examination.find("skops-member", ScanSeverity.MEDIUM, message, inside)
    return Format.SKOPS
