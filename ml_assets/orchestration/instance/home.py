"""The Dagster instance of a project: its directory and its settings.

``DAGSTER_HOME`` wins when it is set. Otherwise the project's local state holds an instance with
telemetry off and the event storage of ``ml_assets.orchestration.instance.event_log``.
"""

from __future__ import annotations

import os
import string
from pathlib import Path

from ml_assets.project.project import Project
from resources.files import write_atomically

_SETTINGS = """\
# Written by ml-assets; edit DAGSTER_HOME's own dagster.yaml instead of this one.
telemetry:
  enabled: false
nux:
  enabled: false
run_storage:
  module: dagster._core.storage.runs
  class: SqliteRunStorage
  config:
    base_dir: {runs}
event_log_storage:
  module: ml_assets.orchestration.instance.event_log
  class: PooledSqliteEventLogStorage
  config:
    base_dir: {events}
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config:
    base_dir: {schedules}
compute_logs:
  module: ml_assets.orchestration.instance.stage_log
  class: StageLogManager
  config:
    base_dir: {logs}
run_launcher:
  module: ml_assets.orchestration.instance.launcher
  class: WatchedRunLauncher
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
  config:
    max_concurrent_runs: {most}
    dequeue_interval_seconds: 1
    # The code server may be reloading its definitions, or restarting.
    max_user_code_failure_retries: 10
    user_code_failure_retry_delay: 2
    tag_concurrency_limits:
      - key: ml-assets/branch
        value:
          applyLimitPerUniqueValue: true
        limit: 1
run_monitoring:
  enabled: true
  poll_interval_seconds: 10
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false
"""


def use_instance(project: Project) -> Path:
    """Point Dagster, here and in processes started from here, to the project's instance.

    Returns:
        The instance's directory.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    return use_instance_in(project.make_state(), project.settings.watch.runs)


def use_instance_in(state: Path, runs: int) -> Path:
    """Point Dagster to the instance in a directory of local state.

    Args:
        runs: the limit of parallel runs; each branch has one at a time. Dagster retries a run once
            if its process was killed, and not if it failed.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        return Path(named)
    home = state / "dagster"
    places = ("runs", "events", "schedules", "logs")
    paths = {place: _quote(home / "storage" / place) for place in places}
    settings = _SETTINGS.format(most=runs, **paths).encode()
    file = home / "dagster.yaml"
    if not file.exists() or file.read_bytes() != settings:
        write_atomically(file, settings)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _quote(path: Path) -> str:
    """Return a path, with any characters, as a double-quoted scalar of YAML 1.1."""
    plain = set(string.ascii_letters + string.digits + "/._- ")
    text = os.fspath(path)
    return '"' + "".join(c if c in plain else f"\\U{ord(c):08x}" for c in text) + '"'
