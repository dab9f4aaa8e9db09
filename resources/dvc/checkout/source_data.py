"""The data of a source, which a ``.dvc`` file records: verified in the cache, or fetched."""

from __future__ import annotations

import os
from contextlib import suppress

from resources.dvc.checkout.checkout import Checkout
from resources.dvc.graph.manifest import Out, Stage
from resources.errors import ConfigurationError, MissingInputError, UnavailableError

#: Errors of a remote that does not have an import: its source may.
_NOT_THERE = (ConfigurationError, MissingInputError, UnavailableError)


def obtain_source(checkout: Checkout, stage: Stage) -> None:
    """Verify the objects of a source, and fetch those that only a remote has.

    DVC's own code takes over where an import is not in the remote, and for a remote with versions
    of its own.

    Raises:
        ConfigurationError: an object is nowhere, and there is no remote.
        ResourceError: an object is corrupt, or cannot be fetched.
    """
    for out in stage.outs:
        fields = out.recorded or {}
        md5 = str(fields.get("md5"))
        if checkout.cache.holds(md5):
            checkout.cache.verify_all(md5)
        elif fields.get("hash") == "md5":
            with suppress(*(_NOT_THERE if stage.deps else ())):
                _fetch(checkout, out, md5)


def _fetch(checkout: Checkout, out: Out, md5: str) -> None:
    if os.path.lexists(checkout.cache.path(md5)):
        return  # DVC's own code says why it cannot be read
    remote = (out.recorded or {}).get("remote")
    try:
        with suppress(ConfigurationError):  # DVC's own code serves it, or says what is wrong
            checkout.fetch(out.location, md5, str(remote) if remote else None)
    except MissingInputError as error:
        raise ConfigurationError(error.message, error.hint) from error
