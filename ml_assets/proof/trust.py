"""The trusted: whose signatures count for a project.

It is whom the protected branch names in ``.ml-assets/trust``, and besides them the user's own key:
what somebody has signed himself he may believe without publishing his key first.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from datetime import UTC, datetime

from ml_assets.project.project import Project, find_configuration
from ml_assets.project.protection import find_protection
from resources.signing.keyring import Keyring
from security.signing.trust import Trust, parse_trust

DIRECTORY = ".ml-assets/trust"


def find_trust(project: Project, *, with_own: bool = True) -> Trust:
    """Find whose signatures count.

    Args:
        with_own: also the user's own key, as long as nobody has retired or revoked it.

    Raises:
        ConfigurationError: the protected branch is not in this clone.
        PolicyError: the list of the trusted is wrong.
    """
    protection = find_protection(project.root)
    if protection.branch is None:
        directory = project.root / DIRECTORY
        names = [f"{DIRECTORY}/{one.name}" for one in directory.glob("*") if one.is_file()]
    else:
        names = [path for path in protection.paths if path.startswith(f"{DIRECTORY}/")]
    files = {posixpath.basename(path): text for path, text in protection.read(*names).items()}
    trust = replace(parse_trust(files, f"{DIRECTORY} of {protection.origin}"), at=datetime.now(UTC))
    own = Keyring(find_configuration()).public_key() if with_own else None
    return trust if own is None else trust.with_key(own, "your own key")
