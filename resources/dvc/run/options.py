"""The options of one run of stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.dvc.reuse import Reuse
from resources.dvc.run.admission import Admission
from resources.dvc.run.attestation import Attestation
from resources.dvc.run.schedule import Capacity
from resources.dvc.run.stage_environment import StageEnvironment
from resources.dvc.run.stage_limits import StageLimits
from security.sandbox.file_view import FileView


@dataclass(frozen=True)
class Options:
    """Options of a run.

    Attributes:
        admission: admits each stage before its commands run.
        attestation: states the run of each stage.
        view: what stage processes see of the files; None does not confine them.
        wait: seconds to wait for another run in the same checkout.
        reuse: what to take over from earlier runs.
        limits: time limits and retries, by stage name.
        shared: other processes of the same run work in this checkout on other stages.
    """

    capacity: Capacity
    environment: StageEnvironment
    admission: Admission
    attestation: Attestation
    view: FileView | None = None
    wait: float = 600.0
    reuse: Reuse = Reuse()
    limits: Mapping[str, StageLimits] = field(default_factory=dict)
    shared: bool = False
