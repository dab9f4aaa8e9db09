"""Containers: compressed layers and zip archives, with the allowed members of each archive kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from security.model_scan.byte_stream import ByteContent, Stored
from security.model_scan.compression import Budget, Compressed
from security.model_scan.examination import Examination
from security.model_scan.formats.keras_config import judge_config
from security.model_scan.formats.loader_marker import ZIP_NAMES, holds
from security.model_scan.formats.skops_schema import SCHEMA, judge_schema, may_be_schema
from security.model_scan.formats.torch_checkpoint import judge_object
from security.model_scan.formats.zip_directory import Member, read_directory
from security.model_scan.report import (
    Format,
    ScanLocation,
    ScanPurpose,
    ScanSeverity,
    UnscannedError,
    quote,
)

#: The compressed layers, and how each is unpacked.
METHODS = {
    Format.GZIP: "gzip",
    Format.ZLIB: "zlib",
    Format.BZIP2: "bzip2",
    Format.XZ: "xz",
    Format.LZMA: "lzma",
    Format.LZ4: "lz4",
}
_TORCH_OBJECT = "data.pkl"
_TORCH_NOTES = frozenset(
    {".data/serialization_id", ".format_version", ".storage_alignment", "byteorder", "version"}
)
_LONGEST_NOTE = 256
#: Suffixes of files that Python imports, or that a program runs.
CODE = (".py", ".pyc", ".pyd", ".pyw", ".so", ".dll", ".dylib", ".sh")
_KERAS_CONFIG, _KERAS_WEIGHTS = "config.json", "model.weights.h5"
_KERAS_MEMBERS = {_KERAS_CONFIG, _KERAS_WEIGHTS, "metadata.json"}


def judge_layer(
    examination: Examination, content: ByteContent, where: ScanLocation, layer: Format
) -> Format:
    """Scan the content of a compressed layer; count all of its unpacked bytes."""
    method = METHODS[layer]
    inner = Compressed(content, method, examination.budget)
    examination.enter(inner, where.enter(f"({method})"))
    return layer


def judge_archive(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a zip archive as PyTorch or skops archive, or else member by member.

    Raises:
        UnscannedError: the archive is ambiguous to readers, or a member cannot be scanned.
    """
    if not isinstance(content, Stored):
        with examination.scratch.hold(content.open()) as held:
            return judge_archive(examination, held, where)
    try:
        members = read_directory(content, examination.limits)
    except UnscannedError as error:
        error.location = error.location or where
        error.capable = error.capable or holds(content, ZIP_NAMES)
        raise
    if not members:
        raise UnscannedError("zip archive without members", where)
    names = {member.name for member in members}
    if any(name.endswith(f"/{_TORCH_OBJECT}") for name in names):
        return _judge_loaded(_judge_torch, examination, members, where)
    if SCHEMA in names and _may_be_skops(examination, members):
        return _judge_loaded(_judge_skops, examination, members, where)
    if _KERAS_MEMBERS <= names:
        return _judge_loaded(_judge_keras, examination, members, where)
    arrays = all(name.endswith(".npy") for name in names)
    for inside, found in _judge_members(examination, members, where):
        if arrays and found is not Format.NPY:
            message = "member has the name of an array but another format"
            examination.find("npz-member", ScanSeverity.MEDIUM, message, inside)
    return Format.NPZ if arrays else Format.ZIP


def _may_be_skops(examination: Examination, members: list[Member]) -> bool:
    """Say whether skops may load an archive; in data, only with a schema of its own."""
    schema = next(member for member in members if member.name == SCHEMA)
    content = open_member(examination.budget, schema)
    return examination.purpose is ScanPurpose.MODEL or may_be_schema(content, examination.limits)


def _judge_loaded(
    judge: Callable[[Examination, list[Member], ScanLocation], Format],
    examination: Examination,
    members: list[Member],
    where: ScanLocation,
) -> Format:
    """Scan an archive with a loader of its own, which can make code of what is not understood."""
    try:
        return judge(examination, members, where)
    except UnscannedError as error:
        error.capable = True
        raise


def _judge_members(
    examination: Examination, members: list[Member], where: ScanLocation
) -> Iterator[tuple[ScanLocation, Format]]:
    """Scan each member and yield its location and format.

    Raises:
        UnscannedError: the first error of a member, raised after all members were scanned; an error
            about bytes that can become code comes first.
    """
    refused: UnscannedError | None = None
    for member in members:
        inside = where.enter(member.name)
        judge_name(examination, member.name, inside)
        try:
            yield inside, examination.enter(open_member(examination.budget, member), inside)
        except UnscannedError as error:
            if refused is None or error.capable > refused.capable:
                refused = error
    if refused is not None:
        raise refused


def judge_name(examination: Examination, name: str, where: ScanLocation) -> None:
    """Report code in an archive that is a model: torch.package and TorchServe import it."""
    if examination.purpose is ScanPurpose.MODEL and name.lower().endswith(CODE):
        message = f"code in an archive of a model: {quote(name)}"
        examination.find("archive-code", ScanSeverity.HIGH, message, where, quote(name))


def open_member(budget: Budget, member: Member) -> ByteContent:
    """Return the content of a member; reading it unpacks it."""
    if not member.deflated:
        return member.packed
    return Compressed(member.packed, "deflate", budget)


def _judge_torch(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Scan a PyTorch archive: one folder with the object's pickle, its storages, and notes.

    Each storage has a record of exactly its size: the loader believes the size in the pickle.
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
        sizes = judge_object(
            examination, open_member(examination.budget, contents[_TORCH_OBJECT]), inside
        )
    except UnscannedError as error:
        error.location = error.location or inside
        raise
    for key, size in sizes.items():
        storage = contents.get(f"data/{key}")
        if storage is None or storage.size != size:
            raise UnscannedError("storage of a tensor is larger than its record, or smaller", where)
    known = {_TORCH_OBJECT, *(f"data/{key}" for key in sizes)}
    for name, member in contents.items():
        note = name in _TORCH_NOTES and member.size <= _LONGEST_NOTE
        if name not in known and not note:
            raise UnscannedError("unknown member of a PyTorch archive", where.enter(member.name))
    return Format.TORCH


def _judge_skops(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Scan a skops archive: the names in its schema, and every array beside it."""
    schema = next(member for member in members if member.name == SCHEMA)
    raw = judge_schema(examination, open_member(examination.budget, schema), where.enter(SCHEMA))
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


def _judge_keras(examination: Examination, members: list[Member], where: ScanLocation) -> Format:
    """Scan a Keras archive: its configuration, its weights in HDF5, and a note.

    Further members, such as the vocabularies of layers, are refused.
    """
    for member in members:
        inside = where.enter(member.name)
        if member.name not in _KERAS_MEMBERS:
            raise UnscannedError("unknown member of a Keras archive", inside)
        if member.name == _KERAS_WEIGHTS:
            if (
                examination.enter(open_member(examination.budget, member), inside)
                is not Format.HDF5
            ):
                raise UnscannedError("weights of a Keras archive are not HDF5", inside)
            continue
        if member.size > examination.limits.header:
            raise UnscannedError("Keras configuration longer than the limit", inside)
        text = open_member(examination.budget, member).open().read(member.size)
        judge_config(examination, text, inside)
    return Format.KERAS
