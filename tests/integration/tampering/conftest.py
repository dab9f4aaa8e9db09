"""The signed project that every test of tampering copies or reads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.contract.repository import Repository
from tests.integration.gates.gated_project import CLEAN, HARMLESS
from tests.integration.tampering.verified_project import VerifiedProject

#: Another list of two floats than ``HARMLESS``: equal bytes would share their proof.
OTHER = b"\x80\x04]\x94(G?\xf0\x00\x00\x00\x00\x00\x00G@\x08\x00\x00\x00\x00\x00\x00e."
NET = """\
import pathlib
net = pathlib.Path('net/deep')
net.mkdir(parents=True)
(net / 'a.pkl').write_bytes({model})
(net.parent / 'b.txt').write_bytes(b'notes')
"""
STAGES = {
    "prepare": {"cmd": "sort raw.txt > data.txt", "deps": ["raw.txt"], "outs": ["data.txt"]},
    "train": {
        "cmd": "python3 train.py",
        "deps": ["data.txt", "train.py"],
        "outs": ["model.pkl"],
    },
    "fit": {"cmd": "python3 fit.py", "deps": ["data.txt", "fit.py"], "outs": ["net"]},
}


@pytest.fixture(scope="session")
def signed(
    empty_repository: Repository, tmp_path_factory: pytest.TempPathFactory
) -> VerifiedProject:
    """A committed run with a model file and a model directory; only ever copied or read."""
    repository = empty_repository.copy(tmp_path_factory.mktemp("tampering") / "origin")
    repository.write("raw.txt", "2\n1\n")
    repository.write("train.py", CLEAN.format(model=HARMLESS))
    repository.write("fit.py", NET.format(model=OTHER))
    repository.stages(STAGES, artifacts={"net": {"path": "net", "type": "model"}})
    repository.commit("pipeline")
    assert repository.ml_assets("keys", "generate").code == 0
    repository.commit("trust")
    repository.run()
    repository.commit("lock")
    return VerifiedProject(repository)


@pytest.fixture(autouse=True)
def user(signed: VerifiedProject) -> Iterator[None]:
    """Verify as the user of the project, with the environment of its commands."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in signed.repository.environment().items():
            patch.setenv(name, value)
        patch.delenv("XDG_CONFIG_HOME", raising=False)
        yield


@pytest.fixture
def project(signed: VerifiedProject, tmp_path: Path) -> VerifiedProject:
    """A copy to change."""
    return signed.copy(tmp_path / "copy")
