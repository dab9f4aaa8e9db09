"""The limits of a scan. A scan that exceeds one leaves the file unjudged."""

from __future__ import annotations

from dataclasses import dataclass

KIBI, MEBI, GIBI = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Limits of one scan, generous for real models.

    Attributes:
        depth: nesting of containers in containers, and of pickles in pickles.
        members: members of one archive.
        directory: size of an archive's directory in bytes.
        unpacked: unpacked bytes of all compressed content of a file.
        ratio: unpacked to packed bytes, checked from `ratio_from` unpacked bytes on. zlib alone
            cannot exceed 1032.
        text: longest string of a pickle in bytes that the machine keeps; it skips longer ones.
        line: longest line in bytes of a text opcode.
        frame: largest frame of a pickle in bytes.
        header: largest JSON header or schema in bytes.
        opcodes: opcodes of one pickle.
        findings: findings that a scan keeps; it only counts further ones.
        scratch: bytes of unpacked archives inside archives or compressed layers, at one time.
        memory: address space of the child process, in bytes.
        cpu: processor time of the child process, in seconds.
        wall: seconds after which the child process is killed.
    """

    depth: int = 8
    members: int = 20_000
    directory: int = 16 * MEBI
    unpacked: int = 16 * GIBI
    ratio: int = 1_100
    ratio_from: int = 64 * MEBI
    text: int = 4 * KIBI
    line: int = 64 * KIBI
    frame: int = 64 * MEBI
    header: int = 32 * MEBI
    opcodes: int = 100_000_000
    findings: int = 200
    scratch: int = 256 * MEBI
    memory: int = 2 * GIBI
    cpu: int = 300
    wall: float = 600.0
