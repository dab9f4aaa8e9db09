"""The names of stages on the command line: what a term of a selection can mean.

Paths and stage names are first looked up in the user's directory, as DVC does, then in the DVC
root. A term with ``*``, ``?`` or ``[…]`` is a pattern.
"""

from __future__ import annotations

import difflib
import fnmatch
import posixpath
from collections.abc import Iterable, Iterator, Sequence

from ml_assets.graph.translator import Asset
from resources.dvc.graph.manifest import Manifest, Stage

_SUGGESTIONS = 3


class StageNames:
    """Finds stages by the names that users know.

    Args:
        here: the user's directory, relative to the DVC root (POSIX).
    """

    def __init__(self, manifest: Manifest, assets: Sequence[Asset], here: str = ".") -> None:
        self._stages = manifest.stages
        self._assets = assets
        self._here = here

    def find(self, term: str) -> set[str]:
        """Return the stages of a term.

        It is a stage, a foreach or matrix group, an out, an asset key, a ``dvc.yaml`` or ``.dvc``
        file, or a directory: the stages that are defined in it or write into it.
        """
        return next(filter(None, map(self._find_named, self._read(term))), set())

    def find_readers(self, term: str) -> set[str]:
        """Return the stages that read an input, or a parameter: ``params.yaml:train.lr``."""
        return next(filter(None, map(self._find_readers, self._read(term))), set())

    def suggest(self, term: str) -> list[str]:
        """Return names similar to a term."""
        known = {name for asset in self._assets for name in _names(asset)}
        known |= {stage.name.partition("@")[0] for stage in self._stages}
        known |= {f"{dep.location}+" for stage in self._stages for dep in stage.deps}
        known |= {f"{one}+" for stage in self._stages for one in _list_parameters(stage)}
        found = difflib.get_close_matches(term, sorted(known), _SUGGESTIONS)
        return found or difflib.get_close_matches(f"{term}+", sorted(known), _SUGGESTIONS)

    def is_parameter(self, term: str) -> bool:
        """Whether a term names a parameter, known or not, of a file with parameters."""
        files = {params.location for stage in self._stages for params in stage.params}
        return any(name.rpartition(":")[0] in files for name in self._read(term))

    def _read(self, term: str) -> Iterator[str]:
        """Yield what a term can mean, the nearest first."""
        if not term:
            return
        if self._here != ".":
            yield f"{self._here}/dvc.yaml:{term}"
            yield posixpath.normpath(posixpath.join(self._here, term))
        yield term
        yield posixpath.normpath(term)

    def _find_named(self, name: str) -> set[str]:
        exact = {one.stage for one in self._assets if _matches(name, _names(one))}
        group = {one.name for one in self._stages if one.name.startswith(f"{name}@")}
        return exact or group or {one.name for one in self._stages if _lies_in(one, name)}

    def _find_readers(self, name: str) -> set[str]:
        return {one.name for one in self._stages if _matches(name, _list_inputs(one, name))}


def _names(asset: Asset) -> list[str]:
    return [name for name in (asset.stage, asset.location, asset.name) if name is not None]


def _matches(pattern: str, names: Iterable[str]) -> bool:
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names)


def _lies_in(stage: Stage, path: str) -> bool:
    places = (stage.file, *(out.location for out in stage.outs))
    return stage.file == path or path == "." or any(one.startswith(f"{path}/") for one in places)


def _list_inputs(stage: Stage, name: str) -> Iterator[str]:
    """Yield the inputs of a stage, in the form in which a name asks for them."""
    yield from (dep.location for dep in stage.deps)
    file, _, key = name.rpartition(":")
    for params in stage.params:
        yield params.location
        if params.location == file and any(_overlap(key, one) for one in params.keys or (key,)):
            yield name


def _list_parameters(stage: Stage) -> Iterator[str]:
    return (f"{params.location}:{key}" for params in stage.params for key in params.keys)


def _overlap(one: str, other: str) -> bool:
    """Whether one of two keys of parameters is, or lies below, the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
