"""A watched repository with all that the UI shows: data, a model, its evaluation, a report."""

from __future__ import annotations

from pathlib import Path

from tests.integration.watch.pushed import Pushed, make_pushed

SETTINGS = """\
[watch]
interval = 1

[owners]
"model.pkl" = ["team:forecasting"]

[gates.data."data.csv"]
rows = { min = 2 }
"""

POLICY = """\
version = 1
[environments.materialize]
default = { level = "advisory" }
[environments.materialize.gates]
model-file = { level = "if-present", severity = "medium" }
[environments.staging]
extends = "materialize"
branch = "develop"
[environments.production]
extends = "staging"
branch = "main"
"""

STAGES = """\
stages:
  prepare:
    desc: Leave out what was not measured
    cmd: python prepare.py
    deps: [prepare.py, raw.csv]
    outs: [data.csv]
  train:
    desc: Fit the model to the measurements
    cmd: python train.py
    deps: [train.py, data.csv]
    params: [depth]
    outs: [model.pkl]
  evaluate:
    desc: Measure the model
    cmd: python evaluate.py
    deps: [evaluate.py, model.pkl, data.csv]
    outs:
      - report.md
      - report.html
    metrics:
      - metrics.json:
          cache: false
    plots:
      - roc.csv:
          template: linear
          x: false_positive_rate
          y: true_positive_rate
artifacts:
  forecast:
    type: model
    path: model.pkl
    desc: The forecast of tomorrow
"""

FILES = {
    "dvc.yaml": STAGES,
    "ml-assets.toml": SETTINGS,
    ".ml-assets/policy.toml": POLICY,
    ".gitignore": "/data.csv\n/model.pkl\n/report.*\n/roc.csv\n",
    "params.yaml": "depth: 2\n",
    "raw.csv": "day,value\n" + "".join(f"{day},{day % 7 + 0.5}\n" for day in range(60)),
    "prepare.py": "import shutil\n\nshutil.copy('raw.csv', 'data.csv')\n",
    "train.py": """\
import csv
import pickle

import yaml

depth = yaml.safe_load(open("params.yaml"))["depth"]
rows = [float(row["value"]) for row in csv.DictReader(open("data.csv"))]
model = {"depth": depth, "mean": sum(rows) / len(rows)}
with open("model.pkl", "wb") as stream:
    pickle.dump(model, stream)
print(f"depth {depth}, {len(rows)} rows")
""",
    "evaluate.py": """\
import json

import yaml

auc = 0.7 + yaml.safe_load(open("params.yaml"))["depth"] / 20
json.dump({"auc": auc}, open("metrics.json", "w"))
with open("roc.csv", "w") as stream:
    stream.write("false_positive_rate,true_positive_rate\\n")
    stream.writelines(f"{n / 20},{(n / 20) ** (1 - auc)}\\n" for n in range(21))
open("report.md", "w").write(f"# Forecast\\n\\nAUC **{auc}**\\n\\n<script>alert(1)</script>\\n")
open("report.html", "w").write(f"<h1>AUC {auc}</h1><script>alert(1)</script>")
""",
}

#: A model that runs a command in whoever loads it.
POISONED = FILES["train.py"].replace(
    "with open(",
    "class Model:\n    def __reduce__(self):\n        import os\n\n"
    "        return os.system, ('id',)\n\n\nmodel = Model()\nwith open(",
)


def make_watched(home: Path) -> Pushed:
    """Make the repository, with two branches that nothing has run on."""
    pushed = make_pushed(home, SETTINGS)
    pushed.push("main", {**FILES, "depth.txt": None, "raw.txt": None}, "The pipeline")
    pushed.git("push", "--quiet", "origin", "main:develop")
    pushed.git("fetch", "--quiet")
    pushed.must("git", "pull", "--quiet", directory=pushed.served)
    return pushed
