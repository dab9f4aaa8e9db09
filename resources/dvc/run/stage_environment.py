"""The environment of a stage: what it may see of ours.

On the command line a stage gets the user's environment less what looks like a credential; in a
server, where the environment is not the user's, it gets an allow-list. Settings can pass a name.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Names that look like a credential, matched without regard to case (docs/explanation/stages.md).
CREDENTIALS = (
    "*TOKEN*",
    "*SECRET*",
    "*PASSWORD*",
    "*PASSWD*",
    "*PASSPHRASE*",
    "*CREDENTIAL*",
    "*PRIVATE_KEY*",
    "*API_KEY*",
    "*APIKEY*",
    "*ACCESS_KEY*",
    "*_AUTH",
    "*_AUTHKEY",
    "*_PAT",
    "*_PIN",
    "*_DSN",
    "*CONNECTION_STRING*",
    "*WEBHOOK*",
    "*_SAS",
    "AWS_SESSION*",
    "DATABASE_URL",
    "DAGSTER_PG_*",
    "PGPASS*",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GPG_AGENT_INFO",
    "DOCKER_AUTH_CONFIG",
    "NETRC",
    "ACTIONS_ID_TOKEN_*",
    "ACTIONS_RUNTIME_*",
)

#: Switches of libraries, whose names only look like a credential. Documented there as well.
SWITCHES = ("TOKENIZERS_PARALLELISM",)

#: What a stage gets in a server, next to what settings pass.
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
    """What a stage gets.

    Attributes:
        variables: its variables.
        withheld: names of those of ours that it does not get because they look like a credential.
    """

    variables: Mapping[str, str]
    withheld: tuple[str, ...]


def build_environment(
    ours: Mapping[str, str], *, server: bool = False, allowed: Iterable[str] = ()
) -> StageEnvironment:
    """Choose what a stage may see.

    Args:
        ours: this process's variables.
        server: choose by allow-list instead of by what looks like a credential.
        allowed: patterns of names that settings pass in any case.
    """
    passes = tuple(allowed)

    def visible(name: str) -> bool:
        if _matches(name, passes):
            return True
        if _looks_secret(name):
            return False
        return not server or _matches(name, SERVER)

    kept = {name: value for name, value in ours.items() if visible(name)}
    secret = (name for name in ours if name not in kept and _looks_secret(name))
    return StageEnvironment(kept, tuple(sorted(secret)))


def _looks_secret(name: str) -> bool:
    return _matches(name, CREDENTIALS) and not _matches(name, SWITCHES)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name.upper(), pattern.upper()) for pattern in patterns)


def stage_variables(environment: StageEnvironment, root: str, stage: str) -> dict[str, str]:
    """Return the variables of one stage's processes, with those that DVC adds.

    Args:
        root: the DVC root, absolute.
        stage: the stage's name.
    """
    variables = dict(environment.variables)
    variables.setdefault("DVC_ROOT", root)
    variables["DVC_STAGE"] = stage
    variables.setdefault("PYTHONUNBUFFERED", "1")
    return variables


def find_shell(variables: Mapping[str, str]) -> list[str]:
    """Return the shell that DVC would run a command with, with the options it gives it."""
    shell = variables.get("SHELL") or "/bin/sh"
    options = {"zsh": ["--no-rcs"], "bash": ["--noprofile", "--norc"], "fish": ["--no-config"]}
    return [shell, *options.get(os.path.basename(shell).lower(), []), "-c"]
