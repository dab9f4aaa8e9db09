"""Watch settings: what is read of them, and what is refused."""

from typing import Any

import pytest

from ml_assets.project.settings.reader import read_table
from ml_assets.project.settings.watch import (
    Commits,
    First,
    Older,
    WatchSettings,
    WriteBack,
)
from resources.errors import ConfigurationError


def test_defaults_watch_main_and_develop_of_origin() -> None:
    settings = read_table(WatchSettings, {}, "here")
    assert settings == WatchSettings()
    assert settings.branches == ("main", "develop")
    assert settings.repository == "origin"


def test_all_settings_are_read() -> None:
    table = {
        "repository": "upstream",
        "branches": ["release/1.0", "main"],
        "interval": 5,
        "commits": "each",
        "older": "cancel",
        "first": "run",
        "ignore": ["docs/*"],
        "signed": True,
        "runs": 4,
        "write-back": "pull-request",
        "keep-days": 1.5,
        "keep-size": 0.5,
        "keep-runs": 100,
    }
    settings = read_table(WatchSettings, table, "here")
    assert settings.keep_runs == 100
    assert settings.branches == ("release/1.0", "main")
    assert (settings.commits, settings.older, settings.first, settings.write_back) == (
        Commits.EACH,
        Older.CANCEL,
        First.RUN,
        WriteBack.PULL_REQUEST,
    )
    assert (settings.keep, settings.keep_size) == (1.5, 0.5)
    assert settings.ignores("docs/a/b.md")
    assert not settings.ignores("src/docs/a")


def test_repeated_branch_counts_once() -> None:
    table = {"branches": ["main", "main"]}
    assert read_table(WatchSettings, table, "here").branches == ("main",)


def test_empty_list_of_branches_watches_none() -> None:
    assert read_table(WatchSettings, {"branches": []}, "here").branches == ()


@pytest.mark.parametrize(
    "table",
    [
        {"branch": ["main"]},
        {"branches": "main"},
        {"branches": ["../main"]},
        {"branches": ["a b"]},
        {"branches": ["-x"]},
        {"branches": ["a//b"]},
        {"branches": ["*"]},
        {"branches": ["main@{1}"]},
        {"interval": 0},
        {"interval": -1},
        {"commits": "all"},
        {"older": True},
        {"write-back": "push"},
        {"runs": -1},
    ],
)
def test_wrong_setting_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"wrong setting|unknown setting"):
        read_table(WatchSettings, table, "here")
