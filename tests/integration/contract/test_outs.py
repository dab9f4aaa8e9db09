"""Outs: files, directories, uncached, persistent, executable; each against `dvc repro`."""

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository


def chain(repository: Repository) -> None:
    """Three file stages in a row."""
    repository.write("input.txt", "b\na\n")
    repository.stages(
        {
            "sort": {
                "cmd": "sort input.txt > sorted.txt",
                "deps": ["input.txt"],
                "outs": ["sorted.txt"],
            },
            "number": {
                "cmd": "nl sorted.txt > numbered.txt",
                "deps": ["sorted.txt"],
                "outs": ["numbered.txt"],
            },
            "empty": {
                "cmd": "cut -d: -f9 -s numbered.txt > empty.txt",
                "deps": ["numbered.txt"],
                "outs": ["empty.txt"],
            },
        }
    )


def edit_dep(repository: Repository) -> None:
    """Change the bytes of a dep."""
    repository.write("input.txt", "c\na\n")


def reorder_dep(repository: Repository) -> None:
    """Change a dep so that the first stage's out stays the same."""
    repository.write("input.txt", "a\nc\n")


def restore_dep(repository: Repository) -> None:
    """Give the dep its first bytes again: the run cache knows the outs."""
    repository.write("input.txt", "b\na\n")


def edit_command(repository: Repository) -> None:
    """Change the command of the stage in the middle."""
    repository.edit("dvc.yaml", "nl sorted.txt", "nl -ba sorted.txt")


def remove_out(repository: Repository) -> None:
    """Remove an out that is in the cache."""
    repository.remove("sorted.txt")


def damage_out(repository: Repository) -> None:
    """Change an out by hand."""
    repository.remove("numbered.txt")
    repository.write("numbered.txt", "by hand\n")


def add_dep(repository: Repository) -> None:
    """Give a stage a second dep, sorted before its first."""
    repository.write("a-first.txt", "1\n")
    repository.edit(
        "dvc.yaml", "deps:\n    - input.txt", "deps:\n    - input.txt\n    - a-first.txt"
    )


def add_stage(repository: Repository) -> None:
    """Add a stage whose name sorts before all others."""
    stage = "stages:\n  a_first:\n    cmd: echo 1 > one.txt\n    outs:\n    - one.txt\n"
    repository.edit("dvc.yaml", "stages:\n", stage)


def rename_out(repository: Repository) -> None:
    """Rename an out, its stage's command and its consumer."""
    repository.edit("dvc.yaml", "numbered.txt", "counted.txt")


def remove_stage(repository: Repository) -> None:
    """Remove the stage that nothing depends on."""
    text = (repository.project / "dvc.yaml").read_text(encoding="utf-8")
    repository.write("dvc.yaml", text[: text.index("  empty:")])


DIRECTORIES = """
mkdir -p {out}/deep/er {out}/empty "{out}/with space" {out}/many
printf x > {out}/file; printf y > {out}/deep/er/file; : > {out}/nothing
printf z > "{out}/with space/ünï.txt"; cp source.txt {out}/copy; cp source.txt {out}/deep/copy
i=0; while [ $i -lt 60 ]; do printf $i > {out}/many/f$i; i=$((i + 1)); done
"""


def directories(repository: Repository) -> None:
    """Directory outs: nested, with an empty directory, many files, and wholly empty."""
    repository.write("source.txt", "source\n")
    command = "; ".join(DIRECTORIES.format(out="tree").strip().splitlines())
    repository.stages(
        {
            "tree": {"cmd": command, "deps": ["source.txt"], "outs": ["tree"]},
            "hollow": {"cmd": "mkdir -p hollow", "deps": ["tree"], "outs": ["hollow"]},
            "slash": {"cmd": "cp -r tree/deep slash", "deps": ["tree/deep/"], "outs": ["slash/"]},
            "list": {
                "cmd": "find tree -type f | LC_ALL=C sort > below/list.txt",
                "deps": ["tree"],
                "outs": ["below/list.txt"],
            },
        }
    )
    repository.write("below/kept.txt", "in Git\n")


def edit_source(repository: Repository) -> None:
    """Change a file that two files of the directory are copies of."""
    repository.write("source.txt", "other\n")


def remove_file_of_directory(repository: Repository) -> None:
    """Remove one file of a directory out."""
    repository.remove("tree/deep/er/file")


def add_file_to_directory(repository: Repository) -> None:
    """Add a file to a directory out by hand."""
    repository.write("tree/stranger", "by hand\n")


def shrink_directory(repository: Repository) -> None:
    """Make a command write fewer files."""
    repository.edit("dvc.yaml", "-lt 60", "-lt 3")


def kinds(repository: Repository) -> None:
    """Outs that are not cached, persist, are executable, or carry annotations."""
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "uncached": {
                "cmd": "cp input.txt plain.txt; mkdir -p plain; cp input.txt plain/file",
                "deps": ["input.txt"],
                "outs": [{"plain.txt": {"cache": False}}, {"plain": {"cache": False}}],
            },
            "persistent": {
                "cmd": "cat input.txt >> log.txt; mkdir -p logs; n=$(ls logs | wc -l); "
                "echo $n > logs/n; cp log.txt logs/$(wc -l < log.txt)",
                "deps": ["input.txt"],
                "outs": [
                    {"log.txt": {"persist": True}},
                    {"logs": {"persist": True, "cache": True}},
                ],
            },
            "persistent_uncached": {
                "cmd": "cat input.txt >> journal.txt",
                "deps": ["input.txt"],
                "outs": [{"journal.txt": {"persist": True, "cache": False}}],
            },
            "executable": {
                "cmd": "mkdir tools; cp input.txt tools/run; cp input.txt tools/data; "
                "chmod +x tools/run; cp input.txt tool; chmod +x tool",
                "deps": ["input.txt"],
                "outs": ["tools", "tool"],
            },
            "annotated": {
                "cmd": "cp input.txt annotated.txt; cp input.txt kept.txt",
                "desc": "what it is for",
                "meta": {"owner": "somebody", "nested": {"list": [1, 2]}},
                "deps": ["input.txt"],
                "outs": [
                    {
                        "annotated.txt": {
                            "desc": "an out",
                            "type": "dataset",
                            "labels": ["a", "b"],
                            "meta": {"rows": 1},
                            "push": False,
                        }
                    },
                    {"kept.txt": {"remote": "elsewhere"}},
                ],
            },
        }
    )


def edit_input(repository: Repository) -> None:
    """Change the dep of every stage."""
    repository.write("input.txt", "2\n")


def restore_input(repository: Repository) -> None:
    """Give the dep its first bytes again."""
    repository.write("input.txt", "1\n")


def edit_annotations(repository: Repository) -> None:
    """Change what is said about a stage and an out, and nothing else."""
    repository.edit("dvc.yaml", "what it is for", "what it was for")
    repository.edit("dvc.yaml", "an out", "the out")


def remove_uncached(repository: Repository) -> None:
    """Remove an out that no cache holds."""
    repository.remove("plain.txt")


def cache_an_out(repository: Repository) -> None:
    """Let DVC cache what it did not cache before."""
    repository.edit("dvc.yaml", "- plain.txt:\n        cache: false", "- plain.txt")


def links(repository: Repository) -> None:
    """A dep that is a link, and a directory out that holds a link to a file."""
    repository.write("real/input.txt", "1\n")
    (repository.project / "input.txt").symlink_to("real/input.txt")
    (repository.project / "folder").symlink_to("real")
    repository.stages(
        {
            "copy": {"cmd": "cp input.txt copy.txt", "deps": ["input.txt"], "outs": ["copy.txt"]},
            "folder": {
                "cmd": "cp folder/input.txt from_folder.txt",
                "deps": ["folder"],
                "outs": ["from_folder.txt"],
            },
            "holder": {
                "cmd": "mkdir holder; cp copy.txt holder/file; ln -s file holder/link",
                "deps": ["copy.txt"],
                "outs": ["holder"],
            },
        }
    )


def edit_behind_link(repository: Repository) -> None:
    """Change the file that the link leads to."""
    repository.write("real/input.txt", "2\n")


def ignored_files(repository: Repository) -> None:
    """A directory dep and a directory out with files that `.dvcignore` names."""
    repository.write(".dvcignore", "*.tmp\n/folder/private\n")
    repository.write("folder/kept.txt", "1\n")
    repository.write("folder/skipped.tmp", "1\n")
    repository.write("folder/private/file", "1\n")
    repository.stages(
        {
            "copy": {
                "cmd": "mkdir copy; cp -r folder/. copy",
                "deps": ["folder"],
                "outs": ["copy"],
            }
        }
    )


def edit_ignored(repository: Repository) -> None:
    """Change only what is ignored: nothing may run."""
    repository.write("folder/skipped.tmp", "2\n")
    repository.write("folder/private/other", "2\n")


def edit_not_ignored(repository: Repository) -> None:
    """Change a file that is not ignored."""
    repository.write("folder/kept.txt", "2\n")


FEATURES = (
    Feature(
        "a-chain-of-files",
        chain,
        (
            edit_dep,
            reorder_dep,
            restore_dep,
            remove_out,
            damage_out,
            edit_command,
            add_dep,
            add_stage,
            rename_out,
            remove_stage,
        ),
    ),
    Feature(
        "directories",
        directories,
        (edit_source, remove_file_of_directory, add_file_to_directory, shrink_directory),
    ),
    Feature(
        "kinds-of-outs",
        kinds,
        (edit_input, restore_input, edit_annotations, remove_uncached, cache_an_out),
    ),
    Feature("links", links, (edit_behind_link,)),
    Feature("dvcignore", ignored_files, (edit_ignored, edit_not_ignored)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_outs_equal_those_of_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)
