"""The name of a repository: host and path of its address, equal for all ways to reach it."""

from __future__ import annotations

import os


def name_repository(address: str) -> str:
    """Return the name of a repository, without credentials, port and scheme.

    ``git@Example.org:acme/ml.git``, ``ssh://git@example.org:22/acme/ml`` and
    ``https://example.org/acme/ml.git`` are all ``example.org/acme/ml``.
    """
    scheme, separator, rest = address.partition("://")
    if scheme == "file":
        host, path = "", rest
    elif separator:
        host, _, path = rest.partition("/")
        user_end = host.rpartition("@")[2]
        host = user_end[1:].partition("]")[0] if user_end[:1] == "[" else user_end.split(":")[0]
    elif ":" in address.partition("/")[0]:
        place, _, path = address.partition(":")
        host = place.rpartition("@")[2]
    else:
        host, path = "", os.path.abspath(address)
    return f"{host.lower()}/{path.strip('/').removesuffix('.git').strip('/')}"


def is_same_repository(one: str, other: str) -> bool:
    """Whether two names are of one repository; a host without a dot is an alias of SSH."""
    (host, _, path), (other_host, _, other_path) = one.partition("/"), other.partition("/")
    aliases = [name and "." not in name and name != "localhost" for name in (host, other_host)]
    return path == other_path and (host == other_host or any(aliases))
