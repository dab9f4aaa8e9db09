"""A gate in one file, as a contributor adds it: every Python file names its licence."""

from dataclasses import dataclass

from security.finding import Finding, Severity
from security.gates.interface import Kind, Place, Report, Task, Tool
from security.gates.registry import GateDescription, Topic


@dataclass(frozen=True)
class LicenseGate:
    """Finds Python files without the licence's name."""

    license: str = "Apache-2.0"
    name: str = "licenses"
    kind: Kind = Kind.SOURCE
    place: Place = Place.COPY

    def reads(self, path: str) -> bool:
        return path.endswith(".py")

    def configures(self, path: str) -> bool:
        return False

    def tool(self, task: Task) -> Tool:
        return Tool("license reader", "1", {"license": self.license})

    def judge(self, task: Task) -> Report:
        found = [
            Finding("no-license", f"not {self.license}", Severity.HIGH, path=path)
            for path in task.files
            if self.license not in (task.directory / path).read_text()
        ]
        return Report(tuple(found), len(task.files))


LINE = GateDescription(
    "licenses",
    Kind.SOURCE,
    f"{__name__}:LicenseGate",
    Topic.SECURITY,
)
