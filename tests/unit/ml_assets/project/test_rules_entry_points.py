"""Rules are resolved by the entry points of a run, and passed on by everything else."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[4]
RESOLVERS = {
    "find_rules",
    "open_rules",
    "find_protected",
    "find_mirrored",
    "pin_rules",
    "resolve_rules",
}
ENTRY_POINTS = {
    "ml_assets/definitions.py",
    "ml_assets/branches/branch_run.py",
    "ml_assets/orchestration/checks.py",
    "ml_assets/orchestration/working_tree_run.py",
    "ml_assets/project/remote_lister.py",  # a process of its own, without credentials
}
#: Where the resolvers themselves are written.
DEFINED_IN = {
    # The remotes of DVC are resolved when a checkout opens, before its graph names any rules.
    "ml_assets/project/remotes.py",
    "ml_assets/branches/mirror_pin.py",
    "ml_assets/project/repository_pin.py",
    "ml_assets/orchestration/run_rules.py",
    "ml_assets/project/rules.py",
}


def resolving_modules() -> Iterator[str]:
    for package in ("ml_assets", "sensors"):
        for file in (ROOT / package).rglob("*.py"):
            calls = (one for one in ast.walk(ast.parse(file.read_bytes())) if is_resolving(one))
            if any(calls):
                yield file.relative_to(ROOT).as_posix()


def is_resolving(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in RESOLVERS


def test_only_entry_points_resolve_rules() -> None:
    found = set(resolving_modules())
    commands = {one for one in found if one.startswith("ml_assets/commands/")}

    assert commands and found - commands == ENTRY_POINTS | DEFINED_IN
