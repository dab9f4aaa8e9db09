"""Containers: compressed layers and zip archives, and what each kind of archive may hold."""

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
    """Judge what is in a compressed layer; the whole of it is unpacked and counted."""
    method = _METHODS[layer]
    inner = Compressed(content, method, examination.budget)
    examination.enter(inner, where.enter(f"({method})"))
    return layer


def judge_archive(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Judge a zip archive: as one of the kinds that loaders know, or member by member.

    Raises:
        UnscannedError: its members are not told alike everywhere, or one of them is not understood.
    """
    if not isinstance(content, Stored):
        raise UnscannedError("a zip archive inside of a compressed layer", where)
    try:
        members = read_directory(content, examination.limits)
    except UnscannedError as error:
        error.location = error.location or where
        raise
    if not members:
        raise UnscannedError("a zip archive without members", where)
    names = {member.name for member in members}
    if any(name.endswith(f"/{_TORCH_OBJECT}") for name in names):
        return _judge_torch(examination, members, where)
    if SCHEMA in names:
        return _judge_skops(examination, members, where)
    arrays = all(name.endswith(".npy") for name in names)
    for inside, found in _judge_members(examination, members, where):
        if arrays and found is not Format.NPY:
            message = "a member is named like an array and is none"
            examination.find("npz-member", ScanSeverity.MEDIUM, message, inside)
    return Format.NPZ if arrays else Format.ZIP


def _judge_members(
    examination: Examination, members: list[Member], where: ScanLocation
) -> Iterator[tuple[ScanLocation, Format]]:
    """Judge each member and yield what it is.

    Raises:
        UnscannedError: the first that was met, after all members have had their turn.
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
    """Return a member's content, which is unpacked as it is read."""
    if not member.deflated:
        return member.packed
    return Compressed(member.packed, "deflate", examination.budget)


def _judge_torch(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Judge a PyTorch archive: one folder with the object's pickle, its storages, and notes.

    TorchScript is refused: it holds a program, in a language that is not followed here.
    """
    root = members[0].name.partition("/")[0]
    contents = {member.name.removeprefix(f"{root}/"): member for member in members}
    if not all(member.name.startswith(f"{root}/") for member in members):
        raise UnscannedError("a PyTorch archive with more than one folder", where)
    if _TORCH_OBJECT not in contents:
        raise UnscannedError("a PyTorch archive without its object in the first folder", where)
    if any(name == "constants.pkl" or name.startswith("code/") for name in contents):
        raise UnscannedError("a TorchScript archive holds a program", where)
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
            raise UnscannedError("a PyTorch archive holds something else", where.enter(member.name))
    return Format.TORCH


def _judge_skops(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Judge a skops archive: the schema's names, and every array beside it."""
    schema = next(member for member in members if member.name == SCHEMA)
    raw = judge_schema(examination, _open(examination, schema), where.enter(SCHEMA))
    arrays = [
        member
        for member in members
        if member.name != SCHEMA and not (member.name in raw and member.name.endswith(".bin"))
    ]
    for inside, found in _judge_members(examination, arrays, where):
        if found not in (Format.NPY, Format.NPZ):
            message = f"a skops file holds something that is not an array: {quote(found.value)}"
            examination.find("skops-member", ScanSeverity.MEDIUM, message, inside)
    return Format.SKOPS
