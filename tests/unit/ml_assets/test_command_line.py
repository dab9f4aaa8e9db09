"""The command line: usage errors, help, one JSON document, and what each exit code means."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ml_assets import cli
from ml_assets.cli import main
from tests.unit.resources.dvc_project import DvcProject

pytestmark = pytest.mark.process

COMMANDS = list(cli._COMMANDS)
SCRIPT = Path(sys.executable).with_name("ml-assets")

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def project(repository: DvcProject) -> DvcProject:
    """A repository with a stage that has not run."""
    repository.stages({"one": {"cmd": "echo 1 > one.txt", "outs": ["one.txt"]}})
    return repository


def two_lines(text: str) -> tuple[str, str]:
    """Return the message and the hint of an error that is exactly two lines."""
    error, hint = text.splitlines()
    assert error.startswith("error: ") and hint.startswith("hint: ")
    return error.removeprefix("error: "), hint.removeprefix("hint: ")


USAGE = [
    [],
    ["nothing"],
    ["--nothing"],
    ["plan", "--nothing"],
    ["plan", "extra"],
    ["plan", "--select"],
    ["run", "--jobs", "many"],
    ["run", "--jobs", "0"],
    ["run", "--jobs", "-1"],
    ["run", "--wait", "long"],
    ["run", "--wait", "nan"],
    ["run", "--wait", "inf"],
    ["run", "--wait", "-1"],
    ["ui", "--port", "web"],
    ["--project"],
    ["--json", "plan"],
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_wrong_usage_is_two_lines_and_exit_code_2(words: list[str], capsys: Captured) -> None:
    code = main(words)

    captured = capsys.readouterr()
    assert code == 2
    if "--json" in words:
        assert set(json.loads(captured.out)) == {"error"}
        assert captured.err == ""
    else:
        message, hint = two_lines(captured.err)
        assert message and hint
        assert captured.out == ""


@pytest.mark.parametrize("words", [words for words in USAGE if words[:1] in (["plan"], ["run"])])
def test_wrong_usage_with_json_is_one_document(words: list[str], capsys: Captured) -> None:
    code = main([*words, "--json"])

    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert code == 2
    assert error.keys() == {"kind", "message", "hint"}
    assert error["kind"] == "configuration"
    assert captured.err == ""


def test_json_that_is_abbreviated_is_json_all_the_way(tmp_path: Path, capsys: Captured) -> None:
    main(["--project", str(tmp_path), "plan", "--js"])

    captured = capsys.readouterr()
    assert captured.out or "--js" in captured.err
    assert captured.err == "" or "--js" in captured.err


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_every_help_shows_examples_that_can_be_typed(command: str | None, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"] if command else ["--help"])

    text = capsys.readouterr().out
    assert ended.value.code == 0
    examples = text.partition("examples:\n")[2].splitlines()
    assert examples
    for example in examples:
        assert example.startswith("  ml-assets ")
        arguments = cli.build_parser().parse_args(shlex.split(example)[1:])
        assert command is None or arguments.command == command


def test_help_names_every_command_and_the_way_to_json(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert f"    {command} " in text
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert "--json" in capsys.readouterr().out


def test_project_is_found_from_below_or_named(
    project: DvcProject, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project.root / "below").mkdir()
    documents = []
    for directory, words in ((project.root / "below", []), (tmp_path, ["--project"])):
        monkeypatch.chdir(directory)
        assert main([*words, *([str(project.root)] if words else []), "plan", "--json"]) == 0
        documents.append(json.loads(capsys.readouterr().out))

    assert documents[0] == documents[1]
    assert documents[0]["assets"] == [
        {
            "key": "main/one.txt",
            "stage": "one",
            "action": "run",
            "reasons": ["never run: not in dvc.lock"],
        }
    ]


def test_plan_for_people_is_a_table_and_a_sum(project: DvcProject, capsys: Captured) -> None:
    assert main(["--project", str(project.root), "plan"]) == 0

    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "action  stage  writes   why",
        "run     one    one.txt  never run: not in dvc.lock",
        "1 to run, 0 to restore, 0 fresh",
    ]
    assert captured.err == ""


CONFIGURATION = {
    "no project": (lambda p: p.git("mv", ".dvc", "gone"), "not in a DVC repository"),
    "broken YAML": (lambda p: p.write("dvc.yaml", "stages: ["), "dvc.yaml"),
    "cycle": (
        lambda p: p.stages(
            {
                "a": {"cmd": "x", "deps": ["b"], "outs": ["a"]},
                "b": {"cmd": "x", "deps": ["a"], "outs": ["b"]},
            }
        ),
        "both a dependency and an output",
    ),
    "overlapping outs": (
        lambda p: p.stages(
            {"a": {"cmd": "x", "outs": ["o"]}, "b": {"cmd": "x", "outs": ["o/deep"]}}
        ),
        "overlap",
    ),
    "lock of version 1": (lambda p: p.write("dvc.lock", "one:\n  cmd: x\n"), "lock"),
    "wrong setting": (lambda p: p.write("ml-assets.toml", "jobs = 'x'"), "jobs"),
    "unknown setting": (
        lambda p: p.write("ml-assets.toml", "job = 1"),
        "unknown setting in ml-assets.toml: job",
    ),
}


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(("build", "message"), CONFIGURATION.values(), ids=CONFIGURATION)
def test_what_is_wrong_with_a_project_is_two_lines_and_exit_code_2(
    project: DvcProject, capsys: Captured, build: object, message: str, command: str
) -> None:
    assert callable(build)
    project.commit()
    build(project)

    code = main(["--project", str(project.root), command])

    captured = capsys.readouterr()
    assert code == 2, captured.err
    assert message in two_lines(captured.err)[0]
    assert captured.out == ""


def test_address_that_needs_a_plugin_of_dvc_is_named(project: DvcProject, capsys: Captured) -> None:
    project.stages({"one": {"cmd": "x", "deps": ["gs://bucket/x"], "outs": ["o"]}})

    code = main(["--project", str(project.root), "plan"])

    assert "dvc-gs" in "".join(two_lines(capsys.readouterr().err))
    assert code == 2


def test_address_without_credentials_is_told_as_what_could_not_be_judged(
    project: DvcProject, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    empty = project.write("empty.ini", "")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(empty))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    project.stages({"one": {"cmd": "x", "deps": ["s3://bucket/x"], "outs": ["o"]}})

    code = main(["--project", str(project.root), "plan"])

    message, hint = two_lines(capsys.readouterr().err)
    assert message.startswith("one: ") and "credentials" in message
    assert "dvc status -v one" in hint
    assert code == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("- a\n- b", 2, id="a list"),
        pytest.param("table: {1: a, b: c}", 0, id="keys of several kinds"),
        pytest.param("day: 2020-13-45", 2, id="no date"),
    ],
)
def test_parameters_that_are_odd_are_judged(
    project: DvcProject, capsys: Captured, text: str, code: int
) -> None:
    project.write("params.yaml", text)
    project.stages({"one": {"cmd": "x", "params": [{"params.yaml": None}], "outs": ["o"]}})

    found = main(["--project", str(project.root), "plan"])

    assert "unexpected" not in capsys.readouterr().err
    assert found == code


def test_selection_of_nothing_is_exit_code_2(project: DvcProject, capsys: Captured) -> None:
    code = main(["--project", str(project.root), "run", "--select", "nothing", "--json"])

    captured = capsys.readouterr()
    assert code == 2
    assert "nothing" in json.loads(captured.out)["error"]["message"]
    assert not (project.root / "one.txt").exists()


def test_what_nobody_foresaw_is_no_success_and_no_traceback(
    project: DvcProject, capsys: Captured
) -> None:
    # A reader of the JSON would take an empty standard output for an answer.
    (project.root / ".ml-assets").mkdir()
    (project.root / ".ml-assets" / "state").write_text("in the way")

    code = main(["--project", str(project.root), "plan", "--json"])

    captured = capsys.readouterr()
    assert code != 0
    assert json.loads(captured.out)["error"]["hint"]
    assert "Traceback" not in captured.err


def test_traceback_is_shown_when_it_is_asked_for(tmp_path: Path, capsys: Captured) -> None:
    for words in (["--debug", "plan"], ["plan", "--debug"]):
        assert main(["--project", str(tmp_path), *words]) == 2
        assert "Traceback" in capsys.readouterr().err
    main(["--project", str(tmp_path), "plan"])
    assert "Traceback" not in capsys.readouterr().err


def test_reader_that_goes_away_is_no_crash(project: DvcProject) -> None:
    process = subprocess.Popen(
        [str(SCRIPT), "--project", str(project.root), "plan"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()

    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.wait(30)


def test_installed_script_and_module_are_the_same_program(tmp_path: Path) -> None:
    results = [
        subprocess.run(
            [*command, "--project", str(tmp_path), "plan"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            check=False,
        )
        for command in ([str(SCRIPT)], [sys.executable, "-m", "ml_assets.cli"])
    ]

    assert {(result.returncode, result.stdout, result.stderr) for result in results} == {
        (2, "", results[0].stderr)
    }
