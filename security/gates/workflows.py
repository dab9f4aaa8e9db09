"""The gate ``workflows``: what zizmor finds in GitHub's workflows, actions and Dependabot settings.

Zizmor only logs which files it has audited, between texts of others. So it is given copies in a
directory that is named after the digest of them all: no text in them can hold that name, and so no
text in them can pass for a record. Parts of names that are not printable are replaced there.

1. It works offline, with ``--no-ignores``: what a comment or the protected branch's configuration
   silences is reported all the same. With a configuration it runs again without: what is then
   missing is silenced by it.
2. Every file handed over must be logged as completed; the others are unjudged.
3. The exit code must be that of the worst finding.

Workflows of other systems, such as GitLab's, are not read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from security.content.printable import printable
from security.finding import Confidence, Finding, Severity, Silencing
from security.gates.interface import GateError, Kind, Place, Report, Task, Tool
from security.gates.tool.own_tools import own_program, own_version
from security.gates.tool.tool_process import ToolCommand, run_tool

# Zizmor takes the first of these.
_CONFIGURATION = tuple(
    f"{directory}zizmor.{suffix}" for directory in (".github/", "") for suffix in ("yml", "yaml")
)
_READ = re.compile(
    r"(?:.*/)?(?:\.github/workflows/[^/]+|\.github/dependabot|action)\.ya?ml", re.DOTALL
)
_OPTIONS = ("--offline", "--no-progress", "--color=never", "--collect=all", "--format=json-v1")
_SEVERITIES = {"informational": Severity.LOW, "unknown": None}
_EXIT_CODES = {"informational": 11, "unknown": 11, "low": 12, "medium": 13, "high": 14}
_NOTHING_COLLECTED = 3
_MOST_LOG = 64 << 20
_HINT = "run zizmor --offline on the project and see what it says"


@dataclass(frozen=True, slots=True)
class _Handed:
    """Copies of the files to judge: where, which file each is, and what could not be copied."""

    directory: Path
    names: Mapping[str, str]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Said:
    """What zizmor has said: its findings, and the files that it has audited."""

    findings: tuple[Finding, ...]
    completed: frozenset[str]


class WorkflowsGate:
    """Judge GitHub workflows, actions and Dependabot settings."""

    name = "workflows"
    kind = Kind.SOURCE
    place = Place.COPY

    def reads(self, path: str) -> bool:
        """Say whether it reads a file."""
        return self.configures(path) or _READ.fullmatch(path) is not None

    def configures(self, path: str) -> bool:
        """Say whether a file is configuration."""
        return path in _CONFIGURATION

    def tool(self, task: Task) -> Tool:
        """Return zizmor, its version, and how it is called.

        Raises:
            GateError: it is not there.
        """
        own_program("zizmor")
        return Tool("zizmor", own_version("zizmor"), {"options": list(_OPTIONS)})

    def judge(self, task: Task) -> Report:
        """Find what zizmor minds, silenced or not.

        Raises:
            GateError: zizmor is missing, crashed, or said what does not add up.
        """
        sources = [path for path in task.files if not self.configures(path)]
        try:
            handed = _hand_over(task, sources)
        except OSError as error:
            raise GateError(f"scratch directory: {error}", "make room, and try again") from error
        if not handed.names:
            return _report(_Said((), frozenset()), handed)
        present = (task.directory / path for path in _CONFIGURATION)
        configuration = next((path for path in present if path.exists()), None)
        said = _run_zizmor(task, handed, configuration, "--no-ignores")
        if configuration is not None:
            heeding = _run_zizmor(task, handed, configuration)
            said = _silence(said, heeding)
        return _report(said, handed)


def _hand_over(task: Task, sources: list[str]) -> _Handed:
    """Copy the files into a directory that nothing in them can name."""
    new = task.scratch / "workflows"
    new.mkdir()
    digest = hashlib.sha256()
    names, refused = {}, {}
    for path in sources:
        name = "/".join(map(_plain, path.split("/")))
        try:
            content = _read_regular(task.directory / path)
            content.decode("utf-8")  # zizmor gives all others up with one that is not
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            with (new / name).open("xb") as copy:
                copy.write(content)
        except UnicodeDecodeError:
            refused[path] = "not UTF-8"
        except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError):
            refused[path] = "no regular file"
        else:
            digest.update(hashlib.sha256(content).digest() + name.encode())
            names[name] = path
    return _Handed(new.rename(task.scratch / digest.hexdigest()), names, refused)


def _plain(part: str) -> str:
    if part.isprintable():
        return part
    hidden = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
    return hidden + (PurePosixPath(part).suffix if part.endswith((".yml", ".yaml")) else "")


def _read_regular(path: Path) -> bytes:
    if path.is_symlink():
        raise FileNotFoundError(0, "a symbolic link")
    return path.read_bytes()


def _run_zizmor(task: Task, handed: _Handed, configuration: Path | None, *more: str) -> _Said:
    log = task.scratch / f"zizmor{len(more)}.log"
    settings = f"--config={configuration}" if configuration else "--no-config"
    zizmor = own_program("zizmor", *_OPTIONS, settings, *more, "--", str(handed.directory))
    private = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(task.scratch))
    kept = {
        name: value
        for name, value in task.environment.items()
        if not name.startswith(("GH_", "GITHUB_", "ZIZMOR_", "RUST_"))
    }
    # The log goes to standard error, of which only the end is kept.
    arguments = ("/bin/sh", "-c", 'exec "$@" 2>"$0"', str(log), *zizmor)
    command = ToolCommand(arguments, task.scratch, {**kept, **private}, task.timeout, task.denied)
    done = run_tool(replace(command, unconfined_ok=True))  # it runs nothing of what it reads
    text = _read_log(log)
    completed = frozenset(_completed(text, handed))
    if done.exit_code == _NOTHING_COLLECTED and not completed and not done.output:
        return _Said((), completed)
    findings, expected = _parse_output(done.output, done.exit_code, text, handed)
    if done.exit_code != expected:
        raise GateError(f"exit code of zizmor: {done.exit_code}, not {expected}", _HINT)
    if not {finding.path for finding in findings} <= completed:
        raise GateError("zizmor found something in files that it has not audited", _HINT)
    return _Said(findings, completed)


def _read_log(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_LOG:
            raise GateError("the log of zizmor is too long", _HINT)
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise GateError(f"no log of zizmor: {error.strerror}", _HINT) from error


def _completed(text: str, handed: _Handed) -> list[str]:
    """Return the files that are logged as audited."""
    record = re.compile(rf"^ *INFO audit: zizmor: .* completed .*?/{handed.directory.name}/(.*)$")
    matches = filter(None, map(record.match, text.split("\n")))
    return [handed.names[match[1]] for match in matches if match[1] in handed.names]


def _parse_output(
    output: bytes, exit_code: int, log: str, handed: _Handed
) -> tuple[tuple[Finding, ...], int]:
    """Return the findings, and the exit code that belongs to them."""
    try:
        values = json.loads(output)
        findings = tuple(_finding(one, handed) for one in values)
        levels = (one["determinations"]["severity"].lower() for one in values)
        return findings, max((_EXIT_CODES[level] for level in levels), default=0)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        said = printable(" ".join(log[-300:].split()), 300)
        message = f"output of zizmor cannot be read, exit code {exit_code}: {said}"
        raise GateError(message, _HINT) from error


def _finding(one: Mapping[str, Any], handed: _Handed) -> Finding:
    locations = one["locations"]
    primary = [place for place in locations if place["symbolic"]["kind"] == "Primary"]
    place = (primary or locations)[0]
    start = place["concrete"]["location"]["start_point"]
    path = place["symbolic"]["key"]["Local"]["verbatim_path"]
    severity = one["determinations"]["severity"].lower()
    confidence = one["determinations"]["confidence"].lower()
    return Finding(
        id=one["ident"],
        message=f"{one['desc']}: {place['symbolic']['annotation']}",
        severity=_SEVERITIES[severity] if severity in _SEVERITIES else Severity(severity),
        confidence=None if confidence == "unknown" else Confidence(confidence),
        path=handed.names[path.partition(f"{handed.directory.name}/")[2]],
        line=start["row"] + 1,
        column=start["column"] + 1,
        silenced=Silencing.COMMENT if one["ignored"] else None,
    )


def _silence(said: _Said, heeding: _Said) -> _Said:
    """Mark what is gone when the configuration's ignore rules are heeded."""
    if said.completed != heeding.completed:
        raise GateError("zizmor audited other files the second time", _HINT)
    heard = set(heeding.findings)
    findings = tuple(
        (
            finding
            if finding.silenced or finding in heard
            else replace(finding, silenced=Silencing.BASELINE)
        )
        for finding in said.findings
    )
    return _Said(findings, said.completed)


def _report(said: _Said, handed: _Handed) -> Report:
    unjudged = dict(handed.refused)
    for path in handed.names.values():
        if path not in said.completed:
            unjudged[path] = "not readable as what its name says"
    reasons = [f"{printable(path)}: {unjudged[path]}" for path in sorted(unjudged)]
    more = f" and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return Report(
        said.findings,
        judged=len(said.completed),
        unjudged=f"not audited by zizmor: {'; '.join(reasons[:5])}{more}" if reasons else None,
    )
