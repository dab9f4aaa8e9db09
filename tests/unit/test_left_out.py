"""Tests that are left out: named with the reason, not allowed in CI. See tests/plugins."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ("own_environment", "left_out")
SUITE = {
    "test_mixed.py": """\
import pytest

@pytest.mark.system("chromium")
def test_in_browser(): pass

@pytest.mark.skip(reason="no time")
def test_skipped(): pass

@pytest.mark.xfail(strict=True, reason="known")
def test_known_defect(): assert False

def test_runs(): pass
""",
    "test_module.py": 'import pytest\npytest.skip("not today", allow_module_level=True)\n',
}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Make a suite with our plugins and a few tests, some of them unable to run."""
    root = tmp_path / "suite"
    (root / "tests" / "plugins").mkdir(parents=True)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "pyproject.toml", root)
    for name in PLUGINS:
        shutil.copy(ROOT / "tests" / "plugins" / f"{name}.py", root / "tests" / "plugins")
    loaded = [f"tests.plugins.{name}" for name in PLUGINS]
    (root / "tests" / "conftest.py").write_text(f"pytest_plugins = {loaded}\n")
    shutil.copy(ROOT / "tools" / "system_packages.py", root / "tools")
    for name, content in SUITE.items():
        (root / "tests" / name).write_text(content)
    return root


def run_suite(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the suite on a machine that has no browser, as its PATH is empty."""
    empty = root / "empty"
    empty.mkdir(exist_ok=True)
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=root,
        env={**inherited, "PATH": str(empty), "SYSTEM_PACKAGES": "no", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "parallel"])
def test_left_out_tests_are_named_with_the_reason_in_the_last_lines(
    suite: Path, arguments: tuple[str, ...]
) -> None:
    answer = run_suite(suite, *arguments)
    assert answer.returncode == 0, answer.stdout
    heading, browser, skipped, module, summary = answer.stdout.splitlines()[-5:]
    assert "left out: 3" in heading
    assert browser.startswith(
        "tests/test_mixed.py::test_in_browser: chromium is not installed (SYSTEM_PACKAGES=no); "
    )
    assert skipped == "tests/test_mixed.py::test_skipped: no time"
    assert module == "tests/test_module.py: not today"
    assert summary.startswith("1 passed, 3 skipped, 1 xfailed")


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "parallel"])
def test_in_ci_each_test_left_out_is_an_error(suite: Path, arguments: tuple[str, ...]) -> None:
    answer = run_suite(suite, "--continue-on-collection-errors", *arguments, CI="true")
    assert answer.returncode == 1
    assert "left out, which CI does not allow: chromium is not installed" in answer.stdout
    assert "left out, which CI does not allow: no time" in answer.stdout
    assert "left out, which CI does not allow: not today" in answer.stdout
    assert answer.stdout.splitlines()[-1].startswith("1 passed, 1 xfailed, 3 errors")


def test_marker_of_an_unlisted_component_is_an_error(suite: Path) -> None:
    (suite / "tests" / "test_other.py").write_text(
        'import pytest\n@pytest.mark.system("abacus")\ndef test_counts(): pass\n'
    )
    answer = run_suite(suite, "tests/test_other.py")
    assert answer.returncode == 1
    assert "not listed in tools/system_packages.py: ['abacus']" in answer.stdout


def test_user_settings_of_git_do_not_reach_the_tests(suite: Path, tmp_path: Path) -> None:
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tname = Somebody Else\n")
    (suite / "tests" / "test_git.py").write_text(
        "import os\ndef test_no_settings():\n"
        '    assert os.environ["GIT_CONFIG_GLOBAL"] == os.devnull\n'
        '    assert os.environ["GIT_AUTHOR_NAME"] == "Author"\n'
    )
    answer = run_suite(suite, "tests/test_git.py", GIT_CONFIG_GLOBAL=str(settings))
    assert answer.returncode == 0, answer.stdout
