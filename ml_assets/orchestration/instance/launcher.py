"""The run launcher: Dagster's own, with one launch per run and a health check of its process.

Two daemons on one instance can both take a run out of the queue. The second process would end at
once, and Dagster would report the run as failed while the first process continues.

Without the health check, a run whose process was killed together with its code server would stay in
the state "started" and block its branch. Dagster's monitor asks the launcher for the health of each
run, reports such a run as failed, and runs its commit again.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from dagster import DagsterInstance, DagsterRun
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.launcher import (
    CheckRunHealthResult,
    DefaultRunLauncher,
    LaunchRunContext,
    WorkerStatus,
)

from ml_assets.orchestration.instance.worker import (
    WORKERS,
    Life,
    claim_launch,
    give_launch_up,
    look_at,
)

#: Seconds from a run's start until its worker file exists at the latest.
_APPEARS = 60.0


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches each run once in the code server, and checks the health of its process."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run, unless another daemon has launched it."""
        place, run_id = workers(self._instance), context.dagster_run.run_id
        if not claim_launch(place, run_id):
            return
        try:
            super().launch_run(context)
        except BaseException:
            if look_at(place, run_id)[0] is not Life.THERE:  # otherwise the launch has succeeded
                give_launch_up(place, run_id)
            raise

    @property
    def supports_check_run_worker_health(self) -> bool:
        """The launcher supports health checks."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Check whether the process of a started run is alive.

        1. A locked worker file proves that it is.
        2. Without a worker file, a new run counts as alive for ``_APPEARS`` seconds.
        3. A running code server reports the end of its runs itself.
        """
        life, _ = look_at(workers(self._instance), run.run_id)
        if life is Life.THERE:  # 1
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if life is Life.UNKNOWN and (self._is_new(run) or self._is_looked_after(run)):  # 2, 3
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the process of this run was killed")

    def terminate(self, run_id: str) -> bool:
        """End a run; without a code server, interrupt its process."""
        try:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]  # Dagster's
        except (DagsterUserCodeProcessError, DagsterUserCodeUnreachableError):
            life, process = look_at(workers(self._instance), run_id)
            if life is not Life.THERE or process is None:
                return False  # the monitor reports the end
            os.kill(process, signal.SIGINT)
            return True

    def _is_new(self, run: DagsterRun) -> bool:
        record = self._instance.get_run_record_by_id(run.run_id)
        start = record.start_time if record is not None else None
        return start is None or 0 <= time.time() - start < _APPEARS

    def _is_looked_after(self, run: DagsterRun) -> bool:
        find = self._get_grpc_client_for_termination
        client = find(run.run_id)  # type: ignore[no-untyped-call]  # Dagster's
        if client is None:
            return True  # started on a command line, which reports its end
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError:
            return False
        return True


def workers(instance: DagsterInstance) -> Path:
    """Return the directory of worker files of an instance."""
    return Path(instance.root_directory) / WORKERS
