"""Errors of DVC that a repository causes, as configuration errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.utils.serialize import ParseError, parse_yaml_for_update
from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

from resources.dvc.graph.documents import refuse_conflict
from resources.errors import ConfigurationError, ResourceError

_HINT = "correct it, then check: ml-assets plan"


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
    except YAMLValidationError as error:
        raise ConfigurationError(_list_mistakes(error), _HINT) from error
    except YAMLSyntaxError as error:
        refuse_conflict(error.yaml_text, error.relpath.removeprefix("./"))
        raise ConfigurationError(_join_causes(error), _HINT) from error
    except ParseError as error:
        with suppress(OSError, UnicodeDecodeError):
            refuse_conflict(Path(error.path).read_text("utf-8"), error.path)
        raise ConfigurationError(_join_causes(error), _HINT) from error
    except (DvcException, TypeError, ValueError, OSError) as error:
        raise ConfigurationError(_join_causes(error), _HINT) from error


def _list_mistakes(error: YAMLValidationError) -> str:
    """List all mistakes in a file, each with its line."""
    file = error.path.removeprefix("./")
    document = parse_yaml_for_update(error.text, error.path)
    found = {
        (
            _find_line(document, one.path),
            one.error_message,
            "".join(f"[{key!r}]" for key in one.path),
        )
        for one in error.exc.errors
    }
    mistakes = [f"line {line}: {text}: {key}" for line, text, key in sorted(found)]
    return f"not valid: {file}: {'; '.join(mistakes)}"


def _find_line(document: Any, path: list[Any]) -> int:
    """Find the line of the last key of a path that the document has."""
    line = 1
    for key in path:
        places = getattr(getattr(document, "lc", None), "data", None) or {}
        if key not in places:
            break
        line = places[key][0] + 1
        document = document[key]
    return line


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
