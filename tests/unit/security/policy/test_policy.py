"""Policies: what they say is what applies, and what they cannot mean is refused."""

import datetime
import json
import time
import tomllib
from typing import Any

import jsonschema
import pytest

from security.finding import Confidence, Finding, Severity
from security.policy.policy import (
    Comments,
    Level,
    Missing,
    Policy,
    PolicyError,
    Stale,
    builtin_policy,
    builtin_policy_text,
    parse_policy,
    policy_schema,
)
from security.policy.rule import Rule
from tests.unit.security.policy.policy_samples import BAD, GOOD

WHERE = ".ml-assets/policy.toml"


def parse(text: str) -> Policy:
    """Parse a policy of a project."""
    return parse_policy(text.encode(), WHERE)


def as_json(value: Any) -> Any:
    """Return TOML's values as editors hand them to a JSON schema: days are texts."""
    if isinstance(value, dict):
        return {key: as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def is_valid_by_schema(text: str) -> bool:
    """Say whether the published schema takes a policy."""
    schema = json.loads(policy_schema())
    validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())
    return validator.is_valid(as_json(tomllib.loads(text)))


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_parser_and_schema_take_what_is_right(text: str) -> None:
    parse(text)
    assert is_valid_by_schema(text)


@pytest.mark.parametrize(("text", "what"), BAD.values(), ids=BAD)
def test_parser_and_schema_refuse_what_is_wrong(text: str, what: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(text)
    assert caught.value.message.startswith(f"{WHERE}: ") and what in caught.value.message
    assert caught.value.hint and caught.value.exit_code == 2 and caught.value.kind == "policy"
    assert not is_valid_by_schema(text)


def test_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(policy_schema()))


def test_schema_describes_every_key_of_a_rule_and_no_other() -> None:
    named = set(json.loads(policy_schema())["definitions"]["rule"]["properties"])
    fields = {name.replace("_", "-") for name in Rule.__dataclass_fields__}
    assert named == fields - {"errors-block"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('extends = "c"', "unknown environment: c"),
        ('extends = "b"', "cycle: b → b$"),
        ('extends = "a"\n[environments.a]\nextends = "b"', "cycle: "),
        ('branch = "x"\n[environments.a]\nbranch = "x"', "branch: also in b: x"),
    ],
)
def test_environments_that_cannot_be_are_refused(text: str, what: str) -> None:
    with pytest.raises(PolicyError, match=what):
        parse(f"version = 1\n[environments.b]\n{text}")


@pytest.mark.parametrize(
    "text",
    [
        b"\xff",
        b"version = ",
        b"version = 1\nversion = 1",
        b"version = 0x" + b"f" * 200_000,
        b"version = " + b"9" * 200_000,
        b"a = " + b"[" * 100_000,
        b"a = " + b"[\n" * 100_000,
        b"a = " + b"{a = " * 900,
        b"a" + b".a" * 100_000 + b" = 1",
        b"\n".join(b"a" + b".a" * 150 + b".b%d = 1" % index for index in range(700)),
        b"version = 1\n" + b" " * (1 << 18),
        b"version = 1\n"
        + b"\n".join(b'environments.a%d.extends = "a%d"' % (i, i + 1) for i in range(4000)),
    ],
    ids=lambda text: repr(text[:14]),
)
def test_text_made_to_break_or_to_busy_the_parser_is_refused_soon(text: bytes) -> None:
    started = time.monotonic()
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, WHERE)
    assert time.monotonic() - started < 5
    assert WHERE in caught.value.message and len(caught.value.message) < 500
    assert caught.value.message.isprintable()


def test_more_environments_than_anybody_has_are_refused() -> None:
    lines = [f"environments.a{index} = {{}}" for index in range(101)]
    assert len(parse("\n".join(["version = 1", *lines[:100]])).environments) == 100
    with pytest.raises(PolicyError, match="environments: not 1 to 100 environments: 101"):
        parse("\n".join(["version = 1", *lines]))
    assert not is_valid_by_schema("\n".join(["version = 1", *lines]))


def test_names_in_messages_cannot_break_the_line() -> None:
    with pytest.raises(PolicyError) as caught:
        parse('version = 1\n"\\u001b[31m\\nkey" = 1')
    assert caught.value.message.isprintable()


def test_policy_is_known_by_the_digest_of_its_text() -> None:
    assert parse("version = 1").sha256 != parse("version = 1 ").sha256
    assert len(parse("version = 1").sha256) == 64


def test_policy_with_waivers_only_has_the_built_in_environments() -> None:
    policy = parse(GOOD["waiver"])
    assert policy.environments == builtin_policy().environments
    assert [waiver.finding for waiver in policy.waivers] == ["CVE-2024-34064"]


def test_rule_given_again_changes_only_what_it_says() -> None:
    policy = parse("""
        version = 1
        [environments.a]
        branch = "one"
        errors-block = true
        default = { severity = "high", silenced = "accept" }
        gates.lint = { level = "advisory", confidence = "high" }
        [environments.b]
        extends = "a"
        default = { severity = "medium" }
        gates.lint = { level = "required" }
        """)
    child = policy.environment("b")
    assert child.branch is None and child.errors_block
    assert child.rule("lint").level is Level.REQUIRED
    assert child.rule("lint").confidence is Confidence.HIGH
    assert child.rule("lint").severity is child.rule("else").severity is Severity.MEDIUM
    assert child.rule("lint").silenced is child.rule("else").silenced is Comments.ACCEPT
    assert policy.environment("a").rule("lint").severity is Severity.HIGH
    assert child.rule("lint").errors_block and child.rule("else").errors_block


def test_rule_that_says_nothing_is_the_strictest() -> None:
    rule = parse("version = 1\n[environments.a]").environment("a").rule("anything")
    assert rule == Rule()
    assert rule.level is Level.REQUIRED and rule.missing_severity is Missing.FAIL
    assert rule.fails(Finding("a", "b")) and rule.fails(Finding("a", "b", Severity.LOW))


def test_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(PolicyError, match="unknown environment: prod") as caught:
        builtin_policy().environment("prod")
    assert caught.value.hint.endswith("materialize, production, staging")


def test_branches_lead_to_environments() -> None:
    policy = builtin_policy()
    assert policy.environment_of("develop") == "staging"
    assert policy.environment_of("main") == "production"
    assert policy.environment_of("feature/main") is policy.environment_of("") is None


def test_gates_that_nobody_knows_are_named() -> None:
    policy = parse(GOOD["waiver"] + "[environments.a.gates.dependancies]\n")
    assert policy.unknown_gates(["dependencies"]) == ("dependancies",)
    assert policy.unknown_gates([]) == ("dependancies", "dependencies")


def found(severity: Severity | None, confidence: Confidence | None = None) -> Finding:
    """Return a finding."""
    return Finding("B602", "shell", severity, confidence)


def test_built_in_policy_to_materialize() -> None:
    environment = builtin_policy().environment("materialize")
    security = environment.rule("code-security")
    assert security.fails(found(Severity.HIGH, Confidence.HIGH))
    assert security.fails(found(Severity.CRITICAL, Confidence.HIGH))
    assert not security.fails(found(Severity.HIGH, Confidence.MEDIUM))
    assert not security.fails(found(Severity.MEDIUM, Confidence.HIGH))
    assert environment.rule("data").fails(found(Severity.CRITICAL))
    assert not environment.rule("data").fails(found(Severity.HIGH))
    assert not environment.rule("data").fails(found(None))
    assert environment.rule("model-file").fails(found(Severity.MEDIUM))
    assert not environment.rule("model-file").fails(found(None))  # an unknown format
    assert not environment.rule("model-file").fails(found(Severity.LOW))
    wanted = {"code-security", "data", "model-file"}
    assert {
        name for name, rule in environment.rules.items() if rule.fails(found(Severity.CRITICAL))
    } == wanted
    assert environment.default.level is Level.ADVISORY


def test_built_in_policy_for_staging() -> None:
    environment = builtin_policy().environment("staging")
    dependencies = environment.rule("dependencies")
    assert dependencies.fails(found(None)) and dependencies.fails(found(Severity.HIGH))
    assert not dependencies.fails(found(Severity.MEDIUM))
    assert (dependencies.max_age_days, dependencies.stale) == (30, Stale.WARN)
    needed = {name for name, rule in environment.rules.items() if rule.level is not Level.ADVISORY}
    assert needed == {
        *("code-security", "data", "model-file", "dependencies", "secrets"),
        *("unit-tests", "integration-tests", "model-validation"),
    }
    assert environment.default.level is Level.ADVISORY and not environment.errors_block


@pytest.mark.parametrize("name", ["staging", "production"])
def test_unknown_format_of_a_declared_model_fails_beyond_training(name: str) -> None:
    assert builtin_policy().environment(name).rule("model-file").fails(found(None))


def test_built_in_policy_for_production_leaves_no_gate_out() -> None:
    environment = builtin_policy().environment("production")
    assert environment.errors_block and environment.default.level is Level.REQUIRED
    assert all(
        rule.level in (Level.REQUIRED, Level.IF_PRESENT) and rule.errors_block
        for rule in environment.rules.values()
    )
    assert environment.rule("dependencies").stale is Stale.ERROR
    assert environment.rule("dependencies").max_age_days == 30
    assert environment.rule("a-gate-of-the-project").fails(found(Severity.LOW))


def test_built_in_policy_is_valid_by_its_schema_and_waives_nothing() -> None:
    text = builtin_policy_text().decode()
    assert is_valid_by_schema(text)
    assert parse(text) == builtin_policy() and builtin_policy().waivers == ()


def test_waiver_shown_in_the_built_in_policy_is_one() -> None:
    text = builtin_policy_text().decode()
    example = text[text.index("# [[waivers]]") :].replace("\n# ", "\n")[2:]
    (waiver,) = parse(f"version = 1\n{example}").waivers
    assert waiver.expires == datetime.date(2026, 12, 31)
    assert is_valid_by_schema(f"version = 1\n{example}")
