"""Metrics, plots and `artifacts:`, each against `dvc repro`."""

import pytest

from .comparison import Feature, Pair, assert_equals_dvc_repro
from .conftest import PairOf
from .repository import Repository


def metrics(repository: Repository) -> None:
    """Metrics cached, not cached, with annotations, and in the top-level list."""
    repository.write("input.txt", "1\n")
    repository.write("committed.json", '{"by_hand": 1}\n')
    command = "echo '{\"auc\": 0.5, \"n\": '$(cat input.txt)'}'"
    repository.stages(
        {
            "evaluate": {
                "cmd": f"{command} > cached.json; {command} > plain.json; mkdir -p deep; "
                "echo 'loss: 1.0e-05' > deep/metrics.yaml; echo 'loss = 0.5' > toml.toml",
                "deps": ["input.txt"],
                "metrics": [
                    "cached.json",
                    {"plain.json": {"cache": False}},
                    {"deep/metrics.yaml": {"cache": False, "desc": "a loss"}},
                    {"toml.toml": {"cache": True, "persist": True}},
                ],
            },
            "after": {
                "cmd": "cp plain.json copy.json",
                "deps": ["plain.json"],
                "outs": ["copy.json"],
            },
        },
        metrics=["committed.json", "copy.json"],
    )


def edit_input(repository: Repository) -> None:
    """Change the dep."""
    repository.write("input.txt", "2\n")


def out_becomes_metric(repository: Repository) -> None:
    """Move an out to the metrics: the same path in another section."""
    repository.edit("dvc.yaml", "outs:\n    - copy.json", "metrics:\n    - copy.json")


def remove_plain(repository: Repository) -> None:
    """Remove a metric that no cache holds."""
    repository.remove("plain.json")


def plots(repository: Repository) -> None:
    """Plots with properties, directories and images, and the top-level list."""
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "draw": {
                "cmd": "mkdir -p plots/deep; printf 'x,y\\n0,1\\n1,2\\n' > plots/deep/line.csv; "
                "printf 'x,y\\n0,1\\n' > roc.csv; echo '[{\"a\": 1, \"b\": 2}]' > loss.json; "
                "printf '<svg xmlns=\"http://www.w3.org/2000/svg\"/>' > image.svg",
                "deps": ["input.txt"],
                "plots": [
                    "plots",
                    {"roc.csv": {"cache": False, "x": "x", "y": "y", "title": "ROC"}},
                    {"loss.json": {"x": "a", "y": "b", "template": "linear", "header": False}},
                    "image.svg",
                ],
            }
        },
        plots=[
            {"ROC curve": {"x": "x", "y": {"roc.csv": "y"}, "x_label": "fpr"}},
            "plots/deep/line.csv",
        ],
    )


def change_properties(repository: Repository) -> None:
    """Change how a plot looks and nothing that runs."""
    repository.edit("dvc.yaml", "title: ROC", "title: other")


def change_plot_command(repository: Repository) -> None:
    """Change what is drawn."""
    repository.edit("dvc.yaml", "> roc.csv", "| tail -1 > roc.csv")


def artifacts(repository: Repository) -> None:
    """`artifacts:` that names outs and files, in two pipelines."""
    repository.write("input.txt", "[1]\n")
    repository.stages(
        {"train": {"cmd": "cp input.txt model", "deps": ["input.txt"], "outs": ["model"]}},
        artifacts={
            "model": {
                "path": "model",
                "type": "model",
                "desc": "a model",
                "labels": ["x"],
                "meta": {"framework": "none"},
            },
            "raw": {"path": "input.txt", "type": "dataset"},
        },
    )
    repository.stages(
        {"train": {"cmd": "cp ../input.txt m", "deps": ["../input.txt"], "outs": ["m"]}},
        path="other/dvc.yaml",
        artifacts={"other-model": {"path": "m", "type": "model"}},
    )


def edit_weights(repository: Repository) -> None:
    """Change the models' input to other numbers; what has no format of models would be refused."""
    repository.write("input.txt", "[2]\n")


def rename_artifact(repository: Repository) -> None:
    """Rename an artifact and change nothing that runs."""
    repository.edit("dvc.yaml", "  raw:\n", "  raw-data:\n")


FEATURES = (
    Feature("metrics", metrics, (edit_input, out_becomes_metric, remove_plain)),
    Feature("plots", plots, (change_properties, change_plot_command)),
    Feature("artifacts", artifacts, (rename_artifact, edit_weights)),
)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_metrics_plots_and_artifacts_equal_those_of_dvc_repro(feature: Feature, pair: Pair) -> None:
    assert_equals_dvc_repro(pair, feature.changes)


@pytest.mark.parametrize(
    "content",
    [r"\0", r"\377\001ab", r"\303\251\303\251\303\251", r"a\303\251aaaa", r"", r"\a\a\a\a"],
    ids=["nul", "bytes", "letters", "one letter", "empty", "control"],
)
def test_metric_is_refused_where_dvc_repro_takes_it_for_binary(
    pair_of: PairOf, repository: Repository, content: str
) -> None:
    repository.stages({"m": {"cmd": f"printf '{content}' > m", "metrics": ["m"]}})
    repository.commit()
    pair = pair_of(repository)
    expected = pair.reference.try_dvc("repro")
    finished = pair.judged.ml_assets("run")
    assert (expected.code == 0) == (finished.code == 0), f"{expected}\n{finished}"
    assert ("binary file" in expected.stderr) == ("binary file" in finished.stderr), finished
    pair.assert_same("after the metric")
