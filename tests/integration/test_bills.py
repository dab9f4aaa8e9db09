"""Bills of materials of real repositories: what is in them, and what keeps one from being made."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_assets.cli import main
from ml_assets.project.project import Project
from ml_assets.project.rules import find_rules
from ml_assets.proof.bom.bills import build_environment_bill, build_model_bill
from resources.errors import ConfigurationError, UnavailableError
from security.bom.cyclonedx import BillError
from security.gates.interface import GateError
from tests.unit.resources.dvc_project import DvcProject, create_project
from tests.unit.security.bom.bill_profile import BillKind, check_bill
from tests.unit.security.bom.bill_samples import component, properties

ROOT = Path(__file__).parents[2]
A, B = "a" * 64, "b" * 64
LOCK = f"""\
One.Two==1.0 --hash=sha256:{A} --hash=sha256:{B}
three==2 --hash=sha256:{A}
windows==3 --hash=sha256:{A}
"""
SETTINGS = """\
[model-cards."*.txt"]
task = "classification"
approach = "supervised"
algorithm = "none"
users = ["testers"]
limitations = ["knows nothing"]
datasets = ["data/extra.csv"]
[model-cards."*.txt".risks]
unfair = "looked at"
"""
TRAIN = """\
import json, pathlib
pathlib.Path("model.txt").write_text(pathlib.Path("train.csv").read_text())
pathlib.Path("metrics.json").write_text(json.dumps({"f1": 0.5, "kind": "a", "night": {"f1": 1}}))
"""
STAGES = {
    "prepare": {"cmd": "sort data/raw.csv > train.csv", "deps": ["data/raw.csv"]},
    "train": {
        "cmd": "python3 train.py",
        "deps": ["train.csv", "train.py", "data/extra.csv"],
        "params": ["train"],
        "outs": ["model.txt"],
        "metrics": [{"metrics.json": {"cache": False}}],
    },
    "evaluate": {
        "cmd": "echo 'auc: 0.75' > auc.yaml",
        "deps": ["model.txt"],
        "metrics": [{"auc.yaml": {"cache": False}}],
    },
    "unrelated": {"cmd": "echo 1 > other.csv", "outs": ["other.csv"]},
}
ARTIFACTS = {
    "the-model": {"type": "model", "path": "model.txt", "desc": "A model", "labels": ["small"]},
    "the-data": {"type": "dataset", "path": "train.csv", "desc": "Numbers"},
}

PROGRAM = "import sys; from ml_assets.cli import main; sys.exit(main(sys.argv[1:]))"

Captured = pytest.CaptureFixture[str]


def install(root: Path, name: str, version: str, *lines: str, tail: bytes = b"") -> Path:
    """Lay down the metadata of a package, as an installer would."""
    site = next((root / ".venv" / "lib").glob("python3*")) / "site-packages"
    place = site / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    header = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines])
    (place / "METADATA").write_bytes(header.encode() + b"\n" + tail + b"\nA text.\n")
    return place


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> DvcProject:
    """A repository in which everything has run, with an environment of its own."""
    return make_template(tmp_path_factory.mktemp("bills") / "project")


def make_template(place: Path, *, run: bool = True) -> DvcProject:
    """Make a repository with an environment of its own, in which everything has run."""
    project = create_project(place)
    root = project.root
    source = project.write("elsewhere/raw.csv", "2\n1\n")
    (root / "data").mkdir()
    with project.dvc() as repo:
        repo.imp_url(os.fspath(source), os.fspath(root / "data" / "raw.csv"))
    project.write("data/extra.csv", "3\n")
    project.write("train.py", TRAIN)
    project.write("params.yaml", "train:\n  seed: 1\n  layers: [2, 3]\nother: 4\n")
    prepare = {**STAGES["prepare"], "outs": ["train.csv"]}
    project.stages({**STAGES, "prepare": prepare}, artifacts=ARTIFACTS)
    project.write("ml-assets.toml", SETTINGS)
    project.write("requirements/run.lock", LOCK)
    project.write(".gitignore", "/.venv\n")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--symlinks", os.fspath(root / ".venv")],
        check=True,
    )
    install(root, "one_two", "1.0", "License-Expression: MIT", "Requires-Dist: Three>=1")
    install(root, "three", "2.5", "License: Own\u00e9")
    install(root, "four", "4")
    if run:
        project.reproduce()
    project.commit()
    return project


@pytest.fixture
def project(template: DvcProject, tmp_path: Path) -> DvcProject:
    return template.copy(tmp_path / "copied" / "project")


def environment(project: DvcProject) -> dict[str, Any]:
    bill = build_environment_bill(Project(project.root), find_rules(project.root))
    return check_bill(bill.content, BillKind.ENVIRONMENT)


def model(project: DvcProject, location: str = "model.txt", **more: Any) -> dict[str, Any]:
    opened = Project(project.root)
    bill = build_model_bill(opened, opened.open_checkout(), location, **more)
    return check_bill(bill.content, BillKind.MODEL)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_environment_is_what_the_lock_allows_and_what_is_installed(project: DvcProject) -> None:
    document = environment(project)

    states = {
        one["purl"]: properties(one, "package:state")[0]
        for one in document["components"]
        if one["type"] == "library"
    }
    assert states == {
        "pkg:pypi/one-two@1.0": "locked-and-installed",
        "pkg:pypi/three@2": "locked",
        "pkg:pypi/three@2.5": "installed",
        "pkg:pypi/windows@3": "locked",
        "pkg:pypi/four@4": "installed",
    }
    one = component(document, "pkg:pypi/one-two@1.0")
    assert [hash["content"] for hash in one["externalReferences"][0]["hashes"]] == [A, B]
    assert one["licenses"][0]["license"]["id"] == "MIT"
    assert properties(component(document, "pkg:pypi/four@4"), "package:missing") == [
        "hashes",
        "licences",
    ]
    lock = component(document, "lock:requirements/run.lock")
    assert lock["hashes"][0]["content"] == sha256(project.root / "requirements" / "run.lock")


def test_installed_package_that_is_not_the_locked_one_is_told(project: DvcProject) -> None:
    document = environment(project)

    installed = component(document, "pkg:pypi/three@2.5")
    assert properties(installed, "package:other") == ["pkg:pypi/three@2"]
    assert properties(installed, "package:missing") == ["hashes"]
    (needs,) = [one for one in document["dependencies"] if "one-two" in one["ref"]]
    assert needs["dependsOn"] == ["pkg:pypi/three@2.5"]


def test_same_bytes_in_another_directory_and_process(
    template: DvcProject, project: DvcProject
) -> None:
    for words in (["sbom"], ["sbom", "model.txt"]):
        answers = [
            subprocess.run(
                [sys.executable, "-c", PROGRAM, "--project", one.root, *words],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC+{seed}"},
                capture_output=True,
                check=False,
            )
            for one, seed in ((template, "1"), (project, "2"), (project, "3"))
        ]
        assert [one.returncode for one in answers] == [0, 0, 0], answers[0].stderr
        assert len({one.stdout for one in answers}) == 1
        assert os.fsencode(template.root.parent) not in answers[0].stdout


def test_two_distributions_of_one_name_are_both_listed(project: DvcProject) -> None:
    install(project.root, "Four", "5")

    document = environment(project)
    for version, other in (("4", "5"), ("5", "4")):
        found = component(document, f"pkg:pypi/four@{version}")
        assert properties(found, "package:other") == [f"pkg:pypi/four@{other}"]


def test_lock_of_an_index_does_not_vouch_for_what_comes_from_a_directory(
    project: DvcProject,
) -> None:
    origin = {"url": "file:///home/somebody/three", "dir_info": {"editable": True}}
    place = install(project.root, "windows", "3")
    (place / "direct_url.json").write_text(json.dumps(origin))

    bill = build_environment_bill(Project(project.root), find_rules(project.root))
    document = check_bill(bill.content, BillKind.ENVIRONMENT)
    assert properties(component(document, "pkg:pypi/windows@3"), "package:state") == ["locked"]
    local = component(document, "pkg:generic/windows@3")
    assert properties(local, "package:state") == ["installed"]
    assert properties(local, "package:editable") == ["true"]
    assert b"somebody" not in bill.content


def test_hostile_metadata_are_shown_and_judged(project: DvcProject) -> None:
    install(project.root, "evil", "1", "License: a\x1b[2J\u202eb", tail=b"Keywords: \xff\xfe\n")
    install(project.root, "latin", "1", tail=b"License: \xe9\n")

    document = environment(project)
    (licence,) = component(document, "pkg:pypi/evil@1")["licenses"]
    assert licence["license"]["name"] == "a\\x1b[2J\\u202eb"
    (licence,) = component(document, "pkg:pypi/latin@1")["licenses"]
    assert licence["license"]["name"] == "\\xe9"


@pytest.mark.parametrize("line", ["Name: other", "Version: 9", "Requires-Dist: " + "x" * 3_000_000])
def test_metadata_that_cannot_be_read_are_an_error_and_no_omission(
    project: DvcProject, line: str
) -> None:
    install(project.root, "broken", "1", line)

    with pytest.raises(UnavailableError, match="cannot read a part of the bill"):
        environment(project)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("uv.lock", b"[[package"),
        ("requirements.txt", b"\xff\xfea==1"),
        ("requirements.txt", b"-r missing.txt\n"),
        ("requirements.txt", b"a ~~ 1\n"),
        ("poetry.lock", b"a" + b".a" * 5000 + b" = 1\n[[package]]\nname = 'a'\nversion = '1'\n"),
    ],
)
def test_lock_that_cannot_be_read_is_an_error(
    project: DvcProject, path: str, content: bytes
) -> None:
    project.write(path, content)

    with pytest.raises(UnavailableError, match=path) as caught:
        environment(project)
    assert caught.value.hint


def test_requirement_without_a_version_is_a_gap_that_is_told(project: DvcProject) -> None:
    project.write("requirements.txt", "four>=1\n")

    document = environment(project)
    (gap,) = properties(document["metadata"], "lock:gap")
    assert gap.startswith("requirements.txt:1: four>=1")
    assert document["compositions"][0]["aggregate"] == "incomplete"


def test_project_without_an_environment_gets_no_bill_of_another(
    project: DvcProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("python", "python3"):
        (project.root / ".venv" / "bin" / name).unlink()
    git = shutil.which("git")
    assert git is not None
    tools = project.root.parent / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(ConfigurationError, match="no Python environment"):
        environment(project)
    project.write(".venv/bin/python", "#!/bin/sh\necho nothing\n", executable=True)
    with pytest.raises(GateError, match="not a Python"):
        environment(project)


def test_model_is_described_with_all_that_is_known(project: DvcProject) -> None:
    document = model(project, provenance=(A,))

    found = document["metadata"]["component"]
    assert found["hashes"] == [{"alg": "SHA-256", "content": sha256(project.root / "model.txt")}]
    assert (found["description"], found["tags"]) == ("A model", ["small"])
    card = found["modelCard"]
    assert card["modelParameters"]["task"] == "classification"
    assert card["modelParameters"]["datasets"] == [
        {"ref": "data:data/extra.csv"},
        {"ref": "data:data/raw.csv"},
        {"ref": "data:train.csv"},
    ]
    assert card["considerations"] == {
        "users": ["testers"],
        "technicalLimitations": ["knows nothing"],
        "ethicalConsiderations": [{"name": "unfair", "mitigationStrategy": "looked at"}],
    }
    assert properties(card, "parameter:params.yaml:train.seed") == ["1"]
    assert properties(card, "parameter:params.yaml:train.layers") == ["[2, 3]"]
    assert properties(card, "parameter:params.yaml:other") == []
    assert properties(card, "metric:kind") == ["a"]
    assert properties(card, "card:not-stated") == []
    assert found["externalReferences"][0]["hashes"][0]["content"] == A


def test_metrics_are_those_of_the_stages_around_the_model(project: DvcProject) -> None:
    card = model(project)["metadata"]["component"]["modelCard"]

    assert card["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "auc", "value": "0.75", "slice": "auc.yaml"},
        {"type": "f1", "value": "0.5", "slice": "metrics.json"},
        {"type": "f1", "value": "1", "slice": "metrics.json: night"},
    ]
    files = properties(card, "metrics-file")
    assert files == [
        f"{name} sha256:{sha256(project.root / name)}" for name in ("auc.yaml", "metrics.json")
    ]


def test_materials_are_what_it_was_made_from_and_nothing_else(project: DvcProject) -> None:
    document = model(project)

    assert [one["bom-ref"] for one in document["components"]] == [
        "data:data/extra.csv",
        "data:data/raw.csv",
        "data:train.csv",
        "file:train.py",
    ]
    imported = component(document, "data:data/raw.csv")
    assert imported["data"][0]["contents"]["url"].endswith("elsewhere/raw.csv")
    assert imported["hashes"][0]["content"] == sha256(project.root / "data" / "raw.csv")
    recorded = project.locked()["prepare"]["deps"][0]["md5"]
    assert properties(imported, "dvc:md5") == [recorded]


def test_model_of_imported_data_names_repository_and_commit(
    template: DvcProject, tmp_path: Path
) -> None:
    project = create_project(tmp_path / "other")
    with project.dvc() as repo:
        url = os.fspath(template.root)
        repo.imp(url, "train.csv", out=os.fspath(project.root / "data.csv"))
    build = {
        "cmd": "mkdir model; cp ../data.csv model/a.pkl; cp ../data.csv model/b",
        "wdir": "work",
        "deps": ["../data.csv"],
        "outs": ["model"],
    }
    (project.root / "work").mkdir()
    named = {"m": {"type": "model", "path": "work/model"}}
    project.stages({"build": build}, artifacts=named)
    project.reproduce()

    document = model(project, "work/model")
    (data,) = document["components"]
    assert data["data"][0]["contents"]["url"] == url
    commit = template.git("rev-parse", "HEAD")
    assert properties(data, "source:revision") == [f"{commit}:train.csv"]
    files = document["metadata"]["component"]["components"]
    assert [one["name"] for one in files] == ["a.pkl", "b"]
    digest = sha256(project.root / "work" / "model" / "b")
    assert {one["hashes"][0]["content"] for one in files} == {digest}


@pytest.mark.parametrize(
    "path", ["model.txt", "train.csv", "data/raw.csv", "data/extra.csv", "train.py", "metrics.json"]
)
def test_model_that_is_not_what_was_recorded_gets_no_bill(project: DvcProject, path: str) -> None:
    file = project.root / path
    content = file.read_bytes()
    file.unlink()  # it may be linked to the cache
    with pytest.raises(UnavailableError, match=f"(?s)missing part of the bill.*{path}"):
        model(project)
    file.write_bytes(content + b"\n")
    with pytest.raises(UnavailableError, match=f"changed since .* ran: {path}"):
        model(project)


def test_parameters_are_those_it_was_trained_with(project: DvcProject) -> None:
    project.write("params.yaml", "train:\n  seed: 9\n  layers: [9]\n")

    card = model(project)["metadata"]["component"]["modelCard"]
    assert properties(card, "parameter:params.yaml:train.seed") == ["1"]


def test_model_that_never_was_made_gets_no_bill(project: DvcProject) -> None:
    (project.root / "dvc.lock").unlink()
    with pytest.raises(UnavailableError, match="never ran"):
        model(project)


@pytest.mark.parametrize("location", ["train.csv", "nothing", "../model.txt", ""])
def test_what_is_no_model_gets_no_bill_of_one(project: DvcProject, location: str) -> None:
    with pytest.raises(ConfigurationError, match="not a model") as caught:
        model(project, location)
    assert "model.txt" in caught.value.hint


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ('{"f1": NaN}', "not a finite number"),
        ('{"f1": 1e999}', "not a finite number"),
        ('{"f1": ' + "9" * 400 + "}", "not a finite number"),
        ('{"f1": ', "cannot parse"),
    ],
)
def test_metrics_that_are_no_numbers_are_an_error(
    project: DvcProject, metrics: str, said: str
) -> None:
    project.write("other.json", metrics)
    settings = SETTINGS.replace("datasets", 'metrics = ["other.json"]\ndatasets')
    project.write("ml-assets.toml", settings)
    with pytest.raises(ConfigurationError, match=said):
        model(project)


@pytest.mark.parametrize("path", ["missing.json", "../secret.json", "/etc/hostname", "data"])
def test_declared_file_that_is_no_file_of_the_project_is_an_error(
    project: DvcProject, path: str
) -> None:
    settings = SETTINGS.replace("datasets", f'metrics = ["{path}"]\ndatasets')
    project.write("ml-assets.toml", settings)
    with pytest.raises((UnavailableError, ConfigurationError)):
        model(project)


def test_report_of_a_performance_test_is_part_of_the_card(project: DvcProject) -> None:
    report = {"verdict": "passed", "metrics": {"p95_ms": 1.5}, "failures": []}
    project.write("performance.json", json.dumps(report))
    settings = SETTINGS.replace("datasets", 'performance = "performance.json"\ndatasets')
    project.write("ml-assets.toml", settings)

    card = model(project)["metadata"]["component"]["modelCard"]
    assert {"type": "p95_ms", "value": "1.5", "slice": "performance"} in card[
        "quantitativeAnalysis"
    ]["performanceMetrics"]
    assert properties(card, "performance:verdict") == ["passed"]
    project.write("performance.json", "[]")
    with pytest.raises(ConfigurationError, match="not a performance report"):
        model(project)


def test_model_without_settings_names_what_is_not_stated(project: DvcProject) -> None:
    (project.root / "ml-assets.toml").unlink()

    card = model(project)["metadata"]["component"]["modelCard"]
    assert properties(card, "card:not-stated") == ["algorithm", "considerations", "task"]


def test_link_to_no_statement_is_refused(project: DvcProject) -> None:
    with pytest.raises(BillError):
        model(project, provenance=("abc",))


def test_command_prints_the_bill_and_a_summary(project: DvcProject, capsys: Captured) -> None:
    documents = []
    for words in ([], ["--json"]):
        assert main(["--project", str(project.root), "sbom", *words]) == 0
        captured = capsys.readouterr()
        check_bill(captured.out.encode(), BillKind.ENVIRONMENT)
        documents.append(captured.out)
        (line,) = captured.err.splitlines()
        assert line.startswith("bill of environment: 1 file, 5 library, 1 platform; 2 without")
        assert hashlib.sha256(captured.out.encode()).hexdigest() in line
    assert documents[0] == documents[1]


@pytest.mark.parametrize("subject", ["the-model", "model.txt", "./data/../model.txt"])
def test_command_finds_the_model_by_name_or_path(
    project: DvcProject, subject: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    output = project.root / "model.cdx.json"

    assert main(["sbom", subject, "--output", str(output)]) == 0

    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("bill of model.txt: ")
    bill = check_bill(output.read_bytes(), BillKind.MODEL)
    assert bill["metadata"]["component"]["name"] == "model.txt"


def test_command_answers_an_error_as_json(project: DvcProject, capsys: Captured) -> None:
    assert main(["--project", str(project.root), "sbom", "nothing", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == "configuration" and "model.txt" in error["hint"]
    (project.root / "model.txt").unlink()
    assert main(["--project", str(project.root), "sbom", "the-model", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "unavailable"


def test_command_imports_no_orchestrator(project: DvcProject) -> None:
    program = (
        "import sys, io; from ml_assets.cli import main; main(sys.argv[1:]);"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--project", project.root, "sbom"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(yaml.safe_load(done.stderr.splitlines()[-1]))
    assert "ml_assets" in modules
    assert modules & {"dagster", "dvc", "mlflow", "numpy", "pandas"} == set()


def test_bill_of_this_repository_is_within_the_profile() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "sbom"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    document = check_bill(done.stdout, BillKind.ENVIRONMENT)
    states = {one["name"]: properties(one, "package:state") for one in document["components"]}
    assert states["dvc"] == ["locked-and-installed"]
    assert states["ml-assets"] == ["installed"]
    assert os.fsencode(ROOT) not in done.stdout
