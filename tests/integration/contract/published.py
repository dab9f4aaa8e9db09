"""A published repository: its data lies in a remote, and clones of it have none."""

import subprocess
from pathlib import Path

from .repository import Repository

LARGE = b"0123456789abcdef" * 8192  # bytes enough to be linked and not copied


def build(repository: Repository) -> None:
    """Added data, a directory that is read in part, one that outs lie in, a metric in Git."""
    repository.write("raw.csv", "1,2\n3,4\n")
    repository.write("large.txt", LARGE)
    repository.dvc("add", "--quiet", "raw.csv", "large.txt")
    repository.write("count.txt", "rows\n")
    repository.write("gathered/note.txt", "tracked by Git\n")
    repository.stages(
        {
            "split": {
                "cmd": "mkdir -p parts/deep && cp raw.csv parts/one && cp raw.csv parts/deep/two",
                "deps": ["raw.csv"],
                "outs": ["parts"],
            },
            "part": {
                "cmd": "cat parts/deep/two > gathered/part",
                "deps": ["parts/deep/two"],
                "outs": ["gathered/part"],
            },
            "size": {
                "cmd": "wc -c < large.txt > size.txt",
                "deps": ["large.txt"],
                "outs": ["size.txt"],
            },
            "all": {"cmd": "cat gathered/* > all.txt", "deps": ["gathered"], "outs": ["all.txt"]},
            "count": {
                "cmd": "cat count.txt all.txt | wc -l > count",
                "deps": ["count.txt", "all.txt"],
                "metrics": [{"count": {"cache": False}}],
            },
        }
    )
    repository.repro()


def publish(repository: Repository, url: str) -> None:
    """Push everything to a remote, and commit what leads there."""
    repository.dvc("remote", "add", "--default", "--quiet", "store", url)
    repository.dvc("push", "--quiet")
    repository.commit("published")


def clone(repository: Repository, home: Path) -> Repository:
    """Clone a repository: what Git does not track is not there."""
    home.mkdir(parents=True)
    subprocess.run(
        ["git", "clone", "--quiet", str(repository.root), str(home / "work")],
        env=repository.environment(),
        check=True,
    )
    return Repository(home, repository.tools, repository.below)


def present(repository: Repository, *paths: str) -> list[str]:
    """Return which of some paths are there."""
    return [path for path in paths if (repository.project / path).exists()]


def cached(repository: Repository) -> list[str]:
    """Return the md5 of everything in the cache of a repository."""
    objects = repository.project / ".dvc" / "cache" / "files" / "md5"
    return sorted(f"{one.parent.name}{one.name}" for one in objects.glob("??/*"))


def recorded(repository: Repository, path: str) -> str:
    """Return the md5 that is recorded of an out."""
    import yaml

    for file in (repository.project / f"{path}.dvc", repository.project / "dvc.lock"):
        if file.exists():
            document = yaml.safe_load(file.read_text())
            entries = [document, *document.get("stages", {}).values()]
            for entry in entries:
                for out in entry.get("outs", ()):
                    if out["path"] == path:
                        return str(out["md5"])
    raise AssertionError(f"not recorded: {path}")


def stored(store: Path, md5: str) -> Path:
    """Return where an object lies in a remote that is a directory."""
    return store / "files" / "md5" / md5[:2] / md5[2:]
