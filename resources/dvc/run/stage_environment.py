"""The environment variables of a stage.

On the command line a stage gets the variables of the user, except names that look like a credential
or lead to a service with the user's rights, and values with a password or token. In a server, where
the variables are not the user's, it gets an allow-list. Settings can pass more names.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Names that look like a credential, matched without regard to case (docs/explanation/stages.md).
CREDENTIALS = (
    "*TOKEN*",
    "*SECRET*",
    "*PASSWORD*",
    "*PASSWD*",
    "*_PASS",
    "*_PWD",
    "*_PW",
    "SSHPASS",
    "*PASSPHRASE*",
    "*CREDENTIAL*",
    "*_CREDS",
    "*COOKIE*",
    "*BEARER*",
    "*PRIVATE_KEY*",
    "*API_KEY*",
    "*APIKEY*",
    "*ACCESS_KEY*",
    "*ACCESSKEY*",
    "*_KEY",
    "*_JWT*",
    "*_AUTH",
    "*_AUTHKEY",
    "*_PAT",
    "*_PIN",
    "*_DSN",
    "*CONNECTION_STRING*",
    "*WEBHOOK*",
    "*_SAS",
    "AWS_SESSION*",
    "IDENTITY_HEADER",
    "*CCNAME",
    "KUBECONFIG",
    "DATABASE_URL",
    "DAGSTER_PG_*",
    "PGPASS*",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GPG_AGENT_INFO",
    "GNOME_KEYRING_CONTROL",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "TMUX",
    "STY",
    "VSCODE_*_HOOK*",
    "VSCODE_GIT_*",
    "*_ASKPASS",
    "DOCKER_AUTH_CONFIG",
    "NETRC",
    "ACTIONS_ID_TOKEN_*",
    "ACTIONS_RUNTIME_*",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
)
#: Values with a password or token, under any name.
_SECRETS = re.compile(
    r"\w://[^/\s:@]*:[^/\s@]+@"  # the user information of RFC 3986 section 3.2.1
    r"|\w://\S*[?&;](?i:password|passwd|pwd|token|access_token|api_?key|secret|sig|x-amz-signature)"
    r"=[^&;\s]"
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|hf_|xox[abprs]-|AKIA)[A-Za-z0-9_-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)

_WILDCARDS = frozenset("*?[")

#: Switches of libraries with names that look like a credential. Documented there too.
SWITCHES = ("TOKENIZERS_PARALLELISM",)

#: Variables of a stage in a server, besides those that settings pass.
SERVER = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "TEMP",
    "TMP",
    "TERM",
    "PYTHON*",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "LD_LIBRARY_PATH",
    "DYLD_*",
    "CUDA_*",
    "NVIDIA_*",
    "OMP_*",
    "MKL_*",
    "OPENBLAS_*",
    "XDG_*",
    "CI",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SOURCE_DATE_EPOCH",
)


@dataclass(frozen=True)
class StageEnvironment:
    """The environment of stages.

    Attributes:
        variables: the variables that stages get.
        withheld: names of variables that look like a credential and are not passed.
        python: the interpreter that ``python`` means in these variables; None without one.
        notices: what to say about the interpreter.
    """

    variables: Mapping[str, str]
    withheld: tuple[str, ...]
    python: Path | None = None
    notices: tuple[str, ...] = ()


def build_environment(
    ours: Mapping[str, str],
    *,
    server: bool = False,
    allowed: Iterable[str] = (),
    credentials: Iterable[str] | None = None,
) -> StageEnvironment:
    """Select the variables for stages.

    Args:
        ours: the variables of this process.
        server: pass only the allow-list, instead of all names except credentials.
        allowed: patterns of names that settings always pass.
        credentials: patterns of credentials that settings pass; None takes ``allowed``.
    """
    passes = tuple(allowed)
    secret_passes = passes if credentials is None else tuple(credentials)

    def visible(name: str) -> bool:
        if looks_secret(name, ours[name]):
            return matches(name, secret_passes)
        return not server or matches(name, (*SERVER, *passes, *secret_passes))

    kept = {name: value for name, value in ours.items() if visible(name)}
    secret = (name for name in ours if name not in kept and looks_secret(name, ours[name]))
    return StageEnvironment(kept, tuple(sorted(secret)))


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable looks like a credential, by its name or value."""
    if _SECRETS.search(value):
        return True
    return matches(name, CREDENTIALS) and not matches(name, SWITCHES)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name matches one of the patterns, without regard to case."""
    upper = name.upper()
    return any(_fits(upper, pattern.upper()) for pattern in patterns)


def _fits(name: str, pattern: str) -> bool:
    """Whether a name fits a pattern; nearly all need no regular expression, which takes long."""
    text = pattern.strip("*")
    if not _WILDCARDS.isdisjoint(text):
        return fnmatch.fnmatchcase(name, pattern)
    if pattern.startswith("*"):
        return text in name if pattern.endswith("*") else name.endswith(text)
    return name.startswith(text) if pattern.endswith("*") else name == text


def stage_variables(environment: StageEnvironment, root: str, stage: str) -> dict[str, str]:
    """Return the variables for the processes of one stage, with those that DVC adds.

    Args:
        root: the DVC root, absolute.
        stage: the name of the stage.
    """
    variables = dict(environment.variables)
    variables.setdefault("DVC_ROOT", root)
    variables["DVC_STAGE"] = stage
    variables.setdefault("PYTHONUNBUFFERED", "1")
    return variables


def find_shell(variables: Mapping[str, str]) -> list[str]:
    """Return the shell and options with which DVC runs a command."""
    shell = variables.get("SHELL") or "/bin/sh"
    options = {"zsh": ["--no-rcs"], "bash": ["--noprofile", "--norc"], "fish": ["--no-config"]}
    return [shell, *options.get(os.path.basename(shell).lower(), []), "-c"]
