"""A job runner: reads a job's output for commands as GitHub's does, in both of their spellings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

KNOWN = {"error", "warning", "notice", "debug", "group", "endgroup", "add-mask", "add-matcher"}


@dataclass
class JobRunner:
    """What came of the lines of one step.

    Attributes:
        commands: those that were obeyed: name, properties, data.
        shown: all other lines.
    """

    commands: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    stopped: str | None = None

    def read(self, output: str) -> "JobRunner":
        """Read what a step has printed."""
        for line in re.split(r"\r\n|\n|\r", output):
            self._read_line(line)
        return self

    def _read_line(self, line: str) -> None:
        for name, properties, data in self._parse(line):
            if self.stopped is not None:
                if name == self.stopped:
                    self.stopped = None
                    return
                break
            if name == "stop-commands":
                self.stopped = data
                return
            if name in KNOWN:
                self.commands.append((name, properties, data))
                return
        self.shown.append(line)

    def _parse(self, line: str) -> Iterator[tuple[str, dict[str, str], str]]:
        new = re.match(r"\s*::([^ :]+)(?: ([^:]*(?:::?[^:]+)*?))?::(.*)$", line, re.DOTALL)
        if new:
            yield new[1].lower(), _properties(new[2] or "", ","), _plain(new[3])
        old = re.search(r"##\[([^ \]]+)(?: ([^\]]*))?\](.*)$", line, re.DOTALL)
        if old:
            yield old[1].lower(), _properties(old[2] or "", ";"), _plain(old[3])

    def of(self, name: str) -> list[tuple[dict[str, str], str]]:
        """Return the properties and data of the commands of one name."""
        return [(properties, data) for one, properties, data in self.commands if one == name]


def _properties(text: str, comma: str) -> dict[str, str]:
    pairs = (one.partition("=") for one in text.split(comma) if "=" in one)
    return {
        name.strip(): _plain(value.replace("%3A", ":").replace("%2C", ","))
        for name, _, value in pairs
    }


def _plain(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
