"""A small project for gates: three stages, what they run, and what must keep them from running."""

from tests.integration.contract.repository import Repository

CLEAN = "import pathlib\npathlib.Path('model.pkl').write_bytes({model})\n"
#: A list of two floats, pickled: what loads it can run nothing.
HARMLESS = b"\x80\x04]\x94(G?\xf0\x00\x00\x00\x00\x00\x00G@\x00\x00\x00\x00\x00\x00\x00e."
#: Runs a command when it is loaded.
MALICIOUS = b"cos\nsystem\n(S'touch loaded'\ntR."
#: What bandit calls B602, of high severity and high confidence.
DIRTY = "import subprocess\nsubprocess.call('ls ' + input(), shell=True)\n"


def build(repository: Repository, model: bytes = HARMLESS) -> None:
    """Write three stages: data, a model of it, and a number about the model."""
    repository.write("raw.txt", "1\n2\n")
    repository.write("train.py", CLEAN.format(model=model))
    repository.stages(
        {
            "prepare": {
                "cmd": "sort raw.txt > data.txt",
                "deps": ["raw.txt"],
                "outs": ["data.txt"],
            },
            "train": {
                "cmd": "python3 train.py",
                "deps": ["data.txt", "train.py"],
                "outs": ["model.pkl"],
            },
            "evaluate": {
                "cmd": "wc -c < model.pkl > size.txt",
                "deps": ["model.pkl"],
                "outs": ["size.txt"],
            },
        }
    )
