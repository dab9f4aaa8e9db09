"""Dagster's migration scripts, read once a process.

Dagster compares the schema of each database that it opens with the newest revision, and for each
answer alembic executes about ninety scripts. One `ml-assets run` opens up to five databases, twice.
"""

from __future__ import annotations

import functools

from dagster._core.storage.sql import (  # type: ignore[attr-defined]  # alembic is Dagster's
    Config,
    ScriptDirectory,
)

_read = ScriptDirectory.from_config


@functools.cache
def _read_once(config: Config) -> ScriptDirectory:
    return _read(config)


def keep_migration_scripts() -> None:
    """Let alembic keep the scripts that it has read; Dagster has one configuration a storage."""
    ScriptDirectory.from_config = _read_once  # type: ignore[method-assign]  # alembic keeps none
