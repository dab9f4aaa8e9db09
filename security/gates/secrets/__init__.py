"""The secrets gate: passwords, tokens and keys in the source tree, with detect-secrets.

Every file is looked at, notebooks, lock files, CI files and DVC's configuration among them; of a
binary one the printable strings. What cannot be looked at is not clean: it is named. Of a secret
only its kind and its place are told: a digest of a short one would be the secret itself to whoever
tries a dictionary.

1. The scan runs in a process of its own, by ``security.gates.secrets.scan``; it answers for every
   file by name, and the names have to be those that it was given.
2. Nothing of the checkout is executed, and nobody is asked on the network: neither by a baseline
   that names plugins nor by plugins that try secrets out.
3. A baseline and comments silence; what they silence is reported as silenced.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass

from security.gates.interface import GateError, Kind, Place, Report, Task, Tool
from security.gates.secrets.scan_report import BASELINE, parse_answer
from security.gates.tool.own_tools import own_module, own_version
from security.gates.tool.tool_process import ToolCommand, run_tool

_SCAN = "security.gates.secrets.scan"

#: Raised when the rules change, so that nothing is taken from results by the old ones.
_RULES = 1
_MOST_OUTPUT = 256 << 20
_MEMORY = 4 << 30


@dataclass(frozen=True, slots=True)
class SecretsGate:
    """Finds secrets in the source tree.

    Attributes:
        most_text: bytes of the largest text that is looked at.
        most_binary: bytes of the largest binary file that is.
    """

    name: str = "secrets"
    kind: Kind = Kind.SOURCE
    place: Place = Place.COPY
    most_text: int = 5 << 20
    most_binary: int = 64 << 20

    def reads(self, path: str) -> bool:
        """Say that it reads every file: a secret may be in any."""
        return True

    def configures(self, path: str) -> bool:
        """Say whether it is the baseline."""
        return path == BASELINE

    def tool(self, task: Task) -> Tool:
        """Return detect-secrets, and the bounds and rules it is used with.

        Raises:
            GateError: it is not installed.
        """
        bounds = {"text": self.most_text, "binary": self.most_binary, "rules": _RULES}
        return Tool("detect-secrets", own_version("detect-secrets"), bounds)

    def judge(self, task: Task) -> Report:
        """Scan.

        Raises:
            GateError: the scan did not come to its end, or did not look at what it was given.
        """
        if not task.files:
            raise GateError("no file to look for secrets in", "add files to Git")
        own_version("detect-secrets")
        with tempfile.NamedTemporaryFile("w", dir=task.scratch, suffix=".json") as order:
            known = BASELINE if BASELINE in task.files else None
            bounds = {"text": self.most_text, "binary": self.most_binary}
            json.dump({"files": task.files, "baseline": known, **bounds}, order)
            order.flush()
            ended = run_tool(
                ToolCommand(
                    own_module(_SCAN, order.name),
                    task.directory,
                    task.environment,
                    task.timeout,
                    task.denied,
                    most_output=_MOST_OUTPUT,
                    memory=_MEMORY,
                    unconfined_ok=True,  # it runs our own code only
                )
            )
        return parse_answer(ended, task.files)
