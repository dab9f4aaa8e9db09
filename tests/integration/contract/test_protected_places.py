"""What a stage of a run can write: all that it can under DVC, but not what we believe later."""

import base64
import json
import stat
from collections.abc import Collection
from typing import Any

import pytest

from .repository import Repository

ATTACKS = {
    "config": "git config core.pager evil",
    "branch": "git update-ref refs/heads/evil HEAD",
    "object": "echo evil | git hash-object -w --stdin",
    "remove": "rm -r .git",
    "hook": "echo evil > .git/hooks/post-checkout",
    "rename": "mv .git aside",
    "dvc": "echo evil > .dvc/config.local",
    "state": "echo evil > .ml-assets/state/evil",
    "results": "rm -r .ml-assets/state",
    "policy": "echo evil > .ml-assets/policy.toml",
    "keys": "ls ~/.config/ml-assets/* | grep .",
    "gitconfig": "echo evil >> ~/.gitconfig",
    "code": "touch $OUR_CODE/evil.py",
}
HONEST = {
    "dataset": "mkdir ~/scikit_learn_data",
    "configuration": "mkdir -p ~/.config/matplotlib",
    "database": "echo x > ~/mlflow.db",
    "sibling": "echo x > ../sibling.txt",
    "moved": "echo x > a && mv a ../b",
    "commit": "git rev-parse HEAD",
    "status": "git status --short",
    "temporary": "mktemp",
    "cache": "ls .dvc/cache",
    "scratch": "echo x > .dvc/tmp/x",
}


def probe(repository: Repository, without: Collection[str] = ()) -> set[str]:
    """Run a stage that tries everything; return what it could do."""
    tries = {name: code for name, code in {**ATTACKS, **HONEST}.items() if name not in without}
    lines = [f"if ({code}) >/dev/null 2>&1; then echo {name}; fi" for name, code in tries.items()]
    repository.write("try.sh", "\n".join(lines) + "\n")
    repository.stages(
        {"try": {"cmd": "sh try.sh > out.txt", "deps": ["try.sh"], "outs": ["out.txt"]}}
    )
    (repository.home / "user").mkdir(exist_ok=True)
    (repository.home / "user" / ".gitconfig").write_text("")
    repository.commit("a stage that tries everything")
    import ml_assets

    extra = {"OUR_CODE": str(ml_assets.__path__[0])}
    finished = repository.ml_assets("run", extra=extra)
    assert finished.code == 0, finished
    return set((repository.project / "out.txt").read_text().split())


def provenances(repository: Repository) -> list[dict[str, Any]]:
    """Return the internal parameters of all provenances in the ledger."""
    found = []
    for path in (repository.project / ".ml-assets" / "state" / "ledger").rglob("*.json"):
        payload = json.loads(path.read_bytes())["dsseEnvelope"]["payload"]
        statement = json.loads(base64.b64decode(payload))
        if statement["predicateType"] == "https://slsa.dev/provenance/v1":
            found.append(statement["predicate"]["buildDefinition"]["internalParameters"])
    return found


def test_stage_can_write_what_it_can_under_dvc_and_nothing_that_we_believe(
    repository: Repository,
) -> None:
    assert probe(repository) == set(HONEST)
    assert (repository.root / ".git" / "config").is_file()
    assert repository.ml_assets("plan").code == 0
    (one,) = provenances(repository)
    assert one["confined"] is True and "writable" not in one


def test_setting_lets_a_stage_write_and_provenance_says_so(repository: Repository) -> None:
    repository.write("ml-assets.toml", 'writable = [".git"]\n')
    found = probe(repository, without=("remove", "rename"))
    assert found == {*HONEST, "config", "branch", "object", "hook"}
    (one,) = provenances(repository)
    assert one["confined"] is True and one["writable"] == [".git"]


def test_setting_of_a_branch_counts_for_nothing(repository: Repository) -> None:
    repository.commit("the protected branch")
    repository.git("checkout", "--quiet", "-b", "feature")
    repository.write("ml-assets.toml", 'writable = [".git", ".dvc", ".ml-assets"]\n')
    assert probe(repository) == set(HONEST)


@pytest.mark.parametrize("link", [False, True])
def test_own_outs_keep_their_links_and_modes(repository: Repository, link: bool) -> None:
    """The view of a stage changes nothing for outs: they are placed by the run, outside of it."""
    if link:
        repository.dvc("config", "cache.type", "hardlink,symlink")
    repository.stages({"make": {"cmd": "head -c 100000 /dev/zero > o", "outs": ["o"]}})
    repository.commit()
    assert repository.ml_assets("run").code == 0
    found = (repository.project / "o").stat()
    assert found.st_size == 100_000
    assert found.st_nlink == (2 if link else 1)
    assert not stat.S_IMODE(found.st_mode) & stat.S_IXUSR
