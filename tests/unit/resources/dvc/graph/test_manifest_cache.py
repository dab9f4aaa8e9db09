"""The manifest cache: read from DVC once for each state of what it was read from, never stale."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.dvc.graph.manifest import Manifest
from resources.dvc.graph.manifest_cache import load_manifest, load_manifest_at
from resources.errors import ConfigurationError
from resources.stores.seal import seal_with
from tests.file_version import read_version
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

SEAL = seal_with(bytes(32))
Change = Callable[[DvcProject], object]


@pytest.fixture(scope="module")
def template(empty_project: DvcProject, tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A repository that reads from everything a manifest can come from; its manifest is cached."""
    project = empty_project.copy(tmp_path_factory.mktemp("manifest") / "project")
    project.write("params.yaml", "name: first\nrate: 1\n")
    project.write("more/vars.yaml", "suffix: txt\nitems: [a, b]\n")
    project.write("local.toml", "word = 'x'\n")
    project.write("README.md", "read me\n")
    project.write("raw/data.csv", "1,2\n")
    project.write("ignored/dvc.yaml.txt", "")
    project.write(".gitignore", "/ignored/\n")
    project.stages(
        {
            "named": {"cmd": "echo ${name} > n.${suffix}", "outs": ["n.${suffix}"]},
            "each": {"foreach": "${items}", "do": {"cmd": "echo ${item} > e-${item}"}},
            "local": {"cmd": "echo ${word}", "vars": ["local.toml"], "params": ["rate"]},
            "tree": {"cmd": "mkdir -p tree", "deps": ["raw"], "outs": ["tree"]},
        },
        vars=["more/vars.yaml"],
    )
    project.stages({"inner": {"cmd": "echo ${inner}"}}, path="sub/dvc.yaml")
    project.write("sub/params.yaml", "inner: 1\n")
    project.write("tree/inside.txt", "x")
    project.add("raw/data.csv")
    project.commit()
    load_manifest(project.root, state(project), SEAL, None)
    return project


@pytest.fixture
def cached(template: DvcProject, tmp_path: Path) -> DvcProject:
    """A copy of the template whose manifest was read where the copy is."""
    project = template.copy(tmp_path / "project")
    load(project)
    return project


def state(project: DvcProject) -> Path:
    return project.root / ".ml-assets" / "state"


def cache_file(project: DvcProject) -> Path:
    return state(project) / "manifest" / "worktree.json"


def load(project: DvcProject) -> Manifest:
    return load_manifest(project.root, state(project), SEAL, None)


def edit(path: str, old: str, new: str) -> Change:
    def change(project: DvcProject) -> None:
        file = project.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return change


def add_dvc_file(project: DvcProject) -> None:
    project.write("raw/new.csv", "3,4\n")
    project.add("raw/new.csv")


RELEVANT: dict[str, Change] = {
    "dvc.yaml": edit("dvc.yaml", "mkdir -p tree", "mkdir tree"),
    "value of a parameter in a command": edit("params.yaml", "first", "second"),
    "file of vars": edit("more/vars.yaml", "[a, b]", "[a, b, c]"),
    "vars of one stage": edit("local.toml", "'x'", "'y'"),
    "parameters of a directory below": edit("sub/params.yaml", "inner: 1", "inner: 2"),
    "nested dvc.yaml": edit("sub/dvc.yaml", "echo", "printf"),
    "new dvc.yaml": lambda p: p.stages({"new": {"cmd": "true"}}, path="deep/er/dvc.yaml"),
    "removed dvc.yaml": lambda p: (p.root / "sub" / "dvc.yaml").unlink(),
    ".dvc file": edit("raw/data.csv.dvc", "size: 4", "size: 5"),
    "new .dvc file": add_dvc_file,
    "removed .dvc file": lambda p: (p.root / "raw" / "data.csv.dvc").unlink(),
    ".dvcignore": lambda p: p.write(".dvcignore", "sub\n"),
    "new .dvcignore below": lambda p: p.write("raw/.dvcignore", "*.tmp\n"),
    "where the cache is": lambda p: p.write(".dvc/config", "[cache]\n    dir = ../elsewhere\n"),
    "local configuration": lambda p: p.write(".dvc/config.local", "[cache]\n    type = hardlink\n"),
    "remote": lambda p: p.write(
        ".dvc/config", "[core]\n    remote = r\n['remote \"r\"']\n    url = /srv\n"
    ),
    "directory that Git no longer ignores": lambda p: (
        p.write(".gitignore", ""),
        p.stages({"was": {"cmd": "true"}}, path="ignored/dvc.yaml"),
    ),
}
IRRELEVANT: dict[str, Change] = {
    "README": lambda p: p.write("README.md", "other\n"),
    "data": lambda p: p.write("raw/data.csv", "5,6\n"),
    "code": lambda p: p.write("train.py", "print()\n"),
    "output": lambda p: p.write("tree/inside.txt", "other"),
    "file of DVC in an output": lambda p: p.write("tree/deep/dvc.yaml", "stages: {}\n"),
    "file of DVC that Git ignores": lambda p: p.write("ignored/dvc.yaml", "stages: {}\n"),
    "commit": lambda p: p.commit(),
    "lock file": lambda p: p.write("dvc.lock", "schema: '2.0'\nstages: {}\n"),
    "touched files": lambda p: [os.utime(p.root / f, (1, 1)) for f in ("dvc.yaml", "params.yaml")],
}


@pytest.mark.parametrize("change", RELEVANT.values(), ids=RELEVANT)
def test_change_of_what_it_was_read_from_is_seen(cached: DvcProject, change: Change) -> None:
    before = load(cached)

    change(cached)

    after = load(cached)
    assert after != before
    assert after == cached.manifest()
    assert load(cached) == after


@pytest.mark.parametrize("change", IRRELEVANT.values(), ids=IRRELEVANT)
def test_change_of_anything_else_costs_nothing(cached: DvcProject, change: Change) -> None:
    load(cached)
    before = read_version(cache_file(cached))

    change(cached)

    assert load(cached) == cached.manifest()
    assert read_version(cache_file(cached)) == before


def test_manifest_of_the_same_files_is_loaded_without_dvc(cached: DvcProject) -> None:
    load(cached)
    program = (
        "import sys; from pathlib import Path\n"
        "from resources.dvc.graph.manifest_cache import load_manifest\n"
        "from resources.stores.seal import seal_with\n"
        "seal = seal_with(bytes(32))\n"
        "assert len(load_manifest(Path(sys.argv[1]), Path(sys.argv[2]), seal, None).stages) == 7\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('dvc', 'ruamel')])\n"
    )

    finished = subprocess.run(
        [sys.executable, "-c", program, str(cached.root), str(state(cached))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.stdout == "[]\n", finished.stderr


@pytest.mark.parametrize("text", ["", "garbage", "abc\n{}", "abc\n[]", "\0"])
def test_broken_cache_is_read_anew(cached: DvcProject, text: str) -> None:
    before = load(cached)
    cache_file(cached).write_text(text)

    assert load(cached) == before
    assert cache_file(cached).read_text() != text


@pytest.mark.parametrize(("old", "new"), [('"schema":', '"schema":1'), ("echo x", "rm -rf ~")])
def test_graph_that_a_stage_has_changed_is_read_anew(
    cached: DvcProject, old: str, new: str
) -> None:
    before = load(cached)
    edit(".ml-assets/state/manifest/worktree.json", old, new)(cached)

    assert load(cached) == before


def test_graph_that_was_sealed_by_somebody_else_is_read_anew(cached: DvcProject) -> None:
    before = load(cached)
    load_manifest(cached.root, state(cached), seal_with(b"\1" * 32), None)
    theirs = cache_file(cached).read_bytes()

    assert load(cached) == before
    assert cache_file(cached).read_bytes() != theirs


def test_graph_of_one_commit_does_not_pass_for_that_of_another(cached: DvcProject) -> None:
    first = cached.git("rev-parse", "HEAD")
    edit("dvc.yaml", "mkdir -p tree", "mkdir tree")(cached)
    second = cached.commit()
    load_manifest_at(cached.root, first, state(cached), SEAL, None)
    directory = state(cached) / "manifest"
    (directory / f"{second}.json").write_bytes((directory / f"{first}.json").read_bytes())

    found = load_manifest_at(cached.root, second, state(cached), SEAL, None)
    assert found.by_name["tree"].command == "mkdir tree"


def test_copy_of_a_repository_does_not_use_the_cache_of_the_original(
    template: DvcProject, tmp_path: Path
) -> None:
    copy = template.copy(tmp_path / "copy")

    assert load(copy).layout.cache_dir == str(copy.root / ".dvc" / "cache")


def test_directory_without_dvc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a DVC repository") as error:
        load_manifest(tmp_path, tmp_path / "state", SEAL, None)

    assert "dvc init" in error.value.hint


def test_repository_that_dvc_cannot_read_is_refused_and_not_cached(cached: DvcProject) -> None:
    text = (cached.root / "dvc.yaml").read_text()
    good = load(cached)
    cached.write("dvc.yaml", text + "  twice: {cmd: x, outs: [tree]}\n")

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="tree"):
            load(cached)

    cached.write("dvc.yaml", text)
    assert load(cached) == good


def test_manifest_of_a_commit_is_that_of_its_files(cached: DvcProject) -> None:
    first = cached.git("rev-parse", "HEAD")
    edit("dvc.yaml", "mkdir -p tree", "mkdir tree")(cached)
    second = cached.commit()
    cached.write("dvc.yaml", "stages: {}\n")

    commands = [
        load_manifest_at(cached.root, commit, state(cached), SEAL, None).by_name["tree"].command
        for commit in (first, second, first)
    ]

    assert commands == ["mkdir -p tree", "mkdir tree", "mkdir -p tree"]


def test_manifest_of_a_commit_is_read_once(cached: DvcProject) -> None:
    commit = cached.git("rev-parse", "HEAD")
    first = load_manifest_at(cached.root, commit, state(cached), SEAL, None)
    file = state(cached) / "manifest" / f"{commit}.json"
    before = read_version(file)
    cached.write("params.yaml", "name: other\nrate: 2\n")

    assert load_manifest_at(cached.root, commit, state(cached), SEAL, None) == first
    assert read_version(file) == before


def test_configuration_of_this_machine_changes_the_manifest_of_a_commit(
    cached: DvcProject,
) -> None:
    commit = cached.git("rev-parse", "HEAD")
    before = load_manifest_at(cached.root, commit, state(cached), SEAL, None).layout

    cached.write(".dvc/config.local", "[cache]\n    type = hardlink\n")

    after = load_manifest_at(cached.root, commit, state(cached), SEAL, None).layout
    assert (before.links, after.links) == (("reflink", "copy"), ("hardlink",))
