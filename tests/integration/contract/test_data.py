"""Data that no stage makes: `dvc add`, `dvc import-url`, `dvc import`; each against `dvc repro`."""

from pathlib import Path

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository


def added(repository: Repository) -> None:
    """A file and a directory that were added, and stages that read them."""
    repository.write("data/rows.csv", "1\n2\n")
    repository.write("images/one", "1")
    repository.write("images/deep/two", "2")
    repository.dvc("add", "--quiet", "data/rows.csv", "images")
    repository.stages(
        {
            "count": {
                "cmd": "wc -l < data/rows.csv > count.txt",
                "deps": ["data/rows.csv"],
                "outs": ["count.txt"],
            },
            "list": {
                "cmd": "find images -type f | LC_ALL=C sort > list.txt",
                "deps": ["images"],
                "outs": ["list.txt"],
            },
            "one": {
                "cmd": "cp images/deep/two two.txt",
                "deps": ["images/deep/two"],
                "outs": ["two.txt"],
            },
        }
    )


def replace_added_file(repository: Repository) -> None:
    """Change an added file without telling DVC."""
    repository.remove("data/rows.csv")
    repository.write("data/rows.csv", "1\n2\n3\n")


def change_added_directory(repository: Repository) -> None:
    """Add a file to an added directory and change another."""
    repository.write("images/three", "3")
    repository.remove("images/deep/two")
    repository.write("images/deep/two", "22")


def annotate(repository: Repository) -> None:
    """Write a description into the `.dvc` file by hand."""
    repository.edit("data/rows.csv.dvc", "outs:\n", "desc: by hand\nmeta: {rows: 3}\nouts:\n")


def change_annotated(repository: Repository) -> None:
    """Change the data of a `.dvc` file that holds more than DVC writes."""
    repository.remove("data/rows.csv")
    repository.write("data/rows.csv", "1\n")


def source_of(repository: Repository) -> Path:
    """Return a directory beside both copies, for sources that both import from."""
    source = repository.home.parent / "source"
    source.mkdir(exist_ok=True)
    return source


def imported_url(repository: Repository) -> None:
    """A file and a directory imported from local paths."""
    source = source_of(repository)
    (source / "rows.csv").write_text("1\n2\n", encoding="utf-8")
    (source / "folder").mkdir()
    (source / "folder" / "file").write_text("1\n", encoding="utf-8")
    (repository.outside / "near.csv").write_text("1\n", encoding="utf-8")
    repository.dvc("import-url", str(source / "rows.csv"))
    repository.dvc("import-url", str(source / "folder"), "folder")
    repository.dvc("import-url", str(source / "rows.csv"), "frozen.csv")
    repository.dvc("freeze", "frozen.csv.dvc")
    repository.dvc("import-url", "../outside/near.csv", "near.csv")
    repository.stages(
        {
            "use": {
                "cmd": "cat rows.csv folder/file frozen.csv near.csv > all.txt",
                "deps": ["rows.csv", "folder", "frozen.csv", "near.csv"],
                "outs": ["all.txt"],
            }
        }
    )


def change_near(repository: Repository) -> None:
    """Change the source that each copy has on its own."""
    (repository.outside / "near.csv").write_text("2\n", encoding="utf-8")


def thaw_imports(repository: Repository) -> None:
    """Thaw what `import-url` froze, so that a changed source is seen."""
    for name in ("near.csv.dvc", "rows.csv.dvc", "folder.dvc"):
        text = (repository.project / name).read_text(encoding="utf-8")
        repository.write(name, text.replace("frozen: true\n", ""))


def imported(repository: Repository) -> None:
    """Data and a file of Git imported from another Git + DVC repository."""
    source = Repository(source_of(repository), repository.tools)
    source.git("init", "--quiet", "--initial-branch=main")
    source.dvc("init", "--quiet")
    source.write("data.csv", "1\n")
    source.write("tree/file", "1\n")
    source.write("in_git.txt", "1\n")
    source.dvc("add", "--quiet", "data.csv", "tree")
    source.commit("first")
    source.git("tag", "v1")
    for name, *options in (("data.csv",), ("tree",), ("in_git.txt", "--rev", "v1")):
        repository.dvc("import", "--quiet", str(source.root), name, *options)
    repository.stages(
        {
            "use": {
                "cmd": "cat data.csv tree/file in_git.txt > all.txt",
                "deps": ["data.csv", "tree", "in_git.txt"],
                "outs": ["all.txt"],
            }
        }
    )


def remove_result(repository: Repository) -> None:
    """Remove the out of the stage that reads the imports."""
    repository.remove("all.txt")


FEATURES = (
    Feature(
        "added-data",
        added,
        (replace_added_file, change_added_directory, annotate, change_annotated),
    ),
    Feature("import-url", imported_url, (change_near, thaw_imports)),
    Feature("import", imported, (remove_result,)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_data_is_tracked_as_by_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


@pytest.mark.parametrize("feature", [Feature("import-url", imported_url)], ids=str)
def test_changed_source_of_a_thawed_import_is_fetched(feature: Feature, pair: Pair) -> None:
    pair.change(thaw_imports)
    pair.run("first run")
    source = source_of(pair.reference)
    (source / "rows.csv").write_text("1\n2\n3\n", encoding="utf-8")
    (source / "folder" / "other").write_text("2\n", encoding="utf-8")
    ran = pair.run("after a change of the source")
    assert sorted(ran) == ["use"]
    assert (pair.judged.project / "rows.csv").read_text(encoding="utf-8") == "1\n2\n3\n"
    assert (pair.judged.project / "frozen.csv").read_text(encoding="utf-8") == "1\n2\n"


@pytest.mark.parametrize(
    "feature", [Feature("added-data", added), Feature("import", imported)], ids=str
)
def test_imported_or_added_data_that_only_the_cache_holds(feature: Feature, pair: Pair) -> None:
    """Data in the cache and not in the working tree, as in a fresh clone with a shared cache.

    `dvc repro` wants `dvc checkout` first. Whatever ml-assets does must be one of the two: the same
    result as `dvc checkout` and `dvc repro`, or a refusal that says what to type.
    """
    judged = pair.judged
    files = [str(path.relative_to(judged.project)) for path in judged.project.rglob("*?.dvc")]
    assert len(files) >= 2
    pair.change(lambda one: one.remove(*(name.removesuffix(".dvc") for name in files)))
    finished = judged.ml_assets("run", "--json")
    if finished.code != 0:
        assert finished.code in (2, 3), finished
        assert "dvc checkout" in finished.document["error"]["hint"], finished
        assert finished.ran == {}
        judged.dvc("checkout", *files)
    pair.reference.dvc("checkout", *files)
    expected = pair.reference.repro()
    if finished.code != 0:
        finished = judged.run()
    assert finished.ran == expected.ran
    pair.assert_same("with the data")
