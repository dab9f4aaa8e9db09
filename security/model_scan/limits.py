"""How much a scan may use before it gives up, which is never a pass."""

from __future__ import annotations

from dataclasses import dataclass

KIBI, MEBI, GIBI = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Limits of one scan; each is met by real models with room to spare.

    Attributes:
        depth: of containers in containers, and of pickles in pickles.
        members: of one archive.
        directory: size of an archive's directory in bytes.
        unpacked: bytes that all compressed content of a file may come to.
        ratio: of unpacked to packed bytes, watched from `ratio_from` unpacked bytes on. zlib alone
            cannot exceed 1032.
        text: longest string of a pickle that is kept to be looked at; longer ones are skipped.
        line: longest line of a text opcode whose value matters.
        frame: largest frame of a pickle.
        header: largest JSON header or schema.
        opcodes: of one pickle.
        findings: that are kept; the rest is counted.
        memory: address space of the child process, in bytes.
        cpu: seconds of processor time of the child process.
        wall: seconds until the child process is ended.
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
    memory: int = 2 * GIBI
    cpu: int = 300
    wall: float = 600.0
