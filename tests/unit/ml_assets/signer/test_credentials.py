"""Which variables count as credentials for the network, and which of them a remote gets."""

import pytest

from ml_assets.signer.credentials import (
    find_credentials,
    select_git_variables,
    select_variables,
)

PLAIN = {"PATH": "/bin", "AWS_REGION": "eu", "LANG": "C"}
KEPT = {"SSH_AUTH_SOCK": "/s", "DAGSTER_PG_PASSWORD": "p", "HTTPS_PROXY": "http://joe:pw@proxy:1"}
SECRET = {
    "AWS_SECRET_ACCESS_KEY": "1",
    "aws_session_token": "2",
    "AZURE_STORAGE_CONNECTION_STRING": "3",
    "GOOGLE_APPLICATION_CREDENTIALS": "4",
    "OSS_ACCESS_KEY_SECRET": "5",
    "HF_TOKEN": "6",
    "DATABASE": "postgres://joe:password@db/x",
    "NETRC": "7",
    "KRB5CCNAME": "8",
    "GITHUB_TOKEN": "9",
    "GIT_ASKPASS": "/ask",
}


def test_only_credentials_that_nothing_else_needs_are_taken() -> None:
    assert find_credentials({**PLAIN, **KEPT, **SECRET}) == SECRET.keys()


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("s3://bucket/x", {"AWS_SECRET_ACCESS_KEY", "aws_session_token"}),
        ("S3://bucket/x", {"AWS_SECRET_ACCESS_KEY", "aws_session_token"}),
        ("azure://container", {"AZURE_STORAGE_CONNECTION_STRING"}),
        ("gs://bucket", {"GOOGLE_APPLICATION_CREDENTIALS"}),
        ("oss://bucket", {"OSS_ACCESS_KEY_SECRET"}),
        ("https://example.org", {"NETRC"}),
        ("webhdfs://host/x", {"KRB5CCNAME"}),
        ("ssh://host/x", {"SSH_AUTH_SOCK", "KRB5CCNAME"}),
        ("/a/directory", set()),
        ("other://host", set()),
        ("", set()),
    ],
)
def test_process_of_a_remote_gets_its_own_credentials_only(url: str, names: set[str]) -> None:
    found = select_variables({**PLAIN, **KEPT, **SECRET}, url)
    assert found.keys() - PLAIN.keys() - {"HTTPS_PROXY"} == names
    assert found.keys() >= PLAIN.keys()


def test_git_gets_its_own_credentials_only() -> None:
    found = select_git_variables({**PLAIN, **KEPT, **SECRET})
    own = {"GITHUB_TOKEN", "GIT_ASKPASS", "NETRC", "SSH_AUTH_SOCK", "HTTPS_PROXY"}
    assert found.keys() - PLAIN.keys() == own
