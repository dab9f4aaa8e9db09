"""Names with odd characters: files, directories and stages; each against `dvc repro`."""

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .repository import Repository

NAMES = (
    "with space.txt",
    "  around  ",
    "ünïcödé ☃.txt",
    "日本語/データ.csv",
    "at@sign.txt",
    "hash#sign.txt",
    "#starts-with-hash",
    "it's.txt",
    'double"quote.txt',
    "star*.txt",
    "question?.txt",
    "[bracket].txt",
    "!bang.txt",
    "{brace}.txt",
    "dollar$HOME.txt",
    "back\\slash.txt",
    "-dash.txt",
    "colon: space.txt",
    "comma,semi;.txt",
    "percent%20.txt",
    "plus+equals=.txt",
    "tab\there.txt",
    "true",
    "null",
    "123",
    "1e5",
    "~tilde",
    "&anchor",
    "- item",
    ".hidden",
    "dots..txt",
    "upper/UPPER.TXT",
    "deep/" * 20 + "file.txt",
    "long-" + "x" * 120 + ".txt",
    "many words " * 12 + ".txt",
    "e\u0301 decomposed.txt",
    "😀.txt",
)


def quoted(name: str) -> str:
    """Return the name as one word of a POSIX shell, which `./` keeps from being an option."""
    return "'./" + name.replace("'", "'\\''") + "'"


def odd_names(repository: Repository) -> None:
    """Every odd name as an out of one stage, a dep of another, and a source file of Git."""
    stages = {}
    for number, name in enumerate(NAMES):
        folder = f"d{number}/" + "/".join(name.split("/")[:-1])
        repository.write(f"s{number}/{name}", f"{number}\n")
        stages[f"make{number:02}"] = {
            "cmd": f"mkdir -p {quoted(folder)}; "
            f"cp {quoted(f's{number}/{name}')} {quoted(f'd{number}/{name}')}",
            "deps": [f"s{number}/{name}"],
            "outs": [f"d{number}/{name}"],
        }
    stages["use"] = {
        "cmd": "cat " + " ".join(quoted(f"d{n}/{name}") for n, name in enumerate(NAMES)) + " > all",
        "deps": [f"d{number}/{name}" for number, name in enumerate(NAMES)],
        "outs": ["all"],
    }
    repository.stages(stages)


def change_some(repository: Repository) -> None:
    """Change every third source."""
    for number in range(0, len(NAMES), 3):
        repository.write(f"s{number}/{NAMES[number]}", "changed\n")


def odd_directories(repository: Repository) -> None:
    """Pipelines and directory outs in directories with odd names."""
    for number, name in enumerate(("a b", "ünï", "at@", "#h", "[x]", "it's", "!b")):
        repository.write(f"{name}/in put.txt", f"{number}\n")
        repository.write(f"{name}/my params.yaml", f"n: {number}\n")
        repository.stages(
            {
                "stage": {
                    "cmd": "mkdir 'out dir'; cp 'in put.txt' 'out dir/ünï #1.txt'",
                    "deps": ["in put.txt"],
                    "params": [{"my params.yaml": ["n"]}],
                    "outs": ["out dir"],
                },
                "with_underscore-and-dash9": {
                    "cmd": "cp 'out dir/ünï #1.txt' last",
                    "deps": ["out dir/ünï #1.txt"],
                    "outs": ["last"],
                },
            },
            path=f"{name}/dvc.yaml",
        )


def change_one_directory(repository: Repository) -> None:
    """Change one parameter in a directory with an odd name."""
    repository.write("[x]/my params.yaml", "n: 100\n")


def stage_names(repository: Repository) -> None:
    """Stage names at the limits of what DVC allows, and such that YAML reads as other types."""
    names = ("UPPER", "1", "007", "true", "null", "yes", "a-b_c", "ünï", "x y", "z" * 90)
    stages = {
        name: {"cmd": f"echo {number} > f{number}", "outs": [f"f{number}"]}
        for number, name in enumerate(names)
    }
    repository.stages(stages)


def change_stage(repository: Repository) -> None:
    """Change the command of the stage whose name looks like a number."""
    repository.edit("dvc.yaml", "echo 1 > f1", "echo one > f1")


FEATURES = (
    Feature("odd-file-names", odd_names, (change_some,)),
    Feature("odd-directory-names", odd_directories, (change_one_directory,)),
    Feature("stage-names", stage_names, (change_stage,)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_odd_names_are_written_as_by_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)
