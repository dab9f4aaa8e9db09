"""The environment of a stage: what looks like a credential stays with us, all else arrives."""

import fnmatch
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.dvc.run.stage_environment import (
    CREDENTIALS,
    SERVER,
    SWITCHES,
    build_environment,
    find_shell,
    matches,
    stage_variables,
)

DOCUMENTATION = Path(__file__).parents[5] / "docs" / "explanation" / "stages.md"

#: Names as they occur, by the documented pattern that each is withheld for.
WITHHELD = {
    "*TOKEN*": [
        "GITHUB_TOKEN",
        "HF_TOKEN",
        "TOKEN",
        "MYTOKEN",
        "CI_JOB_TOKEN_FILE",
        "TOKEN_FOR_X",
        "TOKENID",
        "BRAINTREE_TOKENIZATION_KEY",
        "MY_TOKENIZERS_PARALLELISM",
    ],
    "*SECRET*": ["AWS_SECRET_ACCESS_KEY", "SECRET", "MY_SECRETS"],
    "*PASSWORD*": ["PGPASSWORD", "MLFLOW_TRACKING_PASSWORD", "SMTP_PASSWORD_FILE"],
    "*PASSWD*": ["MYSQL_PASSWD"],
    "*_PASS": ["SMTP_PASS"],
    "*_PWD": ["MYSQL_PWD"],
    "*_PW": ["BORG_PW"],
    "SSHPASS": ["SSHPASS"],
    "*PASSPHRASE*": ["GPG_PASSPHRASE"],
    "*CREDENTIAL*": ["GOOGLE_APPLICATION_CREDENTIALS"],
    "*_CREDS": ["GCP_CREDS"],
    "*COOKIE*": ["SESSION_COOKIE", "COOKIES_FILE"],
    "*BEARER*": ["BEARER", "API_BEARER"],
    "*PRIVATE_KEY*": ["COSIGN_PRIVATE_KEY_PATH"],
    "*API_KEY*": ["OPENAI_API_KEY", "API_KEYS"],
    "*APIKEY*": ["SOME_APIKEY"],
    "*ACCESS_KEY*": ["AWS_ACCESS_KEY_ID"],
    "*ACCESSKEY*": ["MINIO_ACCESSKEY"],
    "*_KEY": ["AZURE_STORAGE_KEY"],
    "*_JWT*": ["CI_JOB_JWT", "CI_JOB_JWT_V2"],
    "*_AUTH": ["NPM_AUTH"],
    "*_AUTHKEY": ["TS_AUTHKEY"],
    "*_PAT": ["GH_PAT"],
    "*_PIN": ["ML_ASSETS_PKCS11_PIN"],
    "*_DSN": ["SENTRY_DSN"],
    "*CONNECTION_STRING*": ["AZURE_STORAGE_CONNECTION_STRING"],
    "*WEBHOOK*": ["SLACK_WEBHOOK_URL"],
    "*_SAS": ["AZURE_SAS"],
    "AWS_SESSION*": ["AWS_SESSION_ID"],
    "IDENTITY_HEADER": ["IDENTITY_HEADER"],
    "*CCNAME": ["KRB5CCNAME"],
    "KUBECONFIG": ["KUBECONFIG"],
    "DATABASE_URL": ["DATABASE_URL"],
    "DAGSTER_PG_*": ["DAGSTER_PG_HOST"],
    "PGPASS*": ["PGPASSFILE"],
    "SSH_AUTH_SOCK": ["SSH_AUTH_SOCK"],
    "SSH_AGENT_PID": ["SSH_AGENT_PID"],
    "GPG_AGENT_INFO": ["GPG_AGENT_INFO"],
    "GNOME_KEYRING_CONTROL": ["GNOME_KEYRING_CONTROL"],
    "DBUS_SESSION_BUS_ADDRESS": ["DBUS_SESSION_BUS_ADDRESS"],
    "DOCKER_HOST": ["DOCKER_HOST"],
    "CONTAINER_HOST": ["CONTAINER_HOST"],
    "TMUX": ["TMUX"],
    "STY": ["STY"],
    "VSCODE_*_HOOK*": ["VSCODE_IPC_HOOK_CLI"],
    "VSCODE_GIT_*": ["VSCODE_GIT_IPC_HANDLE", "VSCODE_GIT_ASKPASS_NODE"],
    "*_ASKPASS": ["GIT_ASKPASS", "SSH_ASKPASS", "SUDO_ASKPASS"],
    "DOCKER_AUTH_CONFIG": ["DOCKER_AUTH_CONFIG"],
    "NETRC": ["NETRC"],
    "ACTIONS_ID_TOKEN_*": ["ACTIONS_ID_TOKEN_REQUEST_URL"],
    "ACTIONS_RUNTIME_*": ["ACTIONS_RUNTIME_URL"],
    "GITHUB_ENV": ["GITHUB_ENV"],
    "GITHUB_PATH": ["GITHUB_PATH"],
    "GITHUB_OUTPUT": ["GITHUB_OUTPUT"],
    "GITHUB_STATE": ["GITHUB_STATE"],
    "GITHUB_STEP_SUMMARY": ["GITHUB_STEP_SUMMARY"],
}
HANDED_ON = [
    "PATH",
    "PYTHONPATH",
    "PYTHONHASHSEED",
    "HOME",
    "USER",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "XDG_CACHE_HOME",
    "CI",
    "SSL_CERT_FILE",
    "SOURCE_DATE_EPOCH",
]
OTHERS = [
    "EDITOR",
    "DISPLAY",
    "MY_FLAG",
    "AUTHOR",
    "PATTERN",
    "MONKEY",
    "KEYBOARD",
    "KEY_COLUMN",
    "COMPASS",
    "PASSES",
    "BYPASS",
    "STYLE",
    "TMUX_PLUGINS",
    "OLDPWD",
    "MLFLOW_TRACKING_URI",
]
NAMES = [name for names in WITHHELD.values() for name in names]


def test_every_documented_pattern_has_an_example_here_and_a_line_in_the_code() -> None:
    text = DOCUMENTATION.read_text("utf-8")
    command_line, _, server = text.partition("**In the Dagster UI**")
    server = server.partition("Pass a credential")[0]

    documented = re.findall(r"`([A-Z_*]+)`", command_line.partition("**On the command")[2])
    assert sorted(documented) == sorted(CREDENTIALS) == sorted(WITHHELD)
    assert sorted(re.findall(r"`([A-Z_*]+)`", server)) == sorted(SERVER)
    assert ", ".join(f"`{name}`" for name in SWITCHES) + " matches a pattern but is passed" in text


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.title])
@pytest.mark.parametrize("name", NAMES)
def test_credential_is_withheld_in_any_case_and_named(name: str, spell: object) -> None:
    assert callable(spell)
    ours = {spell(name): "hunter2", "PATH": "/bin"}

    environment = build_environment(ours)

    assert dict(environment.variables) == {"PATH": "/bin"}
    assert environment.withheld == (spell(name),)


@pytest.mark.parametrize("name", NAMES)
def test_credential_is_withheld_in_a_server_too(name: str) -> None:
    environment = build_environment({name: "hunter2"}, server=True)

    assert dict(environment.variables) == {}
    assert environment.withheld == (name,)


@pytest.mark.parametrize(
    ("value", "is_withheld"),
    [
        ("https://me:hunter2@host/path", True),
        ("postgresql+psycopg2://me:hunter2@host/db", True),
        ("mirrors: https://host/a https://:hunter2@host/b", True),
        ("https://me@host/path", False),
        ("amqp://:hunter2@host", True),
        ("jdbc:postgresql://host/db?user=me&password=hunter2", True),
        ("jdbc:sqlserver://host;user=me;PASSWORD=hunter2", True),
        ("https://account.example/x?sv=1&sig=aGVsbG8%3D", True),
        ("https://bucket.example/x?X-Amz-Signature=00ff", True),
        ("https://ghp_0123456789abcdef0123456789abcdef0123@host/x.git", True),
        ("glpat-0123456789abcdef0123", True),
        ("Authorization: hf_0123456789abcdefABCD", True),
        ("AKIA0123456789ABCDEF", True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc", True),
        ("https://host/search?q=token&page=2", False),
        ("https://host/x?design=1&tokens=2", False),
        ("sqlite:////home/me/mlflow.db", False),
        ("hf_hub", False),
        ("-----BEGIN CERTIFICATE-----", False),
        ("https://host/path:with@signs", False),
        ("git@host:path", False),
        ("C://user:name", False),
    ],
)
def test_value_with_a_password_or_token_is_withheld(value: str, is_withheld: bool) -> None:
    environment = build_environment({"CI_REPOSITORY_URL": value})
    assert environment.withheld == (("CI_REPOSITORY_URL",) if is_withheld else ())
    allowed = build_environment({"CI_REPOSITORY_URL": value}, allowed=["CI_REPOSITORY_URL"])
    assert allowed.variables


@pytest.mark.parametrize("name", HANDED_ON)
@pytest.mark.parametrize("server", [False, True])
def test_what_programs_need_arrives(name: str, server: bool) -> None:
    environment = build_environment({name: "value"}, server=server)

    assert dict(environment.variables) == {name: "value"}
    assert environment.withheld == ()


@pytest.mark.parametrize("name", OTHERS)
def test_everything_else_arrives_from_a_user_and_not_from_a_server(name: str) -> None:
    ours = {name: "value"}

    assert dict(build_environment(ours).variables) == ours
    server = build_environment(ours, server=True)
    assert dict(server.variables) == {}
    assert server.withheld == ()


@pytest.mark.parametrize("server", [False, True])
@pytest.mark.parametrize("allowed", ["HF_TOKEN", "hf_token", "HF_*", "*"])
def test_what_the_settings_name_arrives_in_any_case(allowed: str, server: bool) -> None:
    ours = {"HF_TOKEN": "value"}

    environment = build_environment(ours, server=server, allowed=[allowed])

    assert dict(environment.variables) == ours
    assert environment.withheld == ()


def test_settings_pass_what_they_name_and_nothing_more() -> None:
    ours = {"HF_TOKEN": "1", "GITHUB_TOKEN": "2", "MY_FLAG": "3"}

    environment = build_environment(ours, server=True, allowed=["HF_TOKEN"])

    assert dict(environment.variables) == {"HF_TOKEN": "1"}
    assert environment.withheld == ("GITHUB_TOKEN",)


def test_withheld_names_are_sorted_and_no_value_is_among_them() -> None:
    ours = {"Z_TOKEN": "hunter2", "A_TOKEN": "hunter3", "PATH": "/bin"}

    assert build_environment(ours).withheld == ("A_TOKEN", "Z_TOKEN")


def test_switch_of_a_tokenizer_arrives() -> None:
    ours = {"TOKENIZERS_PARALLELISM": "false"}

    environment = build_environment(ours)

    assert dict(environment.variables) == ours
    assert environment.withheld == ()


def test_stage_gets_the_variables_that_dvc_adds() -> None:
    environment = build_environment({"PATH": "/bin"})

    variables = stage_variables(environment, "/project", "train")

    assert variables == {
        "PATH": "/bin",
        "DVC_ROOT": "/project",
        "DVC_STAGE": "train",
        "PYTHONUNBUFFERED": "1",
    }
    assert dict(environment.variables) == {"PATH": "/bin"}


def test_what_the_user_has_set_already_is_kept_as_dvc_keeps_it() -> None:
    ours = {"DVC_ROOT": "/other", "DVC_STAGE": "other", "PYTHONUNBUFFERED": ""}

    variables = stage_variables(build_environment(ours), "/project", "train")

    assert variables == {"DVC_ROOT": "/other", "DVC_STAGE": "train", "PYTHONUNBUFFERED": ""}


@pytest.mark.parametrize(
    "shell", ["/bin/sh", "/bin/bash", "/usr/bin/zsh", "/opt/BASH", "dash", "/bin/ksh", ""]
)
def test_shell_and_its_options_are_those_of_dvc(
    shell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.stage.run import _make_cmd

    monkeypatch.setenv("SHELL", shell)
    executable = os.getenv("SHELL") or "/bin/sh"

    assert [*find_shell({"SHELL": shell}), "x"] == _make_cmd(executable, "x")
    assert find_shell({}) == ["/bin/sh", "-c"]


@given(st.text("AB_*?[]!-.\n", max_size=8), st.text("abAB_*?[]!-.\n", max_size=8))
def test_patterns_mean_what_they_mean_in_a_shell(pattern: str, name: str) -> None:
    assert matches(name, [pattern]) == fnmatch.fnmatchcase(name.upper(), pattern)


@pytest.mark.parametrize("name", ["A_TOKEN\n", "XDG", "XDG_", "ci", "CI2", ""])
def test_known_patterns_mean_what_they_mean_in_a_shell(name: str) -> None:
    for pattern in (*CREDENTIALS, *SERVER, *SWITCHES):
        assert matches(name, [pattern]) == fnmatch.fnmatchcase(name.upper(), pattern)
