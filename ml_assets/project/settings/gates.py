"""Gate settings: ``[tool.ml-assets.gates]``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from security.content.setting import Checked, seconds, setting
from security.gates.settings import ModelValidationSettings, PerformanceBounds, SuiteSettings

#: The names of gates, as policies, waivers and Dagster accept them.
_NAME = r"[a-z0-9][a-z0-9_-]*"


@dataclass(frozen=True)
class CommandSettings(Checked):
    """A command of your own as a gate. The table's name (`a-z`, `0-9`, `_`, `-`) is the gate's."""

    command: tuple[str, ...] = setting(
        dataclasses.MISSING,
        "Words of the command; `{report}` is the path of the report to write.",
        example='["python", "tools/licenses.py", "--sarif", "{report}"]',
    )
    judges: Literal["source", "data", "model"] = setting(
        "source", "Subject of the gate.", example='"source"'
    )
    reads: tuple[str, ...] = setting(
        (),
        "Patterns of the source files that the command reads.",
        unset="all files",
        example='["requirements/*"]',
    )
    output: Literal["exit-code", "sarif", "junit"] = setting(
        "exit-code",
        "Form of the result. With `exit-code`, 0 passes, 1 is a finding, others are errors.",
        example='"sarif"',
    )

    def fault(self) -> tuple[str, str] | None:
        """Require words."""
        if self.command and all(self.command):
            return None
        return "command", 'the words of a command, as in: ["make", "audit"]'


@dataclass(frozen=True)
class GateSettings:
    """The configuration of [gates](gates.md)."""

    # Each built-in gate with settings has a field here. Its line in security/gates/registry.py
    # names the type.

    python: str | None = setting(
        None,
        "Interpreter of the project's environment, for stages and gates.",
        unset="`.venv` in the project, then the first on `PATH`",
        example='".venv/bin/python"',
    )
    timeout: float = seconds(600.0, "Seconds that one tool may take.", example="3600")
    unit_tests: SuiteSettings = setting(SuiteSettings(("tests/unit",)), "The gate `unit-tests`.")
    integration_tests: SuiteSettings = setting(
        SuiteSettings(("tests/integration",)), "The gate `integration-tests`."
    )
    model_validation: ModelValidationSettings = setting(
        ModelValidationSettings(("tests/model_tests",)), "The gate `model-validation`."
    )
    data: Mapping[str, Mapping[str, Any]] = setting(
        {},
        "Expectations of datasets, by path or pattern: `*` within a name, `**` across directories.",
        shape="data",
    )
    performance: PerformanceBounds = setting(PerformanceBounds(), "The gate `performance`.")
    commands: Mapping[str, CommandSettings] = setting(
        {},
        "Gates of your own, by name.",
        rest=True,
        names=_NAME,
        expected="the name of a gate (a-z, 0-9, _ and -) and a table with a command",
    )
