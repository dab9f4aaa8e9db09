"""The machine of the measurements, with its versions."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.example import ROOT


@dataclass(frozen=True)
class Machine:
    """A machine and the versions on it.

    Attributes:
        cpus: processors of the machine.
        usable_cpus: processors that this process can use.
        load: the load average over one minute before the first case, well below 1 on a quiet
            machine; None if unknown.
        commit: the measured commit; None outside of Git.
        dirty: the checkout differs from the commit.
    """

    cpus: int
    usable_cpus: int
    load: float | None
    system: str
    processor: str
    python: str
    ml_assets: str
    dagster: str
    dvc: str
    commit: str | None
    dirty: bool

    def document(self) -> dict[str, object]:
        """Return the JSON document."""
        return asdict(self)


def read_machine() -> Machine:
    """Read the machine and the versions of this process."""
    cpus = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpus
    return Machine(
        cpus=cpus,
        usable_cpus=usable,
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        processor=_processor(),
        python=platform.python_version(),
        ml_assets=version("ml-assets"),
        dagster=version("dagster"),
        dvc=version("dvc"),
        commit=_git("rev-parse", "--verify", "HEAD"),
        dirty=_git("status", "--porcelain") != "",
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if sys.platform == "linux" and file.exists():
        for line in file.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str | None:
    finished = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return finished.stdout.strip() if finished.returncode == 0 else None
