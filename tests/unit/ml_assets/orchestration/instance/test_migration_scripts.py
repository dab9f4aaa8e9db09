"""Dagster's databases, with migration scripts that are read once."""

from pathlib import Path

import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage

from ml_assets.orchestration.instance.migration_scripts import (
    ScriptDirectory,
    keep_migration_scripts,
)


def test_databases_have_the_newest_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptDirectory, "from_config", ScriptDirectory.from_config)
    before = SqliteRunStorage.from_local(str(tmp_path / "before")).alembic_version()
    keep_migration_scripts()
    first, second = (SqliteRunStorage.from_local(str(tmp_path / name)) for name in ("1", "2"))

    assert before == first.alembic_version() == second.alembic_version()
    assert before is not None and before[0] == before[1]


def test_all_storages_share_the_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptDirectory, "from_config", ScriptDirectory.from_config)
    before = SqliteEventLogStorage(str(tmp_path / "before")).alembic_version()
    keep_migration_scripts()
    runs = SqliteRunStorage.from_local(str(tmp_path / "runs")).alembic_version()
    events = SqliteEventLogStorage(str(tmp_path / "events")).alembic_version()
    schedules = SqliteScheduleStorage.from_local(str(tmp_path / "schedules")).alembic_version()

    assert before == events == runs == schedules
