"""Random changes of a DVC project between two runs, the same in each copy of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from .random_project import RandomProject
from .repository import Repository
from .snapshot import cache_directory


@dataclass(frozen=True)
class Change:
    """One change: its kind, and the number that selects what it changes."""

    kind: str
    number: int

    def make(self, project: RandomProject, repository: Repository) -> None:
        """Make the change in one copy of the project."""
        _KINDS[self.kind](_Place(project, repository, self.number))


@dataclass(frozen=True)
class _Place:
    """Where a change is made."""

    project: RandomProject
    repository: Repository
    number: int

    def path(self, path: str) -> Path:
        return self.repository.project / path

    def pick(self, values: list[Any]) -> Any:
        return values[self.number % len(values)]

    def replace(self, path: str, text: str) -> None:
        """Write a new file in the place of another, which may be a link into the cache."""
        target = self.path(path)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        self.repository.write(path, text).chmod(mode | 0o200)

    @property
    def sources(self) -> list[str]:
        return [path for path, text in self.project.files.items() if text is not None]

    @property
    def outs(self) -> list[str]:
        return [one for one in self.project.outs if os.path.lexists(self.path(one))]

    def out_files(self) -> list[str]:
        """Return the files that are outs or in outs."""
        found = []
        for out in self.outs:
            top = self.path(out)
            inside = [one for one in sorted(top.rglob("*")) if one.is_file()]
            found += inside if top.is_dir() else [top]
        return [str(one.relative_to(self.repository.project)) for one in found]

    def edit_stages(self, edit: Callable[[dict[str, Any], str, dict[str, Any]], None]) -> None:
        """Load a ``dvc.yaml``, edit one of its stages, and write it."""
        every = [
            (file, name)
            for file, document in sorted(self.project.documents.items())
            for name in document["stages"]
        ]
        file, name = self.pick(every)
        document = yaml.safe_load(self.path(file).read_text(encoding="utf-8"))
        if name in document["stages"]:
            whole = document["stages"][name]
            edit(document, name, whole.get("do", whole))
            self.repository.write_yaml(file, document)


def _edit_source(at: _Place) -> None:
    at.replace(at.pick(at.sources), f"edited {at.number % 3}\n")


def _revert_sources(at: _Place) -> None:
    for path in at.sources:
        at.replace(path, at.project.files[path] or "")


def _touch(at: _Place) -> None:
    for path in (*at.sources, *at.out_files()):
        os.utime(at.path(path), (1_000_000_000 + at.number, 1_000_000_000 + at.number))


def _delete_out(at: _Place) -> None:
    if at.outs:
        at.repository.remove(at.pick(at.outs))


def _delete_outs(at: _Place) -> None:
    at.repository.remove(*at.outs)


def _damage_out(at: _Place) -> None:
    if files := at.out_files():
        at.replace(at.pick(files), "damaged\n")


def _chmod(at: _Place) -> None:
    files = [*at.out_files(), *at.sources]
    target = at.path(at.pick(files))
    if not target.is_symlink() and target.stat().st_nlink == 1:
        target.chmod((0o755, 0o600, 0o644, 0o700)[at.number % 4])


def _chmod_out(at: _Place) -> None:
    files = [one for one in at.out_files() if not at.path(one).is_symlink()]
    if files and (target := at.path(at.pick(files))).stat().st_nlink == 1:
        target.chmod((0o755, 0o644, 0o600)[at.number % 3])


def _edit_parameter(at: _Place) -> None:
    file = at.pick(sorted(at.project.parameters))
    content = yaml.safe_load(at.path(file).read_text(encoding="utf-8"))
    content[at.pick(list(content))] = {"lr": at.number, "deep": [at.number]}
    content["word"] = "w"
    at.repository.write_yaml(file, content)


def _revert_parameters(at: _Place) -> None:
    for file, content in at.project.parameters.items():
        at.repository.write_yaml(file, content)


def _edit_word(at: _Place) -> None:
    content = yaml.safe_load(at.path("params.yaml").read_text(encoding="utf-8"))
    content["word"] = f"w{at.number % 2}"
    at.repository.write_yaml("params.yaml", content)


def _remove_lock(at: _Place) -> None:
    at.path("dvc.lock").unlink(missing_ok=True)


def _remove_lock_entry(at: _Place) -> None:
    lock = at.path("dvc.lock")
    if lock.exists():
        content = yaml.safe_load(lock.read_text(encoding="utf-8"))
        if content.get("stages"):
            del content["stages"][at.pick(list(content["stages"]))]
            at.repository.write_yaml("dvc.lock", content)


def _edit_command(at: _Place) -> None:
    def edit(_document: dict[str, Any], _name: str, stage: dict[str, Any]) -> None:
        command = stage["cmd"]
        lines = command if isinstance(command, list) else [command]
        edited = [line.replace("${local}", f"${{local}} {at.number % 3}") for line in lines]
        edited[-1] += f"; echo {at.number % 3}"
        stage["cmd"] = edited if isinstance(command, list) else edited[0]

    at.edit_stages(edit)


def _toggle(key: str) -> Callable[[_Place], None]:
    def change(at: _Place) -> None:
        def edit(_document: dict[str, Any], _name: str, stage: dict[str, Any]) -> None:
            stage[key] = not stage.get(key, False)

        at.edit_stages(edit)

    return change


def _add_stage(at: _Place) -> None:
    def edit(document: dict[str, Any], _name: str, _stage: dict[str, Any]) -> None:
        added = f"added{at.number}"
        new = {"cmd": f"echo {at.number} > '{added} out'", "outs": [f"{added} out"]}
        document["stages"] = {added: new, **document["stages"]}

    at.edit_stages(edit)


def _remove_stage(at: _Place) -> None:
    def edit(document: dict[str, Any], name: str, _stage: dict[str, Any]) -> None:
        if len(document["stages"]) > 1:
            del document["stages"][name]

    at.edit_stages(edit)


def _rename_stage(at: _Place) -> None:
    def edit(document: dict[str, Any], name: str, _stage: dict[str, Any]) -> None:
        stages = document["stages"]
        document["stages"] = {(f"{k}_new" if k == name else k): v for k, v in stages.items()}

    at.edit_stages(edit)


def _add_dep(at: _Place) -> None:
    at.repository.write("extra.txt", "extra\n")

    def edit(_document: dict[str, Any], _name: str, stage: dict[str, Any]) -> None:
        if "wdir" not in stage and "extra.txt" not in stage.get("deps", []):
            stage["deps"] = [*stage.get("deps", []), "extra.txt"]

    if list(at.project.documents) == ["dvc.yaml"]:
        at.edit_stages(edit)


def _add_to_directory(at: _Place) -> None:
    tops = sorted({os.path.dirname(path) for path in at.sources} - {"data"})
    if tops:
        at.repository.write(f"{at.pick(tops)}/added {at.number}.txt", f"{at.number}\n")


def _add_to_out(at: _Place) -> None:
    tops = [one for one in at.outs if at.path(one).is_dir()]
    if tops:
        at.repository.write(f"{at.pick(tops)}/stranger", f"{at.number}\n")


def _replace_by_directory(at: _Place) -> None:
    if at.outs:
        out = at.pick(at.outs)
        at.repository.remove(out)
        at.repository.write(f"{out}/file", "in the place of a file\n")


def _lose_object(at: _Place) -> None:
    top = cache_directory(at.repository) / "files" / "md5"
    found = sorted(one for one in top.rglob("*") if one.is_file()) if top.exists() else []
    # One of several stages with the same out brings it back: which, depends on parallel runs.
    objects = [one for one in found if one.read_bytes() not in (b"", b"[]")]
    if objects:
        at.pick(objects).unlink()


def _lose_run_cache(at: _Place) -> None:
    shutil.rmtree(cache_directory(at.repository) / "runs", ignore_errors=True)


def _commit(at: _Place) -> None:
    at.repository.commit("between two runs")


def _forget_state(at: _Place) -> None:
    shutil.rmtree(at.path(".dvc/tmp"), ignore_errors=True)


def _checkout(at: _Place) -> None:
    at.repository.try_dvc("checkout", "--quiet")


_KINDS: dict[str, Callable[[_Place], None]] = {
    "edit a source": _edit_source,
    "revert all sources": _revert_sources,
    "touch all files": _touch,
    "delete an out": _delete_out,
    "delete all outs": _delete_outs,
    "damage an out": _damage_out,
    "chmod a file": _chmod,
    "chmod a file of an out": _chmod_out,
    "edit a parameter": _edit_parameter,
    "edit a word of commands": _edit_word,
    "revert all parameters": _revert_parameters,
    "remove dvc.lock": _remove_lock,
    "remove an entry of dvc.lock": _remove_lock_entry,
    "edit a command": _edit_command,
    "freeze or unfreeze a stage": _toggle("frozen"),
    "set or unset always_changed": _toggle("always_changed"),
    "add a stage": _add_stage,
    "remove a stage": _remove_stage,
    "rename a stage": _rename_stage,
    "add a dep": _add_dep,
    "add a file to a directory": _add_to_directory,
    "add a file to a directory out": _add_to_out,
    "replace an out by a directory": _replace_by_directory,
    "lose an object of the cache": _lose_object,
    "lose the run cache": _lose_run_cache,
    "commit": _commit,
    "forget the state of DVC": _forget_state,
    "dvc checkout": _checkout,
}

changes = st.builds(Change, st.sampled_from(sorted(_KINDS)), st.integers(0, 1000))
"""A strategy for one change."""
