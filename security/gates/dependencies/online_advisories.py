"""The online advisory service, queried with pip-audit in a process of its own.

The exit code of pip-audit is ambiguous: it is 1 for a vulnerability, for a skipped package and for
a crash. So its report only counts if

1. the exit code agrees with the number of vulnerabilities in the report;
2. the report lists exactly the packages of the query, each with its version;
3. pip-audit warned of nothing, because it only warns when it skips a package.

The process runs in an empty directory: pip-audit calls ``python -m pip``, which would execute a
``pip.py`` in the working directory. No ``pip.conf`` and no ``PIP_…`` variable takes effect.
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
_HTTPS = "set a URL that starts with https://"
_AGAIN = "check the connection to the service, then run the gate again"


def verify_service(url: str) -> None:
    """Refuse a URL whose responses can be changed in transit.

    Raises:
        GateError: the URL is neither https nor local, or holds a password.
    """
    parts = urlsplit(url)
    shown = printable(url)
    if parts.username or parts.password:
        raise GateError(
            "password in the URL of the service",
            "remove the password from the setting online of the policy",
        )
    if not parts.hostname or not url.isprintable() or " " in url:
        raise GateError(f"not a URL of a service: {shown}", _HTTPS)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise GateError(f"unencrypted URL of the service: {shown}", _HTTPS)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def query_service(url: str, packages: Iterable[Package], task: Task) -> list[Vulnerability]:
    """Return the vulnerabilities of packages, which have no severity here.

    Args:
        url: of a service with OSV's API.

    Raises:
        GateError: a package could not be looked up, or the report contradicts itself.
    """
    verify_service(url)
    found: list[Vulnerability] = []
    for number, query in enumerate(_split(packages)):
        directory = task.scratch / f"online-{number}"
        directory.mkdir(parents=True)
        found += _run_query(url, query, task, directory)
    return found


def merge_vulnerabilities(
    known: Sequence[Vulnerability], more: Iterable[Vulnerability]
) -> list[Vulnerability]:
    """Merge vulnerabilities of two sources by package and identifier."""
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


def _split(packages: Iterable[Package]) -> list[dict[str, Package]]:
    """Split packages into queries with each name once, because pip-audit requires that."""
    rounds: list[dict[str, Package]] = []
    for package in packages:
        try:
            name, version = package.name, str(Version(package.version))
            valid = canonicalize_name(name, validate=True) == name and version == package.version
        except (InvalidVersion, InvalidName):
            valid = False
        if not valid:
            shown = printable(f"{package.name}=={package.version}")
            raise GateError(f"not a PEP 440 name and version: {shown}", "pin a valid version")
        place = next((one for one in rounds if name not in one), None)
        if place is None:
            rounds.append(place := {})
        place[name] = package
    if len(rounds) > _MOST_ROUNDS:
        raise GateError(f"a package has more than {_MOST_ROUNDS} versions", "remove old lock files")
    return rounds


def _run_query(
    url: str, query: Mapping[str, Package], task: Task, directory: Path
) -> list[Vulnerability]:
    requirements = directory / "requirements.txt"
    requirements.write_text("".join(f"{name}=={one.version}\n" for name, one in query.items()))
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
        view=task.view,
    )
    return _parse_report(run_tool(command), query)


def _environment(variables: Mapping[str, str], directory: Path) -> dict[str, str]:
    kept = {name: text for name, text in variables.items() if not name.startswith(_DROPPED)}
    return {**kept, "HOME": str(directory), "PIP_CONFIG_FILE": os.devnull}


def _parse_report(ended: ToolExit, query: Mapping[str, Package]) -> list[Vulnerability]:
    try:
        listed = json.loads(ended.output)["dependencies"]
        found_packages = sorted((str(one["name"]), str(one["version"])) for one in listed)
        if found_packages != sorted((one.name, one.version) for one in query.values()):  # 2
            counts = f"{len(found_packages)} packages instead of {len(query)}"
            raise GateError(f"pip-audit reported other packages: {counts}", _AGAIN)
        found = [
            _build_vulnerability(query[one["name"]], vulnerability)
            for one in listed
            for vulnerability in one["vulns"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GateError(f"unreadable report of pip-audit: {_last_line(ended)}", _AGAIN) from error
    if ended.exit_code != (1 if found else 0):  # 1
        what = f"exit code {ended.exit_code} with {len(found)} vulnerabilities"
        raise GateError(f"pip-audit contradicts its report: {what}", _AGAIN)
    if warned := _find_warning(ended.errors):  # 3
        raise GateError(f"warning of pip-audit: {printable(warned)}", _AGAIN)
    return found


def _build_vulnerability(package: Package, entry: Mapping[str, Any]) -> Vulnerability:
    names = {str(entry["id"]), *map(str, entry["aliases"])}
    return Vulnerability(
        package=package,
        ids=tuple(sorted(names, key=lambda name: (not name.startswith("CVE-"), name))),
        advisories=(str(entry["id"]),),
        certain=True,
        reason="reported by the online service",
        fixed=tuple(map(str, entry["fix_versions"])),
        severities=(),
        summary=" ".join(str(entry["description"])[:_LONGEST_SUMMARY].split()),
    )


def _find_warning(errors: str) -> str | None:
    """Return the first warning that does not appear in every run."""
    for line in errors.splitlines():
        level, _, rest = line.partition(":")
        message = rest.partition(":")[2]
        if level in ("WARNING", "ERROR", "CRITICAL") and not message.startswith(_EXPECTED_WARNINGS):
            return message
    return None


def _last_line(ended: ToolExit) -> str:
    lines = [line for line in ended.errors.splitlines() if line.strip()]
    return printable(lines[-1] if lines else f"exit code {ended.exit_code}")
