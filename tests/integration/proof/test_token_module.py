"""The module of a token, whose code runs in our process, and what stages are kept from."""

import shutil
from pathlib import Path

import pytest

from tests.integration.contract.repository import Repository
from tests.integration.proof.soft_token import SETTINGS, SoftToken, refused

pytestmark = pytest.mark.system("softhsm2")


def test_missing_module_is_refused(project: Repository, token: SoftToken) -> None:
    project.write(SETTINGS, token.settings(module="/usr/lib/none/libnone.so"))
    project.commit("no module")
    assert "no such PKCS#11 module" in refused(project, ("keys", "show"), token.variables, 3)


def test_file_that_is_no_module_is_refused(project: Repository, token: SoftToken) -> None:
    project.write(SETTINGS, token.settings(module="/etc/passwd"))
    project.commit("no module")
    assert "the token cannot sign" in refused(project, ("keys", "show"), token.variables, 3)


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_module_inside_the_project_is_never_loaded(
    project: Repository, token: SoftToken, tmp_path: Path, linked: bool, own: bool
) -> None:
    inside = path = project.write("libevil.so", token.module.read_bytes())
    if linked:
        path = tmp_path / "linked.so"
        path.symlink_to(inside)
    project.write(SETTINGS, token.settings(module=None if own else str(path)))
    project.commit("a module of its own")
    variables = {**token.variables, **({"ML_ASSETS_PKCS11_MODULE": str(path)} if own else {})}
    assert "module inside a repository" in refused(project, ("keys", "show"), variables, 2)


@pytest.mark.parametrize("own", [False, True])
def test_module_beside_a_project_below_the_git_root_is_never_loaded(
    project: Repository, token: SoftToken, own: bool
) -> None:
    path = project.root / "libevil.so"
    shutil.copy(token.module, path)
    below = Repository(project.home, project.tools, "below")
    below.write(SETTINGS, token.settings(module=None if own else str(path)))
    below.write(".dvc/config", "")
    below.commit("a project below the Git root")
    variables = {**token.variables, **({"ML_ASSETS_PKCS11_MODULE": str(path)} if own else {})}
    assert "module inside a repository" in refused(below, ("keys", "show"), variables, 2)


@pytest.mark.parametrize("module", ["libsofthsm2.so", "./libsofthsm2.so", None])
def test_module_that_the_current_directory_would_choose_is_refused(
    project: Repository, token: SoftToken, module: str | None
) -> None:
    project.write(SETTINGS, token.settings(module=module))
    project.commit("a relative path")
    assert "not an absolute path" in refused(project, ("keys", "show"), token.variables, 2)


def test_module_that_a_stage_may_have_left_is_loaded_only_if_the_user_names_it(
    project: Repository, token: SoftToken, tmp_path: Path
) -> None:
    left = tmp_path / "left.so"
    shutil.copy(token.module, left)
    project.write(SETTINGS, token.settings(module=str(left)))
    project.commit("a module that a stage has left")
    said = refused(project, ("keys", "show"), token.variables, 2)
    assert "writable by other users than root" in said
    own = {**token.variables, "ML_ASSETS_PKCS11_MODULE": str(left)}
    assert project.ml_assets("keys", "show", extra=own).code == 0


def test_module_that_only_a_branch_names_is_not_used(project: Repository, token: SoftToken) -> None:
    project.git("checkout", "--quiet", "-b", "feature")
    project.write(SETTINGS, token.settings(module="/etc/passwd"))
    project.commit("another module")
    assert project.ml_assets("keys", "show", extra=token.place).code == 0


# --- what stages are kept from


READER = """import pathlib
for path in pathlib.Path({directory!r}).glob("*/*.object"):
    try:
        print("SEEN", len(path.read_bytes()))
    except OSError as error:
        print("KEPT", error.strerror)
print("LOOKED")
"""


@pytest.mark.parametrize("denied", [True, False])
def test_files_of_a_token_are_kept_from_stages_where_the_settings_say_so(
    project: Repository, token: SoftToken, denied: bool
) -> None:
    reader = READER.format(directory=str(token.directory))
    project.edit("train.py", "import pathlib\n", reader)
    paths = [str(token.directory)] if denied else []
    project.write(SETTINGS, token.settings(denied=paths))
    project.commit("look at the token")
    done = project.ml_assets("run", extra=token.variables)
    assert done.code == 0, done
    seen = {word for word in ("SEEN", "LOOKED") if f"[train] {word}" in done.stderr}
    assert seen == ({"LOOKED"} if denied else {"LOOKED", "SEEN"}), done


GATE = """
[gates.look]
command = ["python3", "look.py"]
"""


@pytest.mark.parametrize("denied", [True, False])
def test_files_of_a_token_are_kept_from_gates_where_the_settings_say_so(
    project: Repository, token: SoftToken, denied: bool
) -> None:
    reader = READER.format(directory=str(token.directory))
    project.write("look.py", reader.replace('print("SEEN"', 'raise SystemExit("SEEN"'))
    paths = [str(token.directory)] if denied else []
    project.write(SETTINGS, token.settings(denied=paths) + GATE)
    project.commit("look at the token")
    done = project.ml_assets("check", "look", "--json", extra=token.variables)
    (gate,) = done.document["gates"]
    assert gate["verdict"] == ("passed" if denied else "warned"), done


@pytest.mark.parametrize("path", ["tokens", "{project}/tokens", "{project}", "/"])
def test_what_cannot_be_kept_from_stages_is_no_setting(
    project: Repository, token: SoftToken, path: str
) -> None:
    denied = path.format(project=project.project)
    project.write(SETTINGS, token.settings(denied=[denied]))
    project.commit("deny the project")
    done = project.ml_assets("run", extra=token.variables)
    assert (done.code, done.ran) == (2, {}), done
    assert "cannot deny a path to stages" in done.stderr
