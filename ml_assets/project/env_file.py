"""The ``.env`` file of the current directory, which Dagster loads into its own environment.

Dagster's commands take all variables of the file before they load the definitions. A checkout's
file must not replace the settings of this program, of Git, Python, Dagster, DVC and the system.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from resources.errors import ConfigurationError

#: Names that choose programs, code, keys, files or hosts, matched without regard to case.
_PROTECTED = (
    *("ML_ASSETS_*", "GIT_*", "DAGSTER_*", "DAGIT_*", "DVC_*", "SIGSTORE_*", "TUF_*", "ACTIONS_*"),
    *("PYTHON*", "VIRTUAL_ENV", "CONDA_*", "PIP_*", "UV_*", "LD_*", "DYLD_*", "GLIBC_*", "GCONV_*"),
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "ENV", "BASH_*", "ZDOTDIR", "IFS", "XDG_*"),
    *("TMP", "TEMP", "TMPDIR", "EDITOR", "VISUAL", "PAGER", "LESS*", "TERMINFO*"),
    *("SSH_*", "SSHPASS", "GNUPGHOME", "GPG_*", "PKCS11_*", "SOFTHSM2_CONF", "OPENSSL_*", "SSL*"),
    *("*_PROXY", "REQUESTS_CA_BUNDLE", "CURL_*", "NETRC", "HOSTALIASES", "RES_OPTIONS", "KRB5*"),
    *("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL*", "AWS_CA_BUNDLE"),
    *("BOTO_CONFIG", "GRPC_*", "DOCKER_*", "CONTAINER_HOST", "NODE_OPTIONS", "PERL5*", "RUBY*"),
)


def check_env_file(directory: Path) -> None:
    """Refuse a ``.env`` file with variables that only the user may set.

    Raises:
        ConfigurationError: it sets such a variable, or cannot be read.
    """
    path = directory / ".env"
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):  # Dagster ignores it
        return
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"not a regular file: {path}", f"delete it: rm {path}")
    try:
        with open(path, encoding="utf-8") as stream:
            bindings = [(one.key, _line(one)) for one in parse_stream(stream)]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}", f"see: ls -l {path}") from error
    for name, line in bindings:
        if name is not None and _is_protected(name):
            raise ConfigurationError(
                f"{path}, line {line}: .env must not set {name}",
                f"delete the line; where you need the variable, type: export {name}=…",
            )


def _line(binding: Binding) -> int:
    """Return the line of a variable: Dagster's parser counts from the empty lines before it."""
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _is_protected(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name.upper(), pattern) for pattern in _PROTECTED)
