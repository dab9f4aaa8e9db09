"""What a refusal looks like: exit codes, two lines, one document; and a project to damage."""

from .comparison import Step
from .repository import Finished, Repository
from .snapshot import take_snapshot

FAILED, CONFIGURATION, NOT_JUDGED, INTERRUPTED = 1, 2, 3, 130


def assert_two_lines(finished: Finished, *words: str) -> None:
    """The end of standard error is a message and a hint, and there is no traceback."""
    lines = finished.stderr.splitlines()
    assert len(lines) >= 2, finished
    assert lines[-2].startswith("error: ") and len(lines[-2]) > len("error: "), finished
    assert lines[-1].startswith("hint: ") and len(lines[-1]) > len("hint: "), finished
    assert sum(line.startswith("error: ") for line in lines) == 1, finished
    assert "Traceback" not in finished.stderr + finished.stdout, finished
    for word in words:
        assert word in lines[-2] + lines[-1], finished


def assert_error_document(finished: Finished, *words: str) -> None:
    """Standard output is one JSON document with an error of three texts."""
    error = finished.document["error"]
    assert all(isinstance(error[name], str) and error[name] for name in ("kind", "message", "hint"))
    assert "\n" not in error["message"] + error["hint"], finished
    assert "Traceback" not in finished.stderr + finished.stdout, finished
    for word in words:
        assert word in error["message"] + error["hint"], finished


def assert_refused(repository: Repository, code: int, *words: str) -> None:
    """`run`, as text and as JSON, is refused the same way, and changes nothing."""
    before = take_snapshot(repository)
    plain = repository.ml_assets("run")
    assert plain.code == code, plain
    assert_two_lines(plain, *words)
    document = repository.ml_assets("run", "--json")
    assert document.code == code, document
    assert_error_document(document, *words)
    assert plain.ran == document.ran == {}
    assert take_snapshot(repository).differences(before, ("after", "before")) == []


def good(repository: Repository) -> None:
    """Two stages that ran and do not depend on each other."""
    repository.write("input.txt", "1\n")
    repository.stages(
        {
            "one": {"cmd": "cp input.txt one.txt", "deps": ["input.txt"], "outs": ["one.txt"]},
            "two": {"cmd": "echo 2 > two.txt", "outs": ["two.txt"]},
        }
    )


def write_stages(text: str) -> Step:
    """Return a step that appends stages to the good ones."""

    def write(repository: Repository) -> None:
        path = repository.project / "dvc.yaml"
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return write
