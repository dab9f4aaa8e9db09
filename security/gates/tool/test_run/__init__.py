"""Runs of a project's own tests and measurements, and their reports."""

from security.gates.tool.test_run.json_report import as_number, load_json
from security.gates.tool.test_run.pytest_run import PytestRun, project_variables
from security.gates.tool.test_run.source_files import DOCUMENTATION, may_be_read

__all__ = [
    "DOCUMENTATION",
    "PytestRun",
    "as_number",
    "load_json",
    "may_be_read",
    "project_variables",
]
