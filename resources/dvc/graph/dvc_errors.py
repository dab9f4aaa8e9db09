"""Errors of DVC that a repository causes, as configuration errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dvc.exceptions import DvcException, NotDvcRepoError

from resources.errors import ConfigurationError, ResourceError


@contextmanager
def dvc_errors() -> Iterator[None]:
    """Turn errors of DVC while it reads a repository into a ConfigurationError."""
    try:
        yield
    except ResourceError:
        raise
    except NotDvcRepoError as error:
        raise ConfigurationError(
            str(error), "make it a DVC repository: dvc init; or: ml-assets --project PATH"
        ) from error
    except ImportError as error:
        # The message of DVC names the package that an address needs.
        raise ConfigurationError(
            _join_causes(error), "install that package into the environment of ml-assets"
        ) from error
    except (DvcException, TypeError, ValueError, OSError) as error:
        raise ConfigurationError(
            _join_causes(error), "correct it, then check: ml-assets plan"
        ) from error


def _join_causes(error: BaseException) -> str:
    """Join the messages of an error and its causes: DVC puts the detail into the cause."""
    parts: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(parts) < 3:
        text = " ".join(str(cause).split()).rstrip(".")
        if text and text not in " ".join(parts):
            parts.append(text)
        cause = cause.__cause__
    return ": ".join(parts)
