"""``ml-assets init`` writes what a project can change, and never over it."""

from dataclasses import replace

import pytest

from security.policy.policy import builtin_policy, parse_policy
from tests.integration.contract.repository import Repository

FILES = (
    ".ml-assets/policy.toml",
    ".ml-assets/policy.schema.json",
    ".ml-assets/settings.schema.json",
    "workspace.yaml",
    ".github/workflows/ml-assets.yml",
)


def test_what_is_written_is_the_built_in_policy(project: Repository) -> None:
    done = project.ml_assets("init", "--json")

    assert done.code == 0 and done.document == {"written": list(FILES)}
    text = (project.project / FILES[0]).read_bytes()
    assert parse_policy(text, "written") == builtin_policy()
    assert replace(builtin_policy(), sha256="") != builtin_policy()
    for path in FILES:
        assert (project.project / path).stat().st_size > 0


def test_nothing_is_overwritten_unless_it_is_asked_for(project: Repository) -> None:
    project.write("workspace.yaml", "mine\n")

    refused = project.ml_assets("init")

    assert refused.code == 2 and "files exist: workspace.yaml" in refused.stderr
    assert (project.project / "workspace.yaml").read_text() == "mine\n"
    assert not (project.project / FILES[0]).exists(), "all or none"
    assert project.ml_assets("init", "--force").code == 0
    assert "ml_assets.definitions" in (project.project / "workspace.yaml").read_text()


@pytest.mark.parametrize("link", [".ml-assets", FILES[0], "workspace.yaml"])
def test_link_that_a_commit_has_brought_is_not_written_through(
    project: Repository, link: str
) -> None:
    target = project.outside / "target"
    path = project.project / link
    path.parent.mkdir(parents=True, exist_ok=True)
    if link == ".ml-assets":
        target.mkdir()
    else:
        target.write_text("theirs\n")
    path.symlink_to(target)

    done = project.ml_assets("init", "--force")

    assert done.code == 2 and "a symbolic link" in done.stderr
    assert (list(target.iterdir()) == []) if target.is_dir() else target.read_text() == "theirs\n"
