"""Random DVC projects: hypothesis strategies for their data, parameters and stages."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from .repository import Repository

Draw = st.DrawFn

_STEMS = ("plain", "with space", "ünï", "UPPER", "dots.in.name", "-dash", "it's", "日本", "a+b")
_TEXTS = st.sampled_from(("", "1\n", "b\na\n", "no end of line", "ünï\n", "x" * 70_000 + "\n"))
_MODES = st.sampled_from((0o644, 0o644, 0o755, 0o600))
#: Settings of caches, of which DVC's default is by far the most used.
_CACHES = st.sampled_from(("", "", "", "", "copy", "hardlink", "symlink"))


#: Directories in which commands run.
_PLACES = ("work", "sub dir", "sub dir/work")


@dataclass(frozen=True)
class RandomProject:
    """A project before its first run.

    Attributes:
        below: the DVC root relative to the Git root.
        files: text by path; None for an empty directory.
        modes: permissions by path of a file.
        links: targets by path of a symbolic link.
        added: paths for ``dvc add``.
        documents: content by path of ``dvc.yaml`` files.
        parameters: content by path of parameters files.
        outs: the paths that stages write.
        cache: the setting ``cache.type``; empty for the default.
    """

    below: str
    files: Mapping[str, str | None]
    modes: Mapping[str, int]
    links: Mapping[str, str]
    added: tuple[str, ...]
    documents: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    outs: tuple[str, ...]
    cache: str

    def build(self, repository: Repository) -> None:
        """Write the project into an empty repository and commit it."""
        for path, text in self.files.items():
            if text is None:
                (repository.project / path).mkdir(parents=True)
            else:
                repository.write(path, text).chmod(self.modes.get(path, 0o644))
        for path, target in self.links.items():
            (repository.project / path).symlink_to(target)
        for path, content in {**self.parameters, **self.documents}.items():
            repository.write_yaml(path, content)
        if self.cache:
            repository.dvc("config", "cache.type", self.cache)
        if self.added:
            repository.dvc("add", *self.added)
        repository.commit("a random project")


@dataclass
class _Making:
    """A project in the making."""

    draw: Draw
    inputs: list[str] = field(default_factory=list)
    outs: list[str] = field(default_factory=list)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    count: int = 0

    def flag(self, one_in: int) -> bool:
        """Draw True once in so many times."""
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    def name(self, suffix: str = "") -> str:
        """Draw a name that no other path has."""
        self.count += 1
        return f"{self.draw(st.sampled_from(_STEMS))}{self.count}{suffix}"

    def some(self, values: list[str], most: int) -> list[str]:
        """Draw a few of the values, each once."""
        if not values:
            return []
        return self.draw(st.lists(st.sampled_from(values), max_size=most, unique=True))


@st.composite
def random_projects(draw: Draw, stages: tuple[int, int] = (2, 6)) -> RandomProject:
    """Draw a project with a number of stages between two limits."""
    making = _Making(draw)
    files: dict[str, str | None] = {f"{place}/kept": "kept\n" for place in _PLACES}
    modes: dict[str, int] = {}
    links: dict[str, str] = {}
    added = [*_single_files(making, files, modes), *_directories(making, files, links)]
    parameters = _parameters(making)
    for _ in range(draw(st.integers(*stages))):
        _add_stage(making)
    return RandomProject(
        below=draw(st.sampled_from((".", ".", ".", "below", "deep/er project"))),
        files=files,
        modes=modes,
        links=links,
        added=tuple(added),
        documents=making.documents,
        parameters=parameters,
        outs=tuple(making.outs),
        cache=draw(_CACHES),
    )


def _single_files(
    making: _Making, files: dict[str, str | None], modes: dict[str, int]
) -> list[str]:
    """Draw files, some of them for ``dvc add``."""
    added = []
    for _ in range(making.draw(st.integers(1, 3))):
        path = f"data/{making.name('.txt')}"
        files[path] = making.draw(_TEXTS) + f"{making.count}\n" * making.draw(st.integers(0, 1))
        modes[path] = making.draw(_MODES)
        making.inputs.append(path)
        if making.flag(3):
            added.append(path)
    return added


def _directories(making: _Making, files: dict[str, str | None], links: dict[str, str]) -> list[str]:
    """Draw directories of files, some of them for ``dvc add``."""
    added = []
    for _ in range(making.draw(st.integers(0, 2))):
        top = f"data/{making.name()}"
        files[f"{top}/one.txt"] = making.draw(_TEXTS)
        files[f"{top}/nested/two words.txt"] = making.draw(_TEXTS)
        if making.flag(3):
            files[f"{top}/hollow"] = None
        if making.flag(4):
            links[f"{top}/link.txt"] = "one.txt"
        making.inputs += [top, f"{top}/nested"]
        if making.flag(2):
            added.append(top)
    return added


def _parameters(making: _Making) -> dict[str, dict[str, Any]]:
    """Draw ``params.yaml`` and a second parameters file."""
    values = st.one_of(
        st.integers(-3, 3), st.sampled_from((0.5, 1e-4, True, None, "text", "ünï", "no", [1, "2"]))
    )
    train = {"lr": making.draw(values), "deep": {"er": making.draw(values)}}
    return {
        "params.yaml": {"train": train, "seed": making.draw(values), "word": "w"},
        "conf/other file.yaml": {"a": making.draw(values), "b": {"c": making.draw(values)}},
    }


def _add_stage(making: _Making) -> None:
    """Draw one stage, or a group of them, and add it to a ``dvc.yaml``."""
    making.count += 1
    name = f"s{making.count}"
    file = "sub dir/dvc.yaml" if making.flag(4) else "dvc.yaml"
    home = os.path.dirname(file)
    wdir = making.draw(st.sampled_from(("", "", "", "work", "..")))
    base = os.path.normpath(os.path.join(home, wdir)) if wdir != ".." or home else home
    members = making.draw(st.sampled_from(((), (), (), ("a", "b"))))
    stage = _stage(making, base, "${item}" if members else "", home)
    if base != os.path.normpath(home) and base != home:
        stage["wdir"] = os.path.relpath(base or ".", home or ".")
    written, inside = stage.pop("_outs"), stage.pop("_inside")
    if members:
        made = {"do": stage, "foreach": list(members)}
        if making.flag(2):
            made = _rename_item({**stage, "matrix": {"item": list(members)}})
    else:
        made = stage
    document = making.documents.setdefault(file, {"vars": [{"local": "v"}], "stages": {}})
    document["stages"][name] = made
    for out in written:
        places = [out.replace("${item}", one) for one in members] or [out]
        making.outs += places
        making.inputs += places
    making.inputs += [] if members else inside


def _rename_item(value: Any) -> Any:
    """Write the item of a matrix as templates name it."""
    if isinstance(value, dict):
        return {_rename_item(key): _rename_item(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename_item(item) for item in value]
    return value.replace("${item}", "${item.item}") if isinstance(value, str) else value


def _stage(making: _Making, base: str, item: str, home: str) -> dict[str, Any]:
    """Draw deps, outs, parameters and the command that reads and writes them."""
    deps = _without_overlap(making.some(making.inputs, 3))
    commands, found, outs, inside = [], [], [], []
    sections: dict[str, list[Any]] = {}
    params = _stage_params(making, base)
    mixed = making.flag(5)  # a command that loses what it reads
    reads = "".join(f" {shlex.quote('./' + os.path.relpath(dep, base or '.'))}" for dep in deps)
    made = f"find -L{reads} -type f -exec cat {{}} + | LC_ALL=C sort" if deps else "echo nothing"
    made = f"{made} | wc -c" if mixed and deps else made
    words = "${local}" + (" ${word}" if not home and making.flag(3) else "")
    for _ in range(making.draw(st.integers(0 if not deps else 1, 2))):
        out = os.path.join("out", making.name(item))
        command, more = _write_out(
            making, out, base, f"{{ {made}; echo {words} {making.count}{item}; }}"
        )
        commands.append(command)
        section, flags = _out_flags(making, out, more)
        written = os.path.relpath(out, base or ".")
        sections.setdefault(section, []).append({written: flags} if flags else written)
        outs.append(out)
        inside += more
        found.append(out)
    if not commands:
        commands.append("true")
    stage: dict[str, Any] = {"cmd": commands if making.flag(4) else "; ".join(commands)}
    if deps:
        stage["deps"] = [os.path.relpath(dep, base or ".") for dep in deps]
    if params:
        stage["params"] = params
    stage.update(sections)
    if making.flag(10):
        stage["always_changed"] = True
    if making.flag(8):
        stage["desc"] = "a stage"
    return {**stage, "_outs": found, "_inside": inside}


def _without_overlap(deps: list[str]) -> list[str]:
    return [one for one in deps if not any(one.startswith(f"{other}/") for other in deps)]


def _stage_params(making: _Making, base: str) -> list[Any]:
    """Draw parameters of one file or of two."""
    if making.flag(2):
        return []
    keys = making.some(["train.lr", "train.deep", "seed", "word"], 2) or ["train"]
    above = os.path.relpath(".", base or ".")
    found: list[Any] = [{os.path.normpath(f"{above}/params.yaml"): keys}] if base else [*keys]
    if making.flag(3):
        other = os.path.normpath(f"{above}/conf/other file.yaml")
        found.append({other: making.draw(st.sampled_from((["b.c"], ["a", "b"], None)))})
    return found


def _write_out(making: _Making, out: str, base: str, made: str) -> tuple[str, list[str]]:
    """Draw a command that writes an out; return it with the paths inside of the out."""
    path = os.path.relpath(out, base or ".")
    # Only the member of a group is expanded, so an item must not be quoted away: shlex leaves it.
    quoted, parent = shlex.quote(path), shlex.quote(os.path.dirname(path))
    kind = making.draw(st.sampled_from(("file", "file", "mode", "directory", "empty", "link")))
    start = f"mkdir -p {parent}"
    if kind == "mode":
        mode = making.draw(st.sampled_from(("755", "700", "711", "600", "664", "444")))
        return f"{start}; {made} > {quoted}; chmod {mode} {quoted}", []
    if kind == "directory":
        mode = making.draw(st.sampled_from(("755", "644", "600")))
        parts = [
            f"mkdir -p {quoted}/nested/'two words' {quoted}/hollow",
            f"{made} > {quoted}/one",
            f": > {quoted}/nested/empty",
            f"cp {quoted}/one {quoted}/nested/'two words'/ünï",
            f"chmod {mode} {quoted}/one; ln -sf one {quoted}/link",
        ]
        return "; ".join(parts), [f"{out}/nested", f"{out}/one"]
    if kind == "empty":
        empty = making.draw(st.sampled_from((f": > {quoted}", f"mkdir -p {quoted}")))
        return f"{start}; {empty}", []
    if kind == "link":
        target = shlex.quote(f"{os.path.basename(path)}.target")
        # A hard link to the cache may stand in the place of the target, so write a new file.
        write = f"rm -f -- {parent}/{target}; {made} > {parent}/{target}"
        return f"{start}; {write}; ln -sfn -- {target} {quoted}", []
    return f"{start}; {made} > {quoted}", []


def _out_flags(making: _Making, out: str, inside: list[str]) -> tuple[str, dict[str, Any]]:
    """Draw the section of an out and its flags."""
    flags: dict[str, Any] = {}
    section = "outs"
    if making.flag(6) and not inside:
        section = making.draw(st.sampled_from(("metrics", "plots")))
    if making.flag(4):
        flags["cache"] = False
    if making.flag(8):
        flags["persist"] = True
    return section, flags
