"""Claims: of many that ask at once, one gets it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_assets.branches import run_claim
from resources.stores.seal import seal_with

_SEAL = seal_with(b"secret")


def claim(directory: Path, name: str, holder: str) -> str:
    return run_claim.claim(directory, name, holder, _SEAL)


def test_first_holder_keeps_it(tmp_path: Path) -> None:
    assert claim(tmp_path / "claims", "feature/x@c0", "one") == "one"
    assert claim(tmp_path / "claims", "feature/x@c0", "two") == "one"
    assert claim(tmp_path / "claims", "feature/x@c0", "one") == "one"
    assert claim(tmp_path / "claims", "feature_x@c0", "two") == "two"


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    names = [f"run-{number}" for number in range(24)]
    with ThreadPoolExecutor(12) as pool:
        holders = list(pool.map(lambda name: claim(tmp_path, "main@c0", name), names))
    assert len(set(holders)) == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("text", ["nobody", "nobody\n", "nobody\n00", "", "\n" * 9999, "ü\xff\n1"])
def test_claim_without_a_seal_keeps_no_commit_from_its_run(tmp_path: Path, text: str) -> None:
    """A stage of another branch claims the next commit, so that it would not be judged."""
    (tmp_path / "main@c1").write_text(text)
    assert claim(tmp_path, "main@c1", "one") == "one"
    assert claim(tmp_path, "main@c1", "two") == "one"


def test_claim_of_another_commit_is_none_of_this_one(tmp_path: Path) -> None:
    assert claim(tmp_path, "main@c0", "one") == "one"
    (tmp_path / "main@c0").rename(tmp_path / "main@c1")
    assert claim(tmp_path, "main@c1", "two") == "two"
