"""The online service of advisories, asked through pip-audit in a process of its own.

pip-audit's exit code alone says nothing: it is 1 for a vulnerability, for a package that it left
out and for a crash alike. An answer counts only if

1. the exit code, the document and the number of vulnerabilities in it agree;
2. each package that was asked for is in it, with the version asked for, and no other;
3. nothing was left out on the way: what pip-audit warns of is an error here.

The process works in an empty directory. pip-audit asks ``python -m pip`` for its version, which
would execute a ``pip.py`` lying there; and no ``pip.conf`` or ``PIP_…`` variable has a say.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from security.advisories.packages.package import Package
from security.advisories.vulnerability import Vulnerability
from security.content.printable import printable
from security.gates.interface import GateError, Task
from security.gates.tool.own_tools import own_module
from security.gates.tool.tool_process import ToolCommand, ToolExit, run_tool

_MOST_ROUNDS = 8
_LONGEST_SUMMARY = 240
_DROPPED = ("PIP", "PYTHON", "XDG_")
_EXPECTED_WARNINGS = ("--no-deps is supported", "Consider using a tool like")
_AGAIN = "look whether the service can be reached, then run again"


def verify_service(url: str) -> None:
    """Refuse an address whose answers somebody on the way could change.

    Raises:
        GateError: it is neither https nor on this machine, or has a password in it.
    """
    parts = urlsplit(url)
    shown = printable(url)
    if parts.username or parts.password:
        raise GateError("the service's address has a password in it", "leave it out")
    if not parts.hostname or not url.isprintable() or " " in url:
        raise GateError(f"not the address of a service: {shown}", "give https://…")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise GateError(f"can be changed on its way: {shown}", "give https://…")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ask_service(url: str, packages: Iterable[Package], task: Task) -> list[Vulnerability]:
    """Ask a service for the vulnerabilities of packages. It does not say how severe they are.

    Args:
        url: where it answers queries of OSV's API.

    Raises:
        GateError: a package could not be looked up, or the answer is not one.
    """
    verify_service(url)
    found: list[Vulnerability] = []
    for number, asked in enumerate(_share_out(packages)):
        directory = task.scratch / f"online-{number}"
        directory.mkdir(parents=True)
        found += _ask(url, asked, task, directory)
    return found


def merge_vulnerabilities(
    known: Sequence[Vulnerability], more: Iterable[Vulnerability]
) -> list[Vulnerability]:
    """Add vulnerabilities to those that are known; the same one of a package is told once."""
    merged = list(known)
    places: dict[tuple[str, str, str], int] = {}
    for place, one in enumerate(merged):
        places.update(((one.package.name, one.package.version, name), place) for name in one.ids)
    for one in more:
        keys = [(one.package.name, one.package.version, name) for name in one.ids]
        place = next((places[key] for key in keys if key in places), len(merged))
        if place == len(merged):
            merged.append(one)
        else:
            ids = dict.fromkeys((*merged[place].ids, *one.ids))
            merged[place] = replace(merged[place], ids=tuple(ids))
        places.update((key, place) for key in keys)
    return merged


def _share_out(packages: Iterable[Package]) -> list[dict[str, Package]]:
    """Share packages out so that each name is asked for once: pip-audit refuses two versions."""
    rounds: list[dict[str, Package]] = []
    for package in packages:
        try:
            name, version = package.name, str(Version(package.version))
            valid = canonicalize_name(name, validate=True) == name and version == package.version
        except (InvalidVersion, InvalidName):
            valid = False
        if not valid:
            shown = printable(f"{package.name}=={package.version}")
            raise GateError(f"cannot be looked up: {shown}", "pin a version of PEP 440")
        place = next((one for one in rounds if name not in one), None)
        if place is None:
            rounds.append(place := {})
        place[name] = package
    if len(rounds) > _MOST_ROUNDS:
        raise GateError(
            f"a package in more than {_MOST_ROUNDS} versions", "leave old lock files out"
        )
    return rounds


def _ask(
    url: str, asked: Mapping[str, Package], task: Task, directory: Path
) -> list[Vulnerability]:
    requirements = directory / "requirements.txt"
    requirements.write_text("".join(f"{name}=={one.version}\n" for name, one in asked.items()))
    command = ToolCommand(
        arguments=own_module(
            "pip_audit",
            *("--requirement", str(requirements), "--no-deps", "--disable-pip", "--strict"),
            *("--vulnerability-service", "osv", f"--osv-url={url}", "--format", "json"),
            *("--desc", "on", "--aliases", "on", "--progress-spinner", "off", "--output", "-"),
            *("--cache-dir", str(directory / "cache")),
        ),
        directory=directory,
        environment=_environment(task.environment, directory),
        timeout=task.timeout,
        denied=task.denied,
    )
    return _read_answer(run_tool(command), asked)


def _environment(variables: Mapping[str, str], directory: Path) -> dict[str, str]:
    kept = {name: text for name, text in variables.items() if not name.startswith(_DROPPED)}
    return {**kept, "HOME": str(directory), "PIP_CONFIG_FILE": os.devnull}


def _read_answer(ended: ToolExit, asked: Mapping[str, Package]) -> list[Vulnerability]:
    try:
        listed = json.loads(ended.output)["dependencies"]
        answered = sorted((str(one["name"]), str(one["version"])) for one in listed)
        if answered != sorted((one.name, one.version) for one in asked.values()):  # 2
            raise GateError(f"answers for {len(answered)} of {len(asked)} packages", _AGAIN)
        found = [
            _build_vulnerability(asked[one["name"]], vulnerability)
            for one in listed
            for vulnerability in one["vulns"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GateError(f"no answer: {_last_line(ended)}", _AGAIN) from error
    if ended.exit_code != (1 if found else 0):  # 1
        raise GateError(f"exit code {ended.exit_code} with {len(found)} findings", _AGAIN)
    if warned := _find_warning(ended.errors):  # 3
        raise GateError(f"left something out: {printable(warned)}", _AGAIN)
    return found


def _build_vulnerability(package: Package, entry: Mapping[str, Any]) -> Vulnerability:
    names = {str(entry["id"]), *map(str, entry["aliases"])}
    return Vulnerability(
        package=package,
        ids=tuple(sorted(names, key=lambda name: (not name.startswith("CVE-"), name))),
        advisories=(str(entry["id"]),),
        certain=True,
        reason="by the online service",
        fixed=tuple(map(str, entry["fix_versions"])),
        severities=(),
        summary=" ".join(str(entry["description"])[:_LONGEST_SUMMARY].split()),
    )


def _find_warning(errors: str) -> str | None:
    """Return the first warning that does not come with every run."""
    for line in errors.splitlines():
        level, _, rest = line.partition(":")
        message = rest.partition(":")[2]
        if level in ("WARNING", "ERROR", "CRITICAL") and not message.startswith(_EXPECTED_WARNINGS):
            return message
    return None


def _last_line(ended: ToolExit) -> str:
    lines = [line for line in ended.errors.splitlines() if line.strip()]
    return printable(lines[-1] if lines else f"exit code {ended.exit_code}")
