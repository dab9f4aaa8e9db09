"""Permissions of outs, as `dvc repro` leaves them, of a run and of a restored run."""

import shutil

import pytest

from .comparison import NAMES, Pair
from .conftest import PairOf
from .repository import Repository
from .snapshot import take_snapshot

MODES = ("755", "700", "711", "600", "664", "444")
CACHES = ("", "copy", "hardlink", "symlink")


def outs_with_modes(repository: Repository) -> None:
    """A file and a member of a directory for each mode, with links, and metrics that stay."""
    repository.write("input.txt", "1\n")
    files = "; ".join(f"echo {mode} > f{mode}; chmod {mode} f{mode}" for mode in MODES)
    members = "; ".join(f"echo d{mode} > d/f{mode}; chmod {mode} d/f{mode}" for mode in MODES)
    linked = "echo t > target; chmod 755 target; ln -sf target link; ln -sf f755 d/link"
    metric = "echo '{}' > m.json; chmod 700 m.json; ln -sf m.json n.json"
    repository.stages(
        {
            "modes": {
                "cmd": f"{files}; mkdir -p d; {members}; {linked}; {metric}",
                "deps": ["input.txt"],
                "outs": [*(f"f{mode}" for mode in MODES), "d", "link"],
                "metrics": [{name: {"cache": False}} for name in ("m.json", "n.json")],
            }
        }
    )


def run_both(pair: Pair, when: str) -> None:
    """Run both and compare; `dvc status` between would take the execute bit from links."""
    assert pair.reference.repro().ran == pair.judged.run().ran, when
    assert_same_permissions(pair, when)


def assert_same_permissions(pair: Pair, when: str) -> None:
    """Compare all bits of permissions, also those of the group and of others."""
    mine, its = (take_snapshot(one, mask=0o777) for one in (pair.reference, pair.judged))
    assert not (found := mine.differences(its, NAMES)), f"{when}\n" + "\n".join(found)


def remove_outs(repository: Repository) -> None:
    """Remove all outs, so that the run cache has to bring them back."""
    shutil.rmtree(repository.project / "d")
    for name in (*(f"f{mode}" for mode in MODES), "link", "m.json", "n.json"):
        (repository.project / name).unlink()


@pytest.mark.parametrize("cache", CACHES, ids=lambda cache: cache or "default")
def test_permissions_are_those_of_dvc_repro(
    repository: Repository, pair_of: PairOf, cache: str
) -> None:
    if cache:
        repository.dvc("config", "cache.type", cache)
    outs_with_modes(repository)
    repository.commit()
    pair = pair_of(repository)
    run_both(pair, "first run")
    pair.change(remove_outs)
    run_both(pair, "restored")


def test_executable_that_a_pull_places_has_the_permissions_of_dvc_checkout(
    repository: Repository, pair_of: PairOf
) -> None:
    repository.stages(
        {
            "tool": {"cmd": "echo true > tool; chmod 755 tool", "outs": ["tool"]},
            "use": {"cmd": "./tool && echo 1 > used", "deps": ["tool"], "outs": ["used"]},
        }
    )
    repository.repro()
    repository.commit()
    pair = pair_of(repository)
    pair.change(lambda one: one.remove("tool"))
    pair.change(lambda one: one.edit("dvc.yaml", "echo 1", "echo 2"))
    pair.reference.dvc("checkout", "tool")
    pair.reference.repro("--single-item", "use")
    pair.judged.run("--pull", "--select", "use")
    assert_same_permissions(pair, "placed")
