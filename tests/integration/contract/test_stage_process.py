"""A stage's process: its environment, its output, how many run at once, and what it may see."""

import re
import time

import pytest

from .repository import Repository
from .running import Running, cleaned_up, wait_for

CREDENTIALS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "DATABASE_PASSWORD",
    "MLFLOW_TRACKING_PASSWORD",
    "SLACK_WEBHOOK_SECRET",
    "OPENAI_API_KEY",
    "SIGNING_PRIVATE_KEY",
    "REGISTRY_CREDENTIALS",
    "my_lower_case_token",
)
ORDINARY = {
    "PYTHONPATH": "/somewhere/python",
    "LD_LIBRARY_PATH": "/somewhere/lib",
    "CUDA_VISIBLE_DEVICES": "0",
    "OMP_NUM_THREADS": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "PYTHONHASHSEED": "0",
    "VIRTUAL_ENV": "/somewhere/venv",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "ORDINARY": "an ordinary value with spaces = and 'quotes'",
    "EMPTY": "",
    "KEYBOARD": "monkey",
    "COMPASS": "north",
}
# What a shell sets for itself, and what differs between two copies on purpose.
OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_"}


def environment_pipeline(repository: Repository) -> None:
    """A stage that writes down its environment, each variable ended by NUL."""
    repository.stages(
        {"look": {"cmd": "env -0 > seen", "outs": [{"seen": {"cache": False}}]}},
    )


def seen(repository: Repository) -> dict[str, str]:
    """Return the environment that the stage saw, without the place of this copy."""
    text = (repository.project / "seen").read_text(encoding="utf-8")
    pairs = (entry.split("=", 1) for entry in text.split("\0") if entry)
    home = str(repository.home)
    return {name: value.replace(home, "HOME") for name, value in pairs if name not in OF_THE_SHELL}


def test_no_credential_reaches_a_stage(repository: Repository) -> None:
    environment_pipeline(repository)
    secrets = {name: f"hunter2-{name}" for name in CREDENTIALS}
    finished = repository.ml_assets("run", extra={**secrets, **ORDINARY})
    assert finished.code == 0, finished
    assert set(CREDENTIALS) & set(seen(repository)) == set()
    everything = (repository.project / "seen").read_text(encoding="utf-8")
    assert "hunter2" not in everything + finished.stdout + finished.stderr
    mentions = [line for line in finished.stderr.splitlines() if "GITHUB_TOKEN" in line]
    assert len(mentions) == 1, f"what was left out is said once: {finished}"
    for name in set(CREDENTIALS) - {"ACTIONS_ID_TOKEN_REQUEST_TOKEN"}:  # only the signer has it
        assert name in mentions[0]


def test_no_secret_value_is_stored_in_our_state(repository: Repository) -> None:
    environment_pipeline(repository)
    secrets = {name: f"hunter2-{name}" for name in CREDENTIALS}
    assert repository.ml_assets("run", extra=secrets).code == 0
    files = [path for path in repository.root.rglob("*") if path.is_file()]
    assert any(".ml-assets" in path.parts for path in files)
    holding = [path for path in files if b"hunter2" in path.read_bytes()]
    assert holding == []


def test_everything_else_arrives_as_from_dvc_repro(repository: Repository) -> None:
    environment_pipeline(repository)
    repository.dvc("repro")
    by_dvc = seen(repository)
    repository.remove("seen", "dvc.lock")
    finished = repository.ml_assets("run", "--force", extra=ORDINARY)
    assert finished.code == 0, finished
    by_us = seen(repository)
    added = by_us.keys() - by_dvc.keys() - ORDINARY.keys()
    assert added <= {"PYTHONUNBUFFERED"}, "one addition: it lets a stage's output come line by line"
    assert {name: by_us.get(name) for name in by_dvc | ORDINARY} == by_dvc | ORDINARY


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "KEY_COUNT", "PASSENGERS"])
def test_variable_that_only_looks_like_a_credential_is_kept(
    repository: Repository, name: str
) -> None:
    """Names that training code reads, and in which a careless pattern sees a secret."""
    environment_pipeline(repository)
    finished = repository.ml_assets("run", extra={name: "8"})
    assert finished.code == 0, finished
    assert seen(repository).get(name) == "8", finished


@pytest.mark.parametrize("name", ["bash", "dash", "sh"])
def test_shell_of_the_user_runs_the_stage_as_in_dvc_repro(
    repository: Repository, name: str
) -> None:
    """$SHELL, with the options that DVC gives it so that it reads no settings of the user."""
    repository.stages({"look": {"cmd": "echo $0 bash:$BASH_VERSION: > seen", "outs": ["seen"]}})
    user = repository.home / "user"
    (user / ".bashrc").write_text("echo settings were read >&2\n", encoding="utf-8")
    finished = repository.ml_assets("run", extra={"SHELL": f"/bin/{name}"})
    assert finished.code == 0, finished
    by_us = (repository.project / "seen").read_text(encoding="utf-8")
    assert "settings were read" not in finished.stderr
    assert ("bash::" not in by_us) == (name == "bash")
    assert by_us.split()[0] == f"/bin/{name}"


def test_stage_has_no_terminal_input(repository: Repository) -> None:
    """A stage that reads standard input ends instead of waiting for ever."""
    repository.stages({"read": {"cmd": "cat > typed", "outs": ["typed"]}})
    assert sorted(repository.run().ran) == ["read"]
    assert (repository.project / "typed").read_bytes() == b""


def overlapping(repository: Repository) -> None:
    """Two stages that each wait for the other to have started."""
    wait = "for i in $(seq 200); do test -e {} && exit 0; sleep 0.05; done; exit 9"
    repository.stages(
        {
            "one": {"cmd": f"touch here1; ({wait.format('here2')}); echo $? > o1", "outs": ["o1"]},
            "two": {"cmd": f"touch here2; ({wait.format('here1')}); echo $? > o2", "outs": ["o2"]},
        }
    )


def test_independent_stages_run_at_once(repository: Repository) -> None:
    overlapping(repository)
    repository.run("--jobs", "2")
    for out in ("o1", "o2"):
        assert (repository.project / out).read_text(encoding="utf-8") == "0\n"


def test_jobs_limits_how_many_run_at_once(repository: Repository) -> None:
    """Each stage fails where another one is under way."""
    command = "mkdir alone && sleep 0.1 && rmdir alone && echo > {0}"
    repository.stages(
        {f"s{n}": {"cmd": command.format(f"o{n}"), "outs": [f"o{n}"]} for n in range(5)}
    )
    assert len(repository.run("--jobs", "1").ran) == 5


def test_dependent_stages_never_overlap(repository: Repository) -> None:
    repository.stages(
        {
            "after": {"cmd": "test -e done && echo > after", "deps": ["first"], "outs": ["after"]},
            "first": {"cmd": "echo > first; sleep 0.5; touch done", "outs": ["first"]},
        }
    )
    assert list(repository.run("--jobs", "4").ran) == ["first", "after"]


def test_output_is_streamed_line_by_line_with_the_name_of_the_stage(
    repository: Repository,
) -> None:
    repository.stages(
        {
            "talk": {
                "cmd": "echo to-stdout; echo to-stderr >&2; "
                "while ! test -e go; do sleep 0.05; done; printf 'no newline'; echo > o",
                "outs": ["o"],
            }
        }
    )
    with cleaned_up(repository):
        running = Running(repository, "run")
        for word in ("to-stdout", "to-stderr"):
            wait_for(lambda: word in running.stderr.read_text(encoding="utf-8"), word, 20)
        repository.write("go", "")
        finished = running.finish()
    assert finished.code == 0, finished
    for word in ("to-stdout", "to-stderr", "no newline"):
        lines = [line for line in finished.stderr.splitlines() if word in line and ">" not in line]
        assert lines and all("talk" in line for line in lines), finished


def test_json_output_is_one_document_whatever_a_stage_prints(repository: Repository) -> None:
    noise = "printf '{\"assets\": 1}\\n\\033[31mred\\033[0m \\377\\376 \\000 end\\n'; echo > o"
    repository.stages({"noisy": {"cmd": noise, "outs": ["o"]}})
    finished = repository.run()
    document = finished.document
    assert {"run_id", "commit", "status", "assets", "gates", "deployment"} <= set(document)
    (asset,) = document["assets"]
    assert asset["key"] == "main/o" and asset["action"] == "run" and asset["status"] == "passed"
    assert re.fullmatch(r"[0-9a-f]{64}", asset["digest"]["sha256"])
    assert asset["digest"]["md5"] == "68b329da9893e34099c7d8ad5cb9c940"
    assert asset["seconds"] >= 0


def test_much_output_neither_blocks_nor_is_lost(repository: Repository) -> None:
    repository.stages({"much": {"cmd": "seq 20000; seq 20000 >&2; echo > o", "outs": ["o"]}})
    started = time.monotonic()
    finished = repository.ml_assets("run")
    assert finished.code == 0, finished
    assert finished.stderr.count("20000") >= 2
    assert time.monotonic() - started < 60


def test_background_process_that_keeps_the_output_open_does_not_hold_the_run(
    repository: Repository,
) -> None:
    """`dvc repro` waits for the command, not for what it left behind; so do we."""
    repository.stages({"leave": {"cmd": "sleep 30 & echo > o", "outs": ["o"]}})
    with cleaned_up(repository):
        started = time.monotonic()
        repository.run()
        assert time.monotonic() - started < 25
