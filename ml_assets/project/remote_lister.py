"""The lister of remotes: a process without credentials that reads the settings for the broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ml_assets.project.remotes import find_remotes
from ml_assets.project.rules import find_rules
from ml_assets.signer.channel import write_error
from resources.dvc.graph.remote_reader import list_remotes
from resources.errors import ResourceError
from resources.git.repository import read_head
from security.errors import SecurityError
from security.sandbox.worker import write_answer


def answer(arguments: Sequence[str]) -> None:
    """Write the remotes that count, and the patterns of variables that stages get.

    Args:
        arguments: the DVC root; and ``owned`` if this program wrote ``.dvc/config.local`` there.
    """
    root, owner = Path(arguments[0]), arguments[1]
    try:
        head = read_head(root)
        commit = head.commit if head is not None else None
        remotes = find_remotes(root, commit, owns_local=owner == "owned")
        named = commit if remotes is None else remotes.commit
        found = asdict(list_remotes(root, remotes, named))
        document = {**found, "passed": find_rules(root).settings.environment}
    except (ResourceError, SecurityError) as error:
        document = dict(write_error(error))
    write_answer(json.dumps(document))
