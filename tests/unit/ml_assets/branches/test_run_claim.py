"""Claims: of many that ask at once, one gets it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ml_assets.branches.run_claim import claim


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
