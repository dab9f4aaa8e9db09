"""SARIF logs: results in the Static Analysis Results Interchange Format, read strictly.

The format is OASIS SARIF 2.1.0; the section numbers are those of its specification. An incomplete
log never counts as clean:

1. Another version, a duplicate key, no runs, or too many results: the log is unreadable.
2. A run without results (3.14.23), with results in other files (3.14.2), without success (3.20.14)
   or with an error notification (3.20.21): the check is incomplete, whatever it found.
3. Results that a person must decide on (``open`` and ``review``, 3.27.9): the same.
4. Suppressed results (3.27.23) are silenced findings.
5. A location outside the directory is dropped; the finding stays, without a path.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from security.content.document import DocumentError, parse_json
from security.content.field import Field
from security.content.printable import printable
from security.finding import Finding, Severity, Silencing
from security.gates.interface import GateError
from security.gates.tool.sarif_log.location import read_location

_MOST_RESULTS = 100_000
_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": None}
_KINDS = ("fail", "open", "review", "pass", "informational", "notApplicable")
_BASELINE_STATES = ("new", "unchanged", "updated", "absent")
_BANDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))


@dataclass(frozen=True, slots=True)
class SarifLog:
    """The content of a log.

    Attributes:
        findings: of all runs in their order, including suppressed ones.
        runs: number of runs, at least one.
        tools: names of the tools without duplicates, in their order.
        unjudged: why the check is incomplete; None if it is complete.
    """

    findings: tuple[Finding, ...]
    runs: int
    tools: tuple[str, ...]
    unjudged: str | None


def parse_sarif(data: bytes, directory: Path) -> SarifLog:
    """Parse a log.

    Args:
        directory: absolute working directory of the tool; paths in findings are relative to it.

    Raises:
        GateError: the log is not valid SARIF 2.1.0.
    """
    document = _parse(data)  # 1
    if document.get("version").optional_text() != "2.1.0":
        raise _unreadable("version", "not 2.1.0")
    runs = list(document.get("runs").objects())
    if not runs:
        raise _unreadable("runs", "no runs")
    if sum(len(list(run.get("results").objects())) for run in runs) > _MOST_RESULTS:
        raise _unreadable("runs", f"more than {_MOST_RESULTS} results")
    roots = tuple(dict.fromkeys((directory.as_posix(), directory.resolve().as_posix())))
    findings = tuple(finding for run in runs for finding in _read_findings(run, roots))
    gaps = dict.fromkeys(gap for run in runs for gap in _find_gaps(run))
    tools = tuple(dict.fromkeys(_tool(run) for run in runs))
    return SarifLog(findings, len(runs), tools, "; ".join(gaps) or None)


def _parse(data: bytes) -> Field:
    try:
        return Field(parse_json(data, byte_order_mark=True), _unreadable)
    except DocumentError as error:
        raise _unreadable("", error.message) from error


def _unreadable(place: str, what: str, _hint: str = "") -> GateError:
    hint = "check the report of the tool: it must be SARIF 2.1.0"
    return GateError(f"unreadable SARIF: {place or 'log'}: {printable(what)}", hint)


def _tool(run: Field) -> str:
    return printable(run.get("tool").get("driver").get("name").text())


def _find_gaps(run: Field) -> Iterator[str]:
    """Return why the check of a run is incomplete."""
    name = _tool(run)
    if run.get("results").value is None:  # 2
        yield f"run without results: {name}"
    if run.get("externalPropertyFileReferences").get("results").value:  # 2
        yield f"results in other files: {name}"
    if any(_kind(result) in ("open", "review") for result in run.get("results").objects()):  # 3
        yield f"results that need a manual review: {name}"
    for invocation in run.get("invocations").objects():  # 2
        if not invocation.get("executionSuccessful").flag():
            yield f"unsuccessful run: {name}"
        for notes in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            for note in invocation.get(notes).objects():
                if note.get("level").one_of(*_LEVELS, default="warning") == "error":
                    yield f"error in {name}: {_text(note.get('message'), _NOTHING)}"


def _read_findings(run: Field, roots: tuple[str, ...]) -> Iterator[Finding]:
    rules = _ToolRules(run.get("tool"))
    for result in run.get("results").objects():
        state = result.get("baselineState").one_of(*_BASELINE_STATES, default="new")
        if _kind(result) in ("fail", "open", "review") and state != "absent":
            yield _read_finding(result, run, rules, roots)


def _kind(result: Field) -> str:
    return result.get("kind").one_of(*_KINDS, default="fail")


def _read_finding(result: Field, run: Field, rules: _ToolRules, roots: tuple[str, ...]) -> Finding:
    rule = rules.find(result)
    identity = printable(_rule_name(result) or rule.get("id").optional_text() or _tool(run))
    message = _text(result.get("message"), rule) or identity
    location = read_location(result, run, roots)
    return Finding(
        id=identity,
        message=f"{message} (outside the project)" if location.outside else message,  # 5
        severity=_severity(result, rule),
        path=location.path,
        line=location.line,
        column=location.column,
        silenced=_silencing(result),
    )


_NOTHING = Field({}, _unreadable).get("rule")


class _ToolRules:
    """The rules of the driver and the extensions of a run's tool (3.18, 3.52)."""

    def __init__(self, tool: Field) -> None:
        driver, extensions = tool.get("driver"), list(tool.get("extensions").objects())
        self._components = [list(one.get("rules").objects()) for one in (driver, *extensions)]
        self._named = {
            rule.get("id").text(): rule for rules in self._components[::-1] for rule in rules
        }

    def find(self, result: Field) -> Field:
        """Return the rule of a result: by an index that fits its name (3.27.6), else by name."""
        name, reference = _rule_name(result), result.get("rule")
        extension = reference.get("toolComponent").get("index").optional_number(-1)
        component = 0 if extension is None else extension + 1
        rules = self._components[component] if component < len(self._components) else []
        indices = (
            result.get("ruleIndex").optional_number(-1),
            reference.get("index").optional_number(-1),
        )
        index = next((one for one in indices if one is not None), -1)
        if 0 <= index < len(rules):
            identity = rules[index].get("id").text()
            if name is None or f"{name}/".startswith(f"{identity}/"):
                return rules[index]
        return self._named.get(name or "", _NOTHING)


def _rule_name(result: Field) -> str | None:
    return result.get("ruleId").optional_text() or result.get("rule").get("id").optional_text()


def _severity(result: Field, rule: Field) -> Severity | None:
    """Return the severity from the score of a result or its rule, else its level (3.27.10)."""
    for properties in (result.get("properties"), rule.get("properties")):
        score = properties.get("security-severity")
        if score.value is not None:
            return _band(score)
    usual = rule.get("defaultConfiguration").get("level").one_of(*_LEVELS, default="warning")
    return _LEVELS[result.get("level").one_of(*_LEVELS, default=usual)]


def _band(score: Field) -> Severity:
    """Return the severity of a CVSS score, by the bands of its specification."""
    value = score.value
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 10:
        raise score.wrong("not a score from 0 to 10")
    return next((severity for least, severity in _BANDS if number >= least), Severity.LOW)


def _silencing(result: Field) -> Silencing | None:
    """Return the accepted suppression of a result; None if one is not accepted."""  # 4
    kinds = []
    for one in result.get("suppressions").objects():
        kinds.append(one.get("kind").one_of("inSource", "external", default="external"))
        status = one.get("status").one_of("accepted", "underReview", "rejected", default="accepted")
        if status != "accepted":
            return None
    if not kinds:
        return None
    return Silencing.COMMENT if "inSource" in kinds else Silencing.BASELINE


def _text(message: Field, rule: Field) -> str:
    """Return the text of a message with its arguments inserted (3.11.5, 3.11.7)."""
    text = message.get("text").optional_text() or message.get("markdown").optional_text()
    name = message.get("id").optional_text()
    if text is None and name is not None:
        text = rule.get("messageStrings").get(name).get("text").optional_text()
    arguments = message.get("arguments").value
    for number, argument in enumerate(arguments if isinstance(arguments, list) else ()):
        text = (text or "").replace(f"{{{number}}}", str(argument))
    return printable(" ".join((text or "").split()), 500)
