"""What processes of stages and gates see: no keys, and nothing to rewrite that we read later.

Hidden are keys, the paths of the setting ``signing.denied``, and private files of this program.
Read-only are the places from which this program or Git takes code, configuration or facts: Git's
directories, DVC's configuration, files with credentials that it names, our state, other worktrees,
and our Python environment.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ml_assets.project.project import Project
from ml_assets.project.rules import Rules
from ml_assets.project.settings.settings import Confinement, Settings
from ml_assets.signer.access import is_separate
from ml_assets.signer.process import find_runner_files
from ml_assets.signer.user_directories import find_configuration, find_state_home
from resources.dvc.configuration.remote_choice import list_credential_files
from resources.errors import ConfigurationError, UnavailableError
from resources.git.git_directories import find_git_directories
from security.sandbox.confinement import FileView, can_confine, can_protect
from security.sandbox.private_directory import find_private

#: Directories to create before a start where Landlock alone denies the keys: a confined process can
#: use them, but cannot create entries in the home directory, which is above the keys.
_OF_THE_USER = ((".cache",), (".local", "share"), (".local", "state"))
#: Configuration of the user that Git, DVC and storages read, and which can name programs to start.
_CONFIGURATION = (
    *(".gitconfig", ".config/git", ".config/dvc"),
    *(".aws/config", ".aws/credentials", ".ssh/config"),
)
#: Directories in DVC's own that DVC commands of a stage write.
_DVC_WRITES = ("cache", "tmp")


def find_view(project: Project, rules: Rules) -> FileView | None:
    """Find what the processes of stages see of the files; None without confinement.

    Raises:
        ConfigurationError: the settings deny a path that cannot be denied.
        UnavailableError: the settings require confinement, and this system has none.
    """
    settings = rules.settings
    view = build_view(project, settings)
    if settings.confinement is Confinement.OFF:
        return None
    if can_protect():
        return view
    # Where Landlock alone denies the keys, the directories above them are not writable.
    if can_confine() and not _is_around_keys(project):
        _make_directories(Path(os.path.expanduser("~")))
        return view
    if settings.confinement is Confinement.REQUIRED:
        raise UnavailableError(
            "cannot confine stages: signing keys would be readable",
            "use Linux 6.2 or newer with Landlock, and XDG_CONFIG_HOME outside of the project",
        )
    return None


def list_unprotected(view: FileView | None) -> list[str]:
    """List what is not protected in a run here, as messages."""
    found = []
    if view is None:
        found.append("stages can read signing keys; their provenance records this")
    elif not can_protect():
        found.append("stages can change .git, .dvc and .ml-assets: this system has no file views")
    if not is_separate():
        found.append(
            "this process can read signing keys and credentials: no signer process of its own"
        )
    return found


def _is_around_keys(project: Project) -> bool:
    inside = find_configuration().resolve().is_relative_to(project.root.resolve())
    return inside and not is_separate()


def build_view(project: Project, settings: Settings) -> FileView:
    """Build the view that processes of this project's stages and gates have.

    Args:
        settings: the protected branch's.

    Raises:
        ConfigurationError: a path is not absolute, or the project lies in it or around it.
    """
    named = (project.root / os.path.expanduser(one) for one in settings.writable)
    allowed = {Path(os.path.normpath(one)) for one in named}
    read_only = dict.fromkeys((*_list_read_only(project), *_list_environment()))
    writable = [project.root, *_list_dvc_writes(project.root)]
    if project.root.is_relative_to(find_state_home()):
        writable.append(project.find_cache())  # of watched branches, beside their worktrees
    return FileView(
        hidden=(*_list_hidden(project, settings), find_private()),
        read_only=tuple(path for path in read_only if path not in allowed),
        writable=tuple(writable),
        exempt=settings.writable,
    )


def _list_hidden(project: Project, settings: Settings) -> Iterator[Path]:
    root = project.root.resolve()
    for one in settings.signing.denied:
        path = Path(os.path.expanduser(one))
        real = path.resolve()
        if not path.is_absolute() or real.is_relative_to(root) or root.is_relative_to(real):
            raise ConfigurationError(
                f"cannot deny a path to stages: {path}",
                "write absolute paths outside of the project into signing.denied",
            )
        yield path
    if not is_separate():
        yield find_configuration()
        yield from find_runner_files(os.environ)


def _list_read_only(project: Project) -> Iterator[Path]:
    home = Path(os.path.expanduser("~"))
    for one in (project.root, project.state):
        yield from find_git_directories(one)
    yield project.own_state.parent
    yield project.state.parent
    yield project.root / ".dvc"
    yield from list_credential_files(project.root, project.remotes)
    yield find_state_home()
    yield from (home / name for name in _CONFIGURATION)


@cache
def _list_environment() -> tuple[Path, ...]:
    """List the directories from which this program imports and starts its own code."""
    if sys.prefix != sys.base_prefix:
        places = {sys.prefix}
    else:
        places = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    places |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    if site.ENABLE_USER_SITE:
        places.add(site.getusersitepackages())
    packages = Path(__file__).resolve().parents[2]
    ours = (packages / name for name in ("ml_assets", "sensors", "resources", "security"))
    return (*map(Path, sorted(places)), *ours)


def _list_dvc_writes(root: Path) -> Iterator[Path]:
    for name in _DVC_WRITES:
        path = root / ".dvc" / name
        if path.is_symlink():
            continue
        path.mkdir(parents=True, exist_ok=True)
        yield path


def _make_directories(home: Path) -> None:
    for names in _OF_THE_USER:
        try:
            home.joinpath(*names).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return  # stages cannot write into this home directory either
