"""The names of a project in its statements, so that those of another project do not count here.

1. The name that the settings of the protected branch declare, and no other.
2. Otherwise the hash of the first commit of the protected branch, or of the working tree's commit
   where there is no such branch: all clones have it but shallow ones.
3. And host and path of the remote ``origin``: they also name a shallow clone.

The path of the project in the repository, which may hold several, follows each of them. A fork has
the same first commit: declare a name where its statements must not count.
"""

from __future__ import annotations

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from resources.git.commit_history import CommitHistory
from resources.git.repository import read_place, read_remote_url
from resources.git.repository_name import name_repository


def find_project_names(project: Project, rules: Rules) -> frozenset[str]:
    """Find the names of a project; none without a commit and without a remote.

    Raises:
        ConfigurationError: the settings are not valid.
        UnavailableError: Git fails.
    """
    declared = rules.settings.signing.project
    if declared is not None:
        return frozenset({declared})
    commit = rules.commit or project.head.commit
    first = CommitHistory(project.root).find_first(commit) if commit is not None else None
    address = read_remote_url(project.root)
    remote = name_repository(address) if address is not None else "/"
    found = [f"git:{first}"] if first is not None else []
    found += [f"remote:{remote}"] if not remote.startswith("/") else []  # a path names no host
    place = read_place(project.root)
    below = f":{place}" if place not in (None, ".") else ""
    return frozenset(f"{one}{below}" for one in found)
