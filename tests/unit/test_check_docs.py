"""The documentation check: it passes what is true and notices what is not."""

from pathlib import Path

import pytest

from ml_assets.cli import build_parser
from tools import check_docs
from tools.check_docs import Problem
from tools.command_check import Judge
from tools.markdown_text import parse_document, slug

MAKEFILE = """\
JOBS ?= 2
OTHER := three
.PHONY: run test
run: environment ## run it
\t@echo run
test check: run
environment:
\t@echo environment
"""
TRUE_README = """\
# Title of it

See [below](#second-part), [how to](docs/how.md#a-step) and [outside](https://example.invalid/x).

```console
$ make run JOBS=4
$ make -j2 test check
environment: ready after 3 s
$ ml-assets --project ../other plan --json   # says why
$ ml-assets plan --json | python3 script.py > out.json 2>&1
$ CI=true dvc repro --dry && git status
$ dagster asset materialize \\
>   --select 'key:"x"+' -m ml_assets.definitions
```

```sh
# without prompts, every line is a command
cd repository
./tool --anything
```

```python
$ this is no command
```

## Second part

![picture](docs/picture.png)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a directory whose documentation is true."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "how.md").write_text("# How\n\n## A step\n\n[back](../README.md)\n")
    (tmp_path / "docs" / "picture.png").write_bytes(b"")
    (tmp_path / "script.py").write_text("")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "README.md").write_text(TRUE_README)
    return tmp_path


def judge_readme(root: Path, text: str) -> list[str]:
    """Return what is not true of the commands of a README."""
    _, problems = check_docs.check_commands(Judge(root), parse_document(text), "README.md")
    return [problem.text for problem in problems]


@pytest.mark.process
def test_true_documentation_passes(root: Path) -> None:
    summary, problems = check_docs.check(root)
    assert problems == []
    assert summary.startswith("10 commands, ")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("make nothing", "no such target in the Makefile: nothing"),
        ("make OTHER", "no such target in the Makefile: OTHER"),
        ("make .PHONY", "no such target in the Makefile: .PHONY"),
        ("make run && make nothing", "no such target in the Makefile: nothing"),
        ("ml-assets dance", "ml-assets refuses it"),
        ("ml-assets plan --dance", "ml-assets refuses it"),
        ("ml-assets run --jobs many", "ml-assets refuses it"),
        ("ml-assets", "ml-assets refuses it"),
        (".venv/bin/ml-assets dance", "ml-assets refuses it"),
        ("X=1 ml-assets dance", "ml-assets refuses it"),
        ("echo $(ml-assets dance)", "ml-assets refuses it"),
        ("python missing.py", "no such script: missing.py"),
        ("./missing", "no such program: ./missing"),
        ("docs/how.md", "no such program: docs/how.md"),
        ("frobnicate", "cannot check this command: frobnicate"),
        ("git log | frobnicate", "cannot check this command: frobnicate"),
        ("echo 'open", "no closing quotation"),
        ("make \\", "continues after the end of the block"),
    ],
)
def test_untrue_command_is_noticed(root: Path, command: str, complaint: str) -> None:
    (found,) = judge_readme(root, f"```console\n$ {command}\n```\n")
    assert found.startswith(complaint)


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("dvc dance", "no such command: dvc dance"),
        ("dvc exp dance", "no such command: dvc exp dance"),
        ("dvc repro --dance", "dvc repro has no option: --dance"),
        ("dagster dance", "no such command: dagster dance"),
        ("dagster dev --dance=1", "dagster dev has no option: --dance"),
    ],
)
def test_untrue_command_of_another_tool_is_noticed(
    root: Path, command: str, complaint: str
) -> None:
    assert judge_readme(root, f"```sh\n{command}\n```\n") == [complaint]


def test_second_of_two_problems_is_noticed_too(root: Path) -> None:
    text = "```console\n$ make nothing\nprinted\n$ make neither\n```\n~~~bash\nmake never\n~~~\n"
    assert len(judge_readme(root, text)) == 3


def test_prompted_block_that_is_never_closed_is_noticed(root: Path) -> None:
    found = judge_readme(root, "```console\n$ make nothing\n")
    assert found == ["unclosed block", "no such target in the Makefile: nothing"]


def test_problem_names_the_line_of_the_command(root: Path) -> None:
    document = parse_document("text\n\n```console\n$ make run\n\n$ make nothing\n```\n")
    _, (problem,) = check_docs.check_commands(Judge(root), document, "README.md")
    assert (problem.where, problem.line) == ("README.md", 6)


@pytest.mark.process
@pytest.mark.parametrize("text", ["# Nothing to type\n", "```python\n$ make run\n```\n"])
def test_readme_without_commands_is_no_pass(root: Path, text: str) -> None:
    (root / "README.md").write_text(text)
    _, problems = check_docs.check(root)
    assert Problem("README.md", 1, "no command that can be checked") in problems


@pytest.mark.process
def test_missing_readme_is_no_pass(root: Path) -> None:
    (root / "README.md").unlink()
    _, problems = check_docs.check(root)
    assert Problem("README.md", 1, "missing") in problems


@pytest.mark.parametrize(
    "link",
    [
        "[x](missing.md)",
        "![x](docs/missing.png)",
        "[x](docs/how.md#no-step)",
        "[x](#nowhere)",
        "[x]: missing.md",
        '<img src="missing.png">',
        '[x](missing.md "a title")',
    ],
)
def test_link_that_leads_nowhere_is_noticed(root: Path, link: str) -> None:
    (root / "docs" / "more.md").write_text(f"# More\n\n{link.replace('docs/', '')}\n")
    documents = check_docs.find_documents(root)
    _, (problem,) = check_docs.check_links(root, documents)
    assert (problem.where, problem.line) == ("docs/more.md", 3)


@pytest.mark.parametrize(
    "text", ["`[x](missing.md)`", "```text\n[x](missing.md)\n```", "[x](mailto:a@example.invalid)"]
)
def test_what_is_no_relative_link_is_left_alone(root: Path, text: str) -> None:
    (root / "docs" / "more.md").write_text(text)
    _, problems = check_docs.check_links(root, check_docs.find_documents(root))
    assert problems == []


@pytest.mark.process
def test_every_help_text_is_read(root: Path) -> None:
    names = check_docs.subcommands(build_parser())
    count, problems = check_docs.check_help(Judge(root))
    assert {"plan", "run", "ui"} <= set(names)
    assert (count, problems) == (len(names), [])


def test_help_without_examples_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_docs, "help_of", lambda program, words: "usage: ml-assets\n")
    _, problems = check_docs.check_help(Judge(root))
    assert {problem.text for problem in problems} == {"no examples"}


def test_untrue_example_in_help_is_noticed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "usage: x\n\nexamples:\n  ml-assets plan\n  ml-assets dance\n\nmore:\n  nothing\n"
    monkeypatch.setattr(check_docs, "help_of", lambda program, words: text)
    _, problems = check_docs.check_help(Judge(root))
    assert {problem.line for problem in problems} == {5}


def test_path_in_the_architecture_page_that_does_not_exist_is_noticed(root: Path) -> None:
    text = "# House\n\n`docs/how.md` `docs/` `README.md` `docs/gone.md` `a/b c`\n"
    (root / "docs" / "architecture.md").write_text(text)
    problems = check_docs.check_paths(root, check_docs.find_documents(root))
    assert problems == [Problem("docs/architecture.md", 1, "no such path: docs/gone.md")]


def test_script_that_the_page_shows_can_be_typed(root: Path) -> None:
    shown = "`train.py` trains:\n\n```console\n$ python3 train.py\n```\n"
    assert judge_readme(root, shown) == []
    assert judge_readme(root, shown.replace("`train.py`", "it")) == ["no such script: train.py"]


def test_heading_anchor_is_githubs() -> None:
    assert slug("Four packages, `one` direction!") == "four-packages-one-direction"
    assert parse_document("# A\n\n# A\n").anchors() == {"a", "a-1"}
