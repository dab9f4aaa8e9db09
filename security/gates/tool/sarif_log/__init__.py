"""SARIF logs: what a tool reports in the Static Analysis Results Interchange Format, read strictly.

The format is OASIS SARIF 2.1.0; section numbers are those of its text. What a log leaves open is
never read as clean:

1. another version, a key twice, no runs, too many results: unreadable (``GateError``);
2. a run without results (3.14.23), with results in other files (3.14.2), that did not succeed
   (3.20.14) or that notes an error (3.20.21): not judged, whatever results there are;
3. results that a person has to decide on (``open`` and ``review``, 3.27.9): not judged either;
4. suppressed results (3.27.23) are findings that somebody has silenced;
5. a location outside of the directory is not believed; the finding stays, without a path.
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
    """What a log says.

    Attributes:
        findings: of all runs, in their order, suppressed ones too.
        runs: how many there are; at least one.
        tools: their names, each once, in order.
        unjudged: why it does not tell all that there is to tell; None when it does.
    """

    findings: tuple[Finding, ...]
    runs: int
    tools: tuple[str, ...]
    unjudged: str | None


def parse_sarif(data: bytes, directory: Path) -> SarifLog:
    """Read a log.

    Args:
        directory: where the tool worked, absolute; paths in the findings are relative to it.

    Raises:
        GateError: it is not a readable log of SARIF 2.1.0.
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
    doubts = dict.fromkeys(doubt for run in runs for doubt in _doubts(run))
    tools = tuple(dict.fromkeys(_tool(run) for run in runs))
    return SarifLog(findings, len(runs), tools, "; ".join(doubts) or None)


def _parse(data: bytes) -> Field:
    try:
        return Field(parse_json(data, byte_order_mark=True), _unreadable)
    except DocumentError as error:
        raise _unreadable("", error.message) from error


def _unreadable(place: str, what: str, _hint: str = "") -> GateError:
    hint = "look at the file that the tool has written: it has to be SARIF 2.1.0"
    return GateError(f"unreadable SARIF: {place or 'log'}: {printable(what)}", hint)


def _tool(run: Field) -> str:
    return printable(run.get("tool").get("driver").get("name").text())


def _doubts(run: Field) -> Iterator[str]:
    """Say what of a run leaves open whether all was judged."""
    name = _tool(run)
    if run.get("results").value is None:  # 2
        yield f"{name} did not come to results"
    if run.get("externalPropertyFileReferences").get("results").value:  # 2
        yield f"{name} has put results into other files"
    if any(_kind(result) in ("open", "review") for result in run.get("results").objects()):  # 3
        yield f"{name} leaves results for a person to decide"
    for invocation in run.get("invocations").objects():  # 2
        if not invocation.get("executionSuccessful").flag():
            yield f"{name} did not succeed, it says"
        for notes in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            for note in invocation.get(notes).objects():
                if note.get("level").one_of(*_LEVELS, default="warning") == "error":
                    yield f"{name} notes an error: {_text(note.get('message'), _NOTHING)}"


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
        message=f"{message} (outside of the project)" if location.outside else message,  # 5
        severity=_severity(result, rule),
        path=location.path,
        line=location.line,
        column=location.column,
        silenced=_silencing(result),
    )


_NOTHING = Field({}, _unreadable).get("rule")


class _ToolRules:
    """The rules of a run's tool: those of its driver, and those of its extensions (3.18, 3.52)."""

    def __init__(self, tool: Field) -> None:
        driver, extensions = tool.get("driver"), list(tool.get("extensions").objects())
        self._components = [list(one.get("rules").objects()) for one in (driver, *extensions)]
        self._named = {
            rule.get("id").text(): rule for rules in self._components[::-1] for rule in rules
        }

    def find(self, result: Field) -> Field:
        """Return a result's rule: by index where that fits its name (3.27.6), else by name."""
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
    """Return the score that a result or its rule has, else what its level comes to (3.27.10)."""
    for properties in (result.get("properties"), rule.get("properties")):
        score = properties.get("security-severity")
        if score.value is not None:
            return _band(score)
    usual = rule.get("defaultConfiguration").get("level").one_of(*_LEVELS, default="warning")
    return _LEVELS[result.get("level").one_of(*_LEVELS, default=usual)]


def _band(score: Field) -> Severity:
    """Return what a CVSS score comes to, by the bands of its specification."""
    value = score.value
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 10:
        raise score.wrong("not a score from 0 to 10")
    return next((severity for least, severity in _BANDS if number >= least), Severity.LOW)


def _silencing(result: Field) -> Silencing | None:
    """Say what suppresses a result: accepted, and nobody still reviews or rejects it."""  # 4
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
    """Return a message in words, with its arguments put in (3.11.5, 3.11.7)."""
    text = message.get("text").optional_text() or message.get("markdown").optional_text()
    name = message.get("id").optional_text()
    if text is None and name is not None:
        text = rule.get("messageStrings").get(name).get("text").optional_text()
    arguments = message.get("arguments").value
    for number, argument in enumerate(arguments if isinstance(arguments, list) else ()):
        text = (text or "").replace(f"{{{number}}}", str(argument))
    return printable(" ".join((text or "").split()), 500)
