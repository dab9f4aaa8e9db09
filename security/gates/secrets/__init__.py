"""The gate ``secrets``: passwords, tokens and keys in the source tree, found by detect-secrets.

Every file is scanned, including notebooks, lock files, CI files and DVC's configuration. Of a
binary file the printable strings are scanned. A file that cannot be scanned is named in the report
and counts as an error. A finding holds the kind and the place of a secret. It holds no digest,
because a dictionary attack on the digest of a short secret reveals the secret.

1. The scan runs in a process of its own (``security.gates.secrets.scan``). Its report must list
   exactly the files that it was given.
2. The scan executes no code of the checkout and uses no network: a baseline cannot load plugins,
   and plugins cannot test whether a secret works.
3. A baseline and comments silence findings, which are reported as silenced.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass

from security.gates.interface import GateError, Kind, Place, Report, Task, Tool
from security.gates.secrets.scan_report import BASELINE, parse_scan
from security.gates.tool.own_tools import own_module, own_version
from security.gates.tool.tool_process import ToolCommand, run_tool

_SCAN = "security.gates.secrets.scan"

#: The version of our rules. A new version makes earlier results invalid.
_RULES = 2
_MOST_OUTPUT = 256 << 20
_MEMORY = 4 << 30


@dataclass(frozen=True, slots=True)
class SecretsGate:
    """Scan the source tree for secrets.

    Attributes:
        most_text: size limit of a text file, in bytes.
        most_binary: size limit of a binary file, in bytes.
    """

    name: str = "secrets"
    kind: Kind = Kind.SOURCE
    place: Place = Place.COPY
    most_text: int = 5 << 20
    most_binary: int = 64 << 20

    def reads(self, path: str) -> bool:
        """Return True: any file may hold a secret."""
        return True

    def configures(self, path: str) -> bool:
        """Say whether a file is the baseline."""
        return path == BASELINE

    def tool(self, task: Task) -> Tool:
        """Return detect-secrets, with the size limits and the version of our rules.

        Raises:
            GateError: detect-secrets is not installed.
        """
        bounds = {"text": self.most_text, "binary": self.most_binary, "rules": _RULES}
        return Tool("detect-secrets", own_version("detect-secrets"), bounds)

    def judge(self, task: Task) -> Report:
        """Scan all files and report each secret.

        Raises:
            GateError: the scan did not complete, or scanned other files.
        """
        if not task.files:
            raise GateError("no files to scan for secrets", "git add the files of the project")
        own_version("detect-secrets")
        with tempfile.NamedTemporaryFile("w", dir=task.scratch, suffix=".json") as request:
            known = BASELINE if BASELINE in task.files else None
            bounds = {"text": self.most_text, "binary": self.most_binary}
            json.dump({"files": task.files, "baseline": known, **bounds}, request)
            request.flush()
            ended = run_tool(
                ToolCommand(
                    own_module(_SCAN, request.name),
                    task.directory,
                    task.environment,
                    task.timeout,
                    task.view,
                    most_output=_MOST_OUTPUT,
                    memory=_MEMORY,
                    unconfined_ok=True,  # the scan executes only our own code
                )
            )
        return parse_scan(ended, task.files)
