"""The policy: rules for gates in each environment, and waivers.

The policy is ``.ml-assets/policy.toml`` at a commit of the protected branch; without that file the
built-in policy applies. It never changes a report: each decision applies the current policy to the
report on the current date (``security/policy/decision.py``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from security.content.table import PolicyError, Table, load_policy
from security.policy.rule import Comments, Level, Missing, Rule, Stale, parse_rule
from security.policy.waiver import Waiver, parse_waiver

__all__ = [
    "MATERIALIZE",
    "Comments",
    "Environment",
    "Level",
    "Missing",
    "Policy",
    "PolicyError",
    "Rule",
    "Stale",
    "builtin_policy",
    "builtin_policy_text",
    "parse_policy",
    "policy_schema",
]

VERSION = 1
#: The environment of runs that name none: stages run and models are made in it.
MATERIALIZE = "materialize"
MOST_ENVIRONMENTS = 100
_DATA = Path(__file__).parent / "data"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Environment:
    """The rules of one environment.

    Attributes:
        branch: the branch whose commits go to this environment, if any.
        rules: rules by gate.
        default: rule of all other gates.
        errors_block: whether an error of any gate blocks, including advisory gates.
        verified_restores: whether an out is restored from DVC's caches only if a trusted statement
            says that a run of its stage wrote it.
    """

    name: str
    branch: str | None = None
    rules: Mapping[str, Rule] = field(default_factory=dict)
    default: Rule = field(default_factory=Rule)
    errors_block: bool = False
    verified_restores: bool = False

    def rule(self, gate: str) -> Rule:
        """Return the rule of a gate."""
        return self.rules.get(gate, self.default)


@dataclass(frozen=True, slots=True)
class Policy:
    """All environments and all waivers.

    Attributes:
        version: version of the format.
        sha256: digest of the policy's text.
    """

    version: int
    environments: Mapping[str, Environment]
    waivers: tuple[Waiver, ...]
    sha256: str

    def environment(self, name: str) -> Environment:
        """Return an environment.

        Raises:
            PolicyError: the environment is unknown.
        """
        found = self.environments.get(name)
        if found is None:
            known = ", ".join(sorted(self.environments))
            raise PolicyError(f"unknown environment: {name}", f"known environments: {known}")
        return found

    def environment_of(self, branch: str) -> str | None:
        """Return the name of the environment of a branch, if it has one."""
        for environment in self.environments.values():
            if environment.branch == branch:
                return environment.name
        return None

    def unknown_gates(self, known: Collection[str]) -> tuple[str, ...]:
        """Return gates in rules and waivers that do not exist; their results would never arrive."""
        named = {gate for one in self.environments.values() for gate in one.rules}
        named |= {waiver.gate for waiver in self.waivers}
        return tuple(sorted(named - set(known)))


def parse_policy(text: bytes, where: str) -> Policy:
    """Parse a policy; without environments, the built-in ones apply.

    Args:
        where: the file's name, for messages.

    Raises:
        PolicyError: the text is not TOML, or a key is missing, unknown, or has a wrong value.
    """
    document = load_policy(text, where)
    document.refuse_unknown(("version", "environments", "waivers"))
    document.require("version")
    if document.whole_number("version", 0, 0, 10**6) != VERSION:
        raise document.error(
            "version", f"not {VERSION}", f"set version = {VERSION}, or update ml-assets"
        )
    waivers = tuple(parse_waiver(one) for one in document.list_of_tables("waivers"))
    if "environments" not in document:
        environments = builtin_policy().environments
    else:
        environments = _parse_environments(document)
    return Policy(VERSION, environments, waivers, hashlib.sha256(text).hexdigest())


def builtin_policy_text() -> bytes:
    """Return the text of the built-in policy."""
    return (_DATA / "policy.toml").read_bytes()


def policy_schema() -> bytes:
    """Return the JSON schema of policies, for editors."""
    return (_DATA / "policy.schema.json").read_bytes()


@cache
def builtin_policy() -> Policy:
    """Return the built-in policy, which applies to a project without its own."""
    return parse_policy(builtin_policy_text(), "built-in policy")


def _parse_environments(document: Table) -> dict[str, Environment]:
    tables = document.tables("environments")
    if not 0 < len(tables) <= MOST_ENVIRONMENTS:
        what = f"not 1 to {MOST_ENVIRONMENTS} environments: {len(tables)}"
        raise document.error("environments", what, "add an environment, or remove the key")
    found = {name: _parse_environment(name, tables) for name in tables}
    branches: dict[str, str] = {}
    for name, environment in found.items():
        other = branches.setdefault(environment.branch or "", name)
        if environment.branch and other != name:
            raise tables[name].error(
                "branch", f"also in {other}: {environment.branch}", "keep it in one environment"
            )
    return found


def _parse_environment(name: str, tables: Mapping[str, Table]) -> Environment:
    own = tables[name]
    _check_name(own, name)
    line = _line_of(name, tables)
    errors_block, default, gates = False, Rule(), dict[str, list[Table]]()
    verified = False
    for table in line:
        table.refuse_unknown(
            ("extends", "branch", "errors-block", "verified-restores", "default", "gates")
        )
        verified = table.flag("verified-restores", verified)
        errors_block = table.flag("errors-block", errors_block)
        default = parse_rule([table.table("default")], default)
        for gate, rule in table.tables("gates").items():
            _check_name(rule, gate)
            gates.setdefault(gate, []).append(rule)
    default = replace(default, errors_block=errors_block)
    rules = {gate: parse_rule(layers, default) for gate, layers in gates.items()}
    branch = own.line("branch") or None
    return Environment(name, branch, rules, default, errors_block, verified)


def _line_of(name: str, tables: Mapping[str, Table]) -> Sequence[Table]:
    """Return the tables of an environment: those that it extends first, its own last."""
    line, seen = [tables[name]], [name]
    while "extends" in line[0]:
        parent = line[0].line("extends")
        if parent not in tables:
            known = ", ".join(sorted(tables))
            raise line[0].error(
                "extends", f"unknown environment: {parent}", f"known environments: {known}"
            )
        if parent in seen:
            circle = " → ".join([*seen, parent])
            raise line[0].error("extends", f"cycle: {circle}", "remove one of them")
        seen.append(parent)
        line.insert(0, tables[parent])
    return line


def _check_name(table: Table, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise table.wrong("invalid name", "use a-z, 0-9, _ and -")
