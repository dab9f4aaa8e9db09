"""CI workflows that run the gates, as ``ml-assets init`` writes them into a project."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from urllib.parse import urlsplit

from resources.ci_job import Provider

#: The path of each platform's workflow, relative to the repository's root.
PATHS = {
    Provider.GITHUB: ".github/workflows/ml-assets.yml",
    Provider.GITLAB: ".gitlab-ci.yml",
}
_EMPTY = 'ML_ASSETS_REQUIREMENT: ""'


def write_ci_file(provider: Provider, requirement: str) -> bytes:
    """Return the workflow for a platform.

    Args:
        requirement: the requirement for pip; empty leaves a blank for the user to fill in.
    """
    text = (files("ml_assets.project.templates") / f"{provider.value}.yml").read_text(
        encoding="utf-8"
    )
    return text.replace(_EMPTY, f"ML_ASSETS_REQUIREMENT: {json.dumps(requirement)}").encode()


def find_requirement() -> str:
    """Return the requirement of the commit that this program was installed from, or nothing."""
    try:
        text = distribution("ml-assets").read_text("direct_url.json") or "{}"
        return read_requirement(text)
    except PackageNotFoundError:
        return ""


def read_requirement(text: str) -> str:
    """Return the requirement of an installation from its record (PEP 610).

    Empty if it is not a commit, or if the address contains a user name or password.
    """
    try:
        record = json.loads(text)
        url, source = str(record["url"]), record["vcs_info"]
        commit, system = str(source["commit_id"]), str(source["vcs"])
        place = urlsplit(url)
    except (ValueError, KeyError, TypeError):
        return ""
    known = system == "git" and place.scheme in ("https", "ssh") and place.hostname
    if not known or place.username or place.password or place.query or not commit.isalnum():
        return ""
    return f"ml-assets @ git+{url}@{commit}"
