"""Graphs: the stages of a generated repository, with their expected outs.

Each stage reads one file and writes one with known content. The result of a run and DVC's
``dvc.lock`` for it are therefore known without a run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_ROOTS = 20
_SPIN = """\
import sys
import time

while time.process_time() < float(sys.argv[1]):
    pass
"""


@dataclass(frozen=True)
class Stage:
    """One stage, which writes its number."""

    number: int
    dep: str
    before: str = ""

    @property
    def name(self) -> str:
        """Its name in ``dvc.yaml``."""
        return f"s{self.number}"

    @property
    def out(self) -> str:
        """The file it writes."""
        return f"o{self.number}.txt"

    @property
    def content(self) -> bytes:
        """The expected content of the out."""
        return f"{self.number}\n".encode()

    @property
    def command(self) -> str:
        """Its command."""
        return f"{self.before}echo {self.number} > {self.out}"


@dataclass(frozen=True)
class Graph:
    """The stages of one repository, and its source file."""

    stages: tuple[Stage, ...]
    source: str
    source_content: bytes

    def __len__(self) -> int:
        """The number of stages."""
        return len(self.stages)

    def dvc_yaml(self) -> str:
        """Return the text of ``dvc.yaml``."""
        lines = ["stages:"]
        for stage in self.stages:
            lines += [f"  {stage.name}:", f"    cmd: {stage.command}"]
            lines += ["    deps:", f"    - {stage.dep}", "    outs:", f"    - {stage.out}"]
        return "\n".join(lines) + "\n"

    def dvc_lock(self) -> str:
        """Return the text of ``dvc.lock`` after a run of all stages."""
        contents = {stage.out: stage.content for stage in self.stages}
        contents[self.source] = self.source_content
        lines = ["schema: '2.0'", "stages:"]
        for stage in self.stages:
            lines += [f"  {stage.name}:", f"    cmd: {stage.command}"]
            for heading, path in (("deps", stage.dep), ("outs", stage.out)):
                content = contents[path]
                lines += [f"    {heading}:", f"    - path: {path}", "      hash: md5"]
                lines += [f"      md5: {md5(content)}", f"      size: {len(content)}"]
        return "\n".join(lines) + "\n"

    def shell_script(self) -> str:
        """Return a script with the bare commands, one per line."""
        return "set -e\n" + "".join(f"{stage.command}\n" for stage in self.stages)


def md5(content: bytes) -> str:
    """Return the digest of a file in DVC's cache."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def trivial_graph(count: int) -> Graph:
    """Return trivial stages: 20 roots, and each later one depends on the one 20 before it."""
    source = "src.txt"
    stages = (Stage(n, source if n < _ROOTS else f"o{n - _ROOTS}.txt") for n in range(count))
    return Graph(tuple(stages), source, b"hello\n")


def cpu_graph(count: int, seconds: float) -> Graph:
    """Return independent stages that each keep one processor busy.

    Args:
        seconds: CPU time of each, independent of other load.
    """
    source = "spin.py"
    before = f"python {source} {seconds} && "
    return Graph(tuple(Stage(n, source, before) for n in range(count)), source, _SPIN.encode())


def sleep_graph(count: int, seconds: float) -> Graph:
    """Return independent stages that only wait."""
    source = "src.txt"
    stages = (Stage(n, source, f"sleep {seconds} && ") for n in range(count))
    return Graph(tuple(stages), source, b"hello\n")


def printing_graph(lines: int) -> Graph:
    """Return one stage that prints the numbers from 1, one on a line."""
    source = "src.txt"
    return Graph((Stage(0, source, f"seq {lines} && "),), source, b"hello\n")
