"""The event storage: Dagster's own files, readable by Dagster's own storage, and not slower."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.test_utils import instance_for_test

from ml_assets.orchestration.instance.event_log import PooledSqliteEventLogStorage
from tests.integration.dagster.asset_flow import Flow, location, materialized
from tests.unit.resources.dvc_project import DvcProject

WRITE_AND_DIE = """
import os, signal, sys
import dagster as dg
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    for number in range(20):
        instance.report_runless_asset_event(dg.AssetMaterialization(["main", str(number)]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


MANY_RUNS = """
import os, resource, sys, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
import dagster as dg
from dagster._core.test_utils import create_run_for_test
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    def work():
        for _ in range(15):
            run = create_run_for_test(instance, "job")
            instance.report_engine_event("working", run)
            assert len(instance.all_logs(run.run_id)) == 1
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    files = [os.readlink(link) for link in links if os.path.islink(link)]
    print(instance.get_runs_count(), sum("/events/" in file for file in files))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Dagster home with our event storage."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "event_log_storage:\n"
        "  module: ml_assets.orchestration.instance.event_log\n"
        "  class: PooledSqliteEventLogStorage\n"
        f"  config: {{base_dir: '{home}/events'}}\n"
    )
    return home


@pytest.fixture
def ours(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.event_log_storage, PooledSqliteEventLogStorage)
        yield instance


def stock(home: Path) -> SqliteEventLogStorage:
    return SqliteEventLogStorage(str(home / "events"))


def keys(storage: SqliteEventLogStorage) -> set[str]:
    return {location(key) for key in storage.all_asset_keys()}


def test_run_that_we_recorded_is_read_by_dagsters_own_storage(
    repository: DvcProject, home: Path, ours: dg.DagsterInstance
) -> None:
    result = Flow(repository, ours).materialize()

    assert keys(stock(home)) == materialized(result)
    for key in ours.all_asset_keys():
        assert stock(home).get_latest_materialization_events([key]) == (
            ours.event_log_storage.get_latest_materialization_events([key])
        )
    theirs = stock(home).get_logs_for_run(result.run_id)
    assert theirs == ours.event_log_storage.get_logs_for_run(result.run_id)
    assert len(theirs) > len(materialized(result))


def test_events_of_dagsters_own_storage_are_read_by_ours(home: Path) -> None:
    with instance_for_test(
        overrides={
            "event_log_storage": {
                "module": "dagster._core.storage.event_log",
                "class": "SqliteEventLogStorage",
                "config": {"base_dir": str(home / "events")},
            }
        }
    ) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(["main", "theirs"]))

    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert keys(instance.event_log_storage) == {"theirs"}  # type: ignore[arg-type]
        instance.report_runless_asset_event(dg.AssetMaterialization(["main", "ours"]))

    assert keys(stock(home)) == {"theirs", "ours"}


def test_asset_that_is_wiped_is_gone(home: Path, ours: dg.DagsterInstance) -> None:
    for name in ("a", "b"):
        ours.report_runless_asset_event(dg.AssetMaterialization(["main", name]))

    ours.wipe_assets([dg.AssetKey(["main", "a"])])

    assert keys(stock(home)) == {"b"}


def test_threads_write_without_losing_an_event(home: Path, ours: dg.DagsterInstance) -> None:
    failures: list[BaseException] = []

    def write(thread: int) -> None:
        try:
            for number in range(10):
                name = f"{thread}-{number}"
                ours.report_runless_asset_event(dg.AssetMaterialization(["main", name]))
        except BaseException as error:  # noqa: B036  # shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(keys(stock(home))) == 40


def test_process_that_is_killed_loses_no_event(home: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", WRITE_AND_DIE, str(home)], capture_output=True, text=True
    )

    assert finished.returncode == -signal.SIGKILL, finished.stderr
    assert keys(stock(home)) == {str(number) for number in range(20)}


def test_many_runs_in_one_process_leave_few_files_open(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY_RUNS, str(home)], capture_output=True, text=True
    )

    assert done.returncode == 0 and "Exception" not in done.stderr, done.stderr
    runs, files = map(int, done.stdout.split())
    assert runs == 60 and files <= 3 * 8


def test_closed_storage_leaves_no_connection_open(home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(["main", "a"]))

    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if os.path.islink(link)]
    assert [target for target in targets if str(home) in target] == []


def test_second_instance_in_the_same_process_sees_what_the_first_wrote(
    home: Path, ours: dg.DagsterInstance
) -> None:
    ours.report_runless_asset_event(dg.AssetMaterialization(["main", "a"]))

    with dg.DagsterInstance.from_config(str(home)) as other:
        other.report_runless_asset_event(dg.AssetMaterialization(["main", "b"]))

    assert {location(key) for key in ours.all_asset_keys()} == {"a", "b"}
