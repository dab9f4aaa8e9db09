"""Policies that are right and policies that are wrong, for the parser and for the JSON schema."""

WAIVER = """
[[waivers]]
gate = "dependencies"
finding = "CVE-2024-34064"
reason = "the filter is not used"
owner = "ml-platform@example.com"
expires = 2026-12-31
"""

GOOD = {
    "least": "version = 1",
    "whole float": "version = 1.0",
    "waiver": f"version = 1\n{WAIVER}",
    "two waivers": f"version = 1\n{WAIVER}\n{WAIVER}",
    "expiry as text": "version = 1\n" + WAIVER.replace("2026-12-31", '"2026-12-31"'),
    "narrow waiver": f'version = 1\n{WAIVER}path = "src/**/*.py"\npackage = "Jinja2==3.1.3+a"\n',
    "test with wildcards in its name": "version = 1\n"
    + WAIVER.replace("CVE-2024-34064", "tests/test_a.py::test_b[a*b?]"),
    "no waivers": "version = 1\nwaivers = []",
    "empty environment": "version = 1\n[environments.a]",
    "extends": 'version = 1\n[environments.a]\n[environments.b]\nextends = "a"\nbranch = "x/y"',
    "all keys of a rule": """
version = 1
[environments.a]
errors-block = true
default = { level = "off" }
[environments.a.gates.dependencies]
level = "if-present"
severity = "critical"
confidence = "medium"
missing-severity = "warn"
silenced = "accept"
max-age-days = 30
stale = "warn"
online = "https://service.example/v1"
min-coverage = 82.5
""",
    "loopback service": 'version = 1\n[environments.a.default]\nonline = "http://[::1]:80/v1"',
}


def _rule(text: str) -> str:
    return f"version = 1\n[environments.a.gates.lint]\n{text}"


def _waiver(old: str, new: str) -> str:
    changed = WAIVER.replace(old, new)
    assert changed != WAIVER
    return f"version = 1\n{changed}"


# The text, and what the parser says of it.
BAD = {
    "no version": ("", "version: missing"),
    "other version": ("version = 2", "version: not 1"),
    "version is a text": ('version = "1"', "version: not a whole number"),
    "version is a truth": ("version = true", "version: not a whole number"),
    "unknown key": ("version = 1\nwaiver = []", "waiver: unknown key"),
    "no environments": ("version = 1\nenvironments = {}", "environments: not 1 to 100"),
    "environments are a text": ('version = 1\nenvironments = "a"', "environments: not a table"),
    "environment is a text": ('version = 1\nenvironments.a = "b"', "environments.a: not a table"),
    "name with a blank": ('version = 1\n[environments."a b"]', "environments.a b: invalid name"),
    "misspelt key": ("version = 1\n[environments.a.gate.lint]", "environments.a.gate: unknown key"),
    "gate with a capital": ("version = 1\n[environments.a.gates.Lint]", "Lint: invalid name"),
    "empty branch": (
        'version = 1\n[environments.a]\nbranch = ""',
        "a.branch: not one line of text",
    ),
    "branch of two lines": (
        'version = 1\n[environments.a]\nbranch = "a\\nb"',
        "branch: not one line of text",
    ),
    "errors-block is a text": (
        'version = 1\n[environments.a]\nerrors-block = "yes"',
        "errors-block: not true or false: yes",
    ),
    "unknown level": (_rule('level = "optional"'), "lint.level: not one of required"),
    "level is a number": (_rule("level = 1"), "lint.level: not one of required"),
    "level is a list": (_rule("level = []"), "lint.level: not one of required"),
    "severity in capitals": (_rule('severity = "High"'), "lint.severity: not one of low"),
    "critical confidence": (_rule('confidence = "critical"'), "lint.confidence: not one of low"),
    "unknown key of a rule": (_rule("max_age_days = 3"), "max_age_days: unknown key"),
    "age of no days": (_rule("max-age-days = 0"), "not a whole number from 1 to 36500: 0"),
    "age of too many days": (
        _rule("max-age-days = 36501"),
        "not a whole number from 1 to 36500: 36501",
    ),
    "age without an end": (_rule("max-age-days = inf"), "not a whole number from 1 to 36500: inf"),
    "half a day": (_rule("max-age-days = 1.5"), "not a whole number from 1 to 36500: 1.5"),
    "more than all covered": (_rule("min-coverage = 100.5"), "not a number from 0 to 100: 100.5"),
    "service that others hear": (_rule('online = "http://service.example"'), "invalid address"),
    "service with a password": (
        _rule('online = "https://me:word@service.example"'),
        "invalid address",
    ),
    "service looks like loopback": (
        _rule('online = "http://localhost.example/"'),
        "invalid address",
    ),
    "waivers are a table": ("version = 1\n[waivers]", "waivers: not an array of tables"),
    "waiver is a text": ('version = 1\nwaivers = ["a"]', "waivers: not an array of tables"),
    "waiver without expiry": (_waiver("expires = 2026-12-31", ""), "[0].expires: missing"),
    "waiver without owner": (_waiver("owner", "#"), "waivers[0].owner: missing"),
    "waiver without reason": (_waiver("reason", "#"), "waivers[0].reason: missing"),
    "blank reason": (
        _waiver("the filter is not used", " "),
        "waivers[0].reason: not one line of text",
    ),
    "expiry never": (_waiver("2026-12-31", '"never"'), "waivers[0].expires: not a day"),
    "day that does not exist": (_waiver("2026-12-31", '"2026-02-30"'), "[0].expires: not a day"),
    "expiry with an hour": (_waiver("2026-12-31", "2026-12-31T12:00:00"), "expires: not a day"),
    "expiry is a number": (_waiver("2026-12-31", "20261231"), "waivers[0].expires: not a day"),
    "any gate": (_waiver('"dependencies"', '"*"'), "waivers[0].gate: wildcard not allowed"),
    "any finding": (_waiver("CVE-2024-34064", "CVE-*"), "[0].finding: wildcard not allowed"),
    "unknown key of a waiver": (_waiver("reason", 'until = "a"\nreason'), "until: unknown key"),
    "path from the root": (_waiver("owner", 'path = "/etc"\nowner'), "path: outside"),
    "path out of it": (_waiver("owner", 'path = "a/../../b"\nowner'), "path: outside"),
    "path with backslashes": (_waiver("owner", "path = 'a\\b'\nowner"), "path: outside"),
    "range of versions": (_waiver("owner", 'package = "a>=1"\nowner'), "package: invalid package"),
    "any version": (_waiver("owner", 'package = "a==*"\nowner'), "package: invalid package"),
}
