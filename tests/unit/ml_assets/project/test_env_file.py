"""The `.env` file of a checkout: no variable that changes how this program works."""

from pathlib import Path

import pytest

from ml_assets.project.env_file import check_env_file
from resources.errors import ConfigurationError

PROTECTED = [
    *("ML_ASSETS_PROJECT", "ML_ASSETS_WATCH", "ML_ASSETS_TMPDIR", "ML_ASSETS_PROTECTED_BRANCH"),
    *("GIT_DIR", "GIT_CONFIG_COUNT", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "git_dir"),
    *("DAGSTER_HOME", "DAGSTER_GRPC_SOCKET", "DAGSTER_PROJECT_ENV_FILE_PATHS", "DAGIT_PORT"),
    *("PYTHONPATH", "PYTHONSTARTUP", "LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES"),
    *("PATH", "HOME", "SHELL", "BASH_ENV", "ENV", "TMPDIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"),
    *("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "SSH_AUTH_SOCK", "GNUPGHOME", "SSLKEYLOGFILE"),
    *("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "SSL_CERT_FILE", "OPENSSL_CONF"),
    *(
        "AWS_CONFIG_FILE",
        "AWS_ENDPOINT_URL_S3",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "SIGSTORE_ID_TOKEN",
    ),
]
#: Ways to write one variable, which Dagster's parser accepts.
SPELLINGS = ["{}=x", "export {}=x", "  {} = 'x'", "'{}'=x", "{}=", "{}=${{OTHER}}", "A=1\r\n{}=x"]


@pytest.mark.parametrize("name", PROTECTED)
def test_protected_variable_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / ".env").write_text(f"# settings\nDEPTH=3\n\n{name}=x\n")
    with pytest.raises(ConfigurationError, match=rf"\.env, line 4: .* {name}$") as caught:
        check_env_file(tmp_path)
    assert f"export {name}=" in caught.value.hint


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling_does_not_hide_a_variable(tmp_path: Path, spelling: str) -> None:
    (tmp_path / ".env").write_bytes(spelling.format("GIT_DIR").encode())
    with pytest.raises(ConfigurationError, match="GIT_DIR"):
        check_env_file(tmp_path)


def test_value_over_several_lines_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('TEXT="a\nb"\nGIT_DIR=x\n')
    with pytest.raises(ConfigurationError, match="line 3"):
        check_env_file(tmp_path)


def test_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("GIT_DIR=x\n")
    (tmp_path / ".env").symlink_to("other")
    with pytest.raises(ConfigurationError, match="GIT_DIR"):
        check_env_file(tmp_path)


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ConfigurationError, match="cannot read"):
        check_env_file(tmp_path)


def test_other_variables_are_allowed(tmp_path: Path) -> None:
    check_env_file(tmp_path)
    text = "MLFLOW_TRACKING_URI=a\nAWS_ACCESS_KEY_ID=b\nDATABASE_URL='c'\nGITHUB_TOKEN=d\nDEPTH=3\n"
    (tmp_path / ".env").write_text(text + "# GIT_DIR=x\nTEXT='\nGIT_DIR=x'\n")
    check_env_file(tmp_path)


def test_directory_of_that_name_is_ignored_as_dagster_does(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    check_env_file(tmp_path)
