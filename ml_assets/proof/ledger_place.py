"""The place of a project's ledger: the local state, a directory or a bucket."""

from __future__ import annotations

import os

from ml_assets.project.project import Project
from resources.git.command import mask
from security.ledger.ledger import Ledger, LedgerDirectory


def open_ledger(project: Project, where: str | None) -> Ledger:
    """Open a ledger.

    Args:
        where: a URL, or a path from the project's root; None for the local state.

    Raises:
        ResourceError: the ledger cannot be opened.
    """
    if where is None:
        return Ledger(LedgerDirectory(project.make_state() / "ledger"))
    if "://" not in where:
        return Ledger(LedgerDirectory((project.shared or project.root) / where))
    from resources.stores.ledger_bucket import open_bucket

    return Ledger(open_bucket(where))


def describe_ledger(project: Project, where: str | None) -> str:
    """Return the place of a ledger for people, without credentials.

    Args:
        where: as for ``open_ledger``.
    """
    if where is not None and "://" in where:
        return mask(where)
    return os.fspath(
        project.state / "ledger" if where is None else (project.shared or project.root) / where
    )
