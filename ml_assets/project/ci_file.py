"""CI files: what has a platform run the gates, as ``ml-assets init`` writes it into a project."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from urllib.parse import urlsplit

from resources.ci_job import Provider

#: Where each platform looks for it, relative to the repository's root.
PATHS = {
    Provider.GITHUB: ".github/workflows/ml-assets.yml",
    Provider.GITLAB: ".gitlab-ci.yml",
}
_EMPTY = 'ML_ASSETS_REQUIREMENT: ""'


def write_ci_file(provider: Provider, requirement: str) -> bytes:
    """Return the file of a platform.

    Args:
        requirement: what pip is to install; empty leaves it to who commits the file.
    """
    text = (files("ml_assets.project.templates") / f"{provider.value}.yml").read_text(
        encoding="utf-8"
    )
    return text.replace(_EMPTY, f"ML_ASSETS_REQUIREMENT: {json.dumps(requirement)}").encode()


def find_requirement() -> str:
    """Return what pip has installed this program from: a commit; empty where it was none."""
    try:
        text = distribution("ml-assets").read_text("direct_url.json") or "{}"
        return read_requirement(text)
    except PackageNotFoundError:
        return ""


def read_requirement(text: str) -> str:
    """Return the requirement that the record of an installation (PEP 610) is of.

    Empty where it is of no commit, or of an address with somebody's name or password in it.
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
