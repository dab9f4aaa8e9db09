"""The variables with credentials for the network, and which of them a remote needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from resources.dvc.run.stage_environment import looks_secret, matches

#: Variables that look like a credential and stay in every process: addresses of our own processes,
#: Dagster's storage, the user's terminal, the proxy of all downloads, and the agent with which DVC
#: imports from repositories.
_KEPT = ("ML_ASSETS_*", "DAGSTER_*", "TMUX", "STY", "*_PROXY", "SSH_AUTH_SOCK", "SSH_AGENT_PID")
#: Variables that Git, its helpers and SSH read.
_OF_GIT = (
    *("GIT_*", "*_ASKPASS", "GH_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN", "SSH_*", "VSCODE_*"),
    *("DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO", "GNOME_KEYRING_CONTROL", "NETRC", "*_PROXY"),
)
#: Patterns of the variables that the kinds of remotes read, by the scheme of the address.
_OF_SCHEME: Mapping[str, tuple[str, ...]] = {
    "s3": ("AWS_*",),
    **dict.fromkeys(("azure", "abfs", "abfss", "adl"), ("AZURE_*", "IDENTITY_*", "MSI_*")),
    **dict.fromkeys(("gs", "gcs", "gdrive"), ("GOOGLE_*", "GDRIVE_*", "GCLOUD_*", "CLOUDSDK_*")),
    "oss": ("OSS_*",),
    **dict.fromkeys(("ssh", "sftp"), ("SSH_*", "KRB5*")),
    **dict.fromkeys(("hdfs", "webhdfs", "swebhdfs"), ("KRB5*", "HADOOP_*")),
    **dict.fromkeys(("http", "https", "webdav", "webdavs"), ("NETRC",)),
}


def find_credentials(variables: Mapping[str, str]) -> frozenset[str]:
    """Find the names of variables that only the broker needs."""
    return frozenset(
        name
        for name, value in variables.items()
        if looks_secret(name, value) and not matches(name, _KEPT)
    )


def find_needed(names: Collection[str], scheme: str | None = None) -> frozenset[str]:
    """Find the names of variables that a kind of storage reads.

    Args:
        scheme: of its addresses; None takes all kinds.
    """
    kinds = _OF_SCHEME.values() if scheme is None else [_OF_SCHEME.get(scheme.lower(), ())]
    return frozenset(name for name in names if any(matches(name, kind) for kind in kinds))


def select_variables(variables: Mapping[str, str], url: str) -> dict[str, str]:
    """Select the variables for a process that talks to one remote.

    Args:
        url: of the remote; a path needs no credentials.
    """
    scheme, found, _ = url.partition("://")
    needed = _OF_SCHEME.get(scheme.lower(), ()) if found else ()
    return {
        name: value
        for name, value in variables.items()
        if not looks_secret(name, value) or matches(name, (*needed, "*_PROXY"))
    }


def select_git_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Select the variables for Git when it talks to a remote repository."""
    return {
        name: value
        for name, value in variables.items()
        if not looks_secret(name, value) or matches(name, _OF_GIT)
    }
