"""A small Git + DVC repository that a user could have: a dataset, two candidates, an evaluation."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGES = """\
stages:
  train:
    foreach: [cubic, linear]
    do:
      desc: Fit one candidate to the measurements
      cmd: python code/train.py ${item}
      deps:
        - code/train.py
        - data/measurements.csv
      params:
        - train
      outs:
        - models/${item}.json:
            desc: A candidate as its coefficients
  evaluate:
    desc: Choose the better candidate and measure it
    cmd: python code/evaluate.py
    deps:
      - code/evaluate.py
      - data/measurements.csv
      - models/cubic.json
      - models/linear.json
    params:
      - evaluate
    outs:
      - models/best.json
    metrics:
      - reports/metrics.json:
          cache: false
    plots:
      - reports/roc.csv:
          template: linear
          title: ROC of the better candidate
          x: false_positive_rate
          y: true_positive_rate
  publish:
    desc: Write the model card, or fail where params.yaml says so
    cmd: python code/publish.py
    deps:
      - code/publish.py
      - reports/metrics.json
    params:
      - publish
    outs:
      - reports/card.md
  announce:
    desc: Tell the world about the model card
    cmd: python code/announce.py
    deps:
      - code/announce.py
      - reports/card.md
    outs:
      - reports/announcement.txt

artifacts:
  measurements:
    type: dataset
    path: data/measurements.csv
    desc: Measurements of two hundred days
  best:
    type: model
    path: models/best.json
    desc: The better candidate
    labels: [regression, tabular]
"""

PARAMS = """\
train:
  scale: 1.0
evaluate:
  threshold: 0.5
publish:
  fail: false
"""

SETTINGS = """\
[owners]
"models/*" = ["team:forecasting"]
"data/*" = ["data@example.invalid"]
"""

# Every stage notes that it ran, so that a test need not believe what any tool reports.
_PREAMBLE = """\
import csv, json, os, pathlib, sys
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
with open(ROOT / "ran.txt", "a") as notes:
    notes.write(os.environ["DVC_STAGE"] + "\\n")
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
(ROOT / "models").mkdir(exist_ok=True)
(ROOT / "reports").mkdir(exist_ok=True)
"""

CODE = {
    "train.py": """\
name = sys.argv[1]
rows = list(csv.DictReader(open(ROOT / "data/measurements.csv")))
mean = sum(float(row["value"]) for row in rows) / len(rows)
degree = {"linear": 1, "cubic": 3}[name]
print(f"fitting {name} to {len(rows)} rows")
model = {"name": name, "coefficients": [PARAMS["train"]["scale"] * mean] * (degree + 1)}
(ROOT / f"models/{name}.json").write_text(json.dumps(model))
""",
    "evaluate.py": """\
models = [json.loads((ROOT / f"models/{name}.json").read_text()) for name in ("cubic", "linear")]
best = max(models, key=lambda model: len(model["coefficients"]))
(ROOT / "models/best.json").write_text(json.dumps(best))
threshold = PARAMS["evaluate"]["threshold"]
metrics = {"auc": round(0.95 - threshold / 4, 4), "rows": {"test": 200}}
(ROOT / "reports/metrics.json").write_text(json.dumps(metrics))
with open(ROOT / "reports/roc.csv", "w", newline="") as stream:
    writer = csv.writer(stream)
    writer.writerow(["false_positive_rate", "true_positive_rate"])
    for step in range(21):
        writer.writerow([step / 20, round((step / 20) ** threshold, 4)])
print(f"auc {metrics['auc']}")
""",
    "publish.py": """\
if PARAMS["publish"]["fail"]:
    sys.exit("the printer is on fire")
metrics = (ROOT / "reports/metrics.json").read_text()
(ROOT / "reports/card.md").write_text("# Model card\\n\\n" + metrics)
""",
    "announce.py": """\
(ROOT / "reports/announcement.txt").write_text((ROOT / "reports/card.md").read_text().upper())
""",
}

#: What every command of these tests gets instead of the user's variables.
_KEPT = ("PATH", "TMPDIR", "LANG")


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict), self.stdout
        return document


@dataclass(frozen=True)
class Sample:
    """The repository at `root`, with a home directory of its own beside it."""

    root: Path
    branch: str = "main"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of every command: few, with the tested environment's programs first."""
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in os.environ if name in _KEPT or "GIT_" in name}
        programs = str(Path(sys.executable).parent)
        return {
            **kept,
            "PATH": f"{programs}{os.pathsep}{kept['PATH']}",
            "HOME": str(home),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
            "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
        }

    def run(
        self, *command: str, extra: Mapping[str, str] | None = None, seconds: float = 120
    ) -> Finished:
        """Run a command at the root, whatever its exit code."""
        finished = subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **(extra or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Finished(finished.returncode, finished.stdout, finished.stderr)

    def must(self, *command: str, extra: Mapping[str, str] | None = None) -> Finished:
        """Run a command at the root that must succeed."""
        finished = self.run(*command, extra=extra)
        assert finished.code == 0, f"{command}: {finished}"
        return finished

    def materialize(self) -> dict[str, Any]:
        """Run `ml-assets run --json`, which must succeed, and return its document."""
        return self.must("ml-assets", "run", "--json").document

    def dvc_status(self, *targets: str) -> dict[str, Any]:
        """Return what `dvc status` says; empty where it says that all is up to date."""
        status = json.loads(self.must("dvc", "status", "--json", *targets).stdout)
        assert isinstance(status, dict), status
        return status

    def write(self, path: str, text: str) -> None:
        """Write a file, with its directory."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file that holds it."""
        text = self.read(path)
        assert old in text, f"{path} does not hold: {old}"
        self.write(path, text.replace(old, new))

    def read(self, path: str) -> str:
        """Read a file."""
        return (self.root / path).read_text(encoding="utf-8")

    def md5(self, path: str) -> str:
        """Return the MD5 of a file, which is what DVC calls it by."""
        content = (self.root / path).read_bytes()
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def ran(self) -> list[str]:
        """Return the names of the stages whose command has run, in order, and forget them."""
        notes = self.root / "ran.txt"
        names = notes.read_text(encoding="utf-8").split("\n")[:-1] if notes.exists() else []
        notes.unlink(missing_ok=True)
        return names


def make_sample(root: Path) -> Sample:
    """Make the repository: committed, with its dataset added to DVC, and nothing run yet."""
    root.mkdir(parents=True)
    sample = Sample(root)
    sample.must("git", "init", "--quiet", "--initial-branch", sample.branch)
    sample.must("dvc", "init", "--quiet")
    sample.write(".gitignore", "/ran.txt\n")
    sample.write("ml-assets.toml", SETTINGS)
    sample.write("params.yaml", PARAMS)
    sample.write("dvc.yaml", STAGES)
    rows = "".join(f"{day},{day % 17 + 0.5}\n" for day in range(200))
    sample.write("data/measurements.csv", f"day,value\n{rows}")
    for name, code in CODE.items():
        sample.write(f"code/{name}", _PREAMBLE + code)
    sample.must("dvc", "add", "--quiet", "data/measurements.csv")
    sample.must("git", "add", "--all")
    sample.must("git", "commit", "--quiet", "--message", "the pipeline")
    return sample


def copy_sample(sample: Sample, root: Path) -> Sample:
    """Copy a repository with everything that DVC and Git know, and nothing of ml-assets'."""
    ignored = shutil.ignore_patterns("state")
    shutil.copytree(sample.root, root, symlinks=True, ignore=ignored)
    return Sample(root)
