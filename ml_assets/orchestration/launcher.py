"""The run launcher: Dagster's own, which launches once and knows whether a run's process is there.

Two daemons on one instance may both take a run out of the queue. The second process would end at
once, and its end be taken for that of the run, which is then reported as failed while it goes on.

A run whose process was killed together with its code server would be going on for ever, and no
other run of its branch would begin. Dagster's monitor asks here, reports such a run as failed, and
its commit is run again.
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

from ml_assets.orchestration.worker import Life, claim_launch, give_launch_up, look_at

#: Seconds from a run's start until its worker has surely shown itself.
_APPEARS = 60.0


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs in the code server, and tells when the process of one is gone."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run, unless somebody else has done so."""
        place, run_id = workers(self._instance), context.dagster_run.run_id
        if not claim_launch(place, run_id):
            return
        try:
            super().launch_run(context)
        except BaseException:
            if look_at(place, run_id)[0] is not Life.THERE:  # else it was launched all the same
                give_launch_up(place, run_id)
            raise

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It tells whether workers are there."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Tell whether the process of a run that goes on is there.

        1. It says so itself, or has done.
        2. It has not come that far: it has a little time.
        3. Its code server answers, which reports the end of what it has started.
        """
        life, _ = look_at(workers(self._instance), run.run_id)
        if life is Life.THERE:  # 1
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if life is Life.UNKNOWN and (self._is_new(run) or self._is_looked_after(run)):  # 2, 3
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the process of this run was killed")

    def terminate(self, run_id: str) -> bool:
        """End a run; where its code server is gone, by interrupting its process."""
        try:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]  # Dagster's
        except (DagsterUserCodeProcessError, DagsterUserCodeUnreachableError):
            life, process = look_at(workers(self._instance), run_id)
            if life is not Life.THERE or process is None:
                return False  # the monitor reports its end
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
    """Return where the workers of an instance show that they are there."""
    return Path(instance.root_directory) / "workers"
