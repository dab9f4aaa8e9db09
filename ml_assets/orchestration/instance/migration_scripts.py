"""Dagster's migration scripts, read once a process.

Dagster compares the schema of each database that it opens with the newest revision, and for each
answer alembic executes about ninety scripts. One `ml-assets run` opens up to five databases, twice.
"""

from __future__ import annotations

from dagster._core.storage.sql import (  # type: ignore[attr-defined]  # alembic is Dagster's
    Config,
    ScriptDirectory,
)

_read = ScriptDirectory.from_config


_known: dict[tuple[tuple[str, str], ...], ScriptDirectory] = {}


def _read_once(config: Config) -> ScriptDirectory:
    section = config.get_section(config.config_ini_section, {})
    section.pop("here", None)  # where the configuration is; all storages have the same scripts
    key = tuple(sorted(section.items()))
    if key not in _known:
        _known[key] = _read(config)
    return _known[key]


def keep_migration_scripts() -> None:
    """Let alembic keep the scripts that it has read, for all storages."""
    ScriptDirectory.from_config = _read_once  # type: ignore[method-assign]  # alembic keeps none
