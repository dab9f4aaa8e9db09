"""The three triggers of a run, on clones of one repository: command, Dagster, watched branch."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.gates.gated_project import CLEAN, HARMLESS
from tests.integration.watch.pushed import Pushed, make_pushed

POLICY = ".ml-assets/policy.toml"
SETTINGS = """\
[watch]
branches = ["main", "strict"]
[performance]
command = "cp report.json {report}"
model = "model.pkl"
"""
REPORT = {"verdict": "passed", "metrics": {"size": 10}, "failures": []}
#: While a stage trains, the protected branch moves. The stage asks for it: it cannot write Git's
#: directory itself.
STAGES = """\
stages:
  prepare:
    cmd: sort raw.txt > data.txt
    deps: [raw.txt]
    outs: [data.txt]
  train:
    cmd:
      - pwd > {asked}; while test -e {asked}; do sleep 0.05; done
      - python3 train.py
    deps: [data.txt, train.py]
    outs: [model.pkl]
  evaluate:
    cmd: wc -c < model.pkl > size.txt
    deps: [model.pkl]
    outs: [size.txt]
"""
#: The policy at the start of each run.
START = """\
version = 1
[environments.materialize]
default = { level = "advisory" }
[environments.materialize.gates]
data = { level = "if-present" }
model-file = { level = "if-present" }
"""
#: No stage may start, and no out passes, by this policy: there are no unit tests.
STRICT = """\
version = 1
[environments.materialize]
default = { level = "advisory" }
[environments.materialize.gates]
unit-tests = { level = "required" }
"""


@dataclass(frozen=True)
class Ending:
    """The end of one run.

    Attributes:
        checkout: the clone that it was started for.
        statements: all statements of its ledger.
    """

    checkout: Path
    statements: tuple[Mapping[str, Any], ...]

    def kinds(self) -> dict[tuple[str, str], int]:
        """Count the statements by predicate type and by the names and digests of their subjects."""
        counts: dict[tuple[str, str], int] = {}
        for one in self.statements:
            subjects = sorted(json.dumps(subject, sort_keys=True) for subject in one["subject"])
            key = one["predicateType"], "\n".join(subjects)
            counts[key] = counts.get(key, 0) + 1
        return counts

    def of_type(self, predicate: str) -> Iterator[Mapping[str, Any]]:
        """Yield the predicates of one type."""
        return (one["predicate"] for one in self.statements if one["predicateType"] == predicate)


class Triggers:
    """A pushed repository whose protected branch moves in the middle of each run."""

    def __init__(self, home: Path) -> None:
        self._asked = home / "asked" / "directory"
        self._asked.parent.mkdir()
        stages = STAGES.format(asked=self._asked)
        self.pushed = make_pushed(home, SETTINGS, stages=stages)
        files = {
            "raw.txt": "2\n1\n",
            "train.py": CLEAN.format(model=HARMLESS),
            "report.json": json.dumps(REPORT),
            ".gitignore": "/data.txt\n/model.pkl\n/size.txt\n",
            "dvc.yaml": stages,
            POLICY: START,
        }
        self.commit = self.pushed.push("main", files)
        self.strict = self.pushed.push("strict", {POLICY: STRICT})
        self.pushed.switch("main")

    def run_command(self) -> Ending:
        """Run ``ml-assets run``."""
        checkout = self._clone("command")
        with self._moves():
            self.pushed.must("ml-assets", "run", directory=checkout)
        return _read(checkout)

    def materialize(self) -> Ending:
        """Run ``dagster asset materialize`` in a working tree."""
        checkout = self._clone("dagster")
        self._dagster(checkout, "asset", "materialize", "--select", "*")
        return _read(checkout)

    def run_branch(self) -> Ending:
        """Run the job of a watched branch."""
        checkout = self._clone("branch")
        fetch = (
            "from pathlib import Path; from ml_assets.project.project import Project\n"
            "from ml_assets.branches.watch import watch_project\n"
            f"watch = watch_project(Project(Path({str(checkout)!r})))\n"
            "watch.mirror.fetch(['main', 'strict'], 'main'); print(watch.home)"
        )
        home = self.pushed.must(sys.executable, "-c", fetch, directory=checkout)
        self._dagster(checkout, "job", "execute", "--job", "reproduce_main", ML_ASSETS_WATCH=home)
        return _read(checkout)

    def _clone(self, name: str) -> Path:
        checkout = self.pushed.home / name
        self.pushed.must("git", "clone", "--quiet", str(self.pushed.remote), str(checkout))
        return checkout

    def _dagster(self, checkout: Path, *words: str, **variables: str) -> None:
        home = self.pushed.home / f"dagster-of-{checkout.name}"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
        given = {"DAGSTER_HOME": str(home), "ML_ASSETS_PROJECT": str(checkout), **variables}
        environment = [f"{name}={value}" for name, value in given.items()]
        module = ("--module-name", "ml_assets.definitions")
        with self._moves():
            self.pushed.must("env", *environment, "dagster", *words, *module, directory=home)

    @contextmanager
    def _moves(self) -> Iterator[None]:
        """Move the protected branch when a stage asks for it."""
        over = threading.Event()

        def move() -> None:
            while not over.wait(0.05):
                if self._asked.exists() and (place := self._asked.read_text().strip()):
                    refs = ("refs/remotes/origin/main", "refs/remotes/origin/strict")
                    self.pushed.must("git", "-C", place, "update-ref", *refs)
                    self._asked.unlink()

        thread = threading.Thread(target=move)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _read(checkout: Path) -> Ending:
    ledger = checkout / ".ml-assets" / "state" / "ledger"
    files = sorted(ledger.rglob("*.json"), key=os.fspath)
    envelopes = [json.loads(file.read_bytes())["dsseEnvelope"] for file in files]
    statements = [json.loads(base64.b64decode(one["payload"])) for one in envelopes]
    return Ending(checkout, tuple(statements))


def protected_commit(pushed: Pushed, ending: Ending) -> str:
    """Return where the protected branch of a clone is after the run."""
    ref = ("git", "rev-parse", "refs/remotes/origin/main")
    mirrors = list((pushed.home / "user" / "state").glob("ml-assets/watch/*/mirror.git"))
    directory = mirrors[0] if ending.checkout.name == "branch" else ending.checkout
    return pushed.must(*ref, directory=directory)
