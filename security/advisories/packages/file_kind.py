"""The kinds of files from which an installer of Python packages may install, by their names.

A file whose name says nothing can still be a list of packages: a requirements file has any name.
Such candidates count if their content is a list of pinned packages.
"""

from __future__ import annotations

import re
from enum import Enum


class FileKind(Enum):
    """The format of a dependency file, and which installers read it.

    REQUIREMENTS: pip, uv; also constraints.
    LOCK: uv.lock and scripts' locks, poetry.lock, pdm.lock.
    PYLOCK: pylock.toml (PEP 751): pip, uv, pdm.
    PIPFILE_LOCK: pipenv.
    CONDA_LOCK: conda-lock.yml.
    CONDA_EXPLICIT: explicit lists of conda and mamba.
    PIXI_LOCK: pixi.
    CONDA_ENVIRONMENT: environment.yml, and python_env.yaml of MLflow.
    MANIFEST: pyproject.toml, Pipfile, pixi.toml, hatch.toml.
    SETUP_CFG, SETUP_PY: setuptools.
    SCRIPT: Python files with inline metadata (PEP 723).
    FOREIGN: installers of other languages, and formats without a parser here.
    WISHES: a list of requirements that need not be pinned, such as requirements.in.
    CANDIDATE: a list of packages if its content says so.
    """

    REQUIREMENTS = "requirements"
    LOCK = "lock"
    PYLOCK = "pylock"
    PIPFILE_LOCK = "Pipfile.lock"
    CONDA_LOCK = "conda lock"
    CONDA_EXPLICIT = "conda explicit list"
    PIXI_LOCK = "pixi.lock"
    CONDA_ENVIRONMENT = "conda environment"
    MANIFEST = "manifest"
    SETUP_CFG = "setup.cfg"
    SETUP_PY = "setup.py"
    SCRIPT = "script"
    FOREIGN = "foreign"
    WISHES = "wishes"
    CANDIDATE = "candidate"

    @property
    def pins(self) -> bool:
        """Whether the file lists exact versions, rather than wishes."""
        return self in _PINNING


_PINNING = frozenset(
    {
        FileKind.REQUIREMENTS,
        FileKind.LOCK,
        FileKind.PYLOCK,
        FileKind.PIPFILE_LOCK,
        FileKind.CONDA_LOCK,
        FileKind.CONDA_EXPLICIT,
        FileKind.PIXI_LOCK,
    }
)
_FOREIGN = (
    r"package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.ya?ml|bun\.lockb?|renv\.lock"
    r"|packrat\.lock|gemfile\.lock|composer\.lock|cargo\.lock|go\.sum|manifest\.toml|deno\.lock"
    r"|buildout\.cfg|anaconda-project(-lock)?\.ya?ml|spack\.(lock|yaml)|flake\.lock|.*\.dist-lock"
)
#: Suffixes of code, documents and data, which no installer reads.
_OTHERS = (
    "pyw?|pyi|pyc|pyx|ipynb|md|rst|html?|css|jsx?|tsx?|svg|png|jpe?g|gif|pdf|csv|tsv|jsonl?|parquet"
    "|npy|npz|pkl|onnx|pth?|safetensors|h5|zip|gz|xz|bz2|zst|tar|whl|so|c|h|cc|cpp|rs|go|java|sh"
    "|r|sql|tex|bib|xml|log|gitignore"
)
#: Patterns of names in lower case; the first match counts.
_NAMES = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"pylock.*\.toml", FileKind.PYLOCK),
        (r"(uv|poetry|pdm)\.lock|.+\.pyw?\.lock", FileKind.LOCK),
        (r"pipfile\.lock", FileKind.PIPFILE_LOCK),
        (r"pixi\.lock", FileKind.PIXI_LOCK),
        (r".*conda-lock\.ya?ml", FileKind.CONDA_LOCK),
        (r"conda-[^/]*\.lock|.*spec-file\.txt", FileKind.CONDA_EXPLICIT),
        (r".*requirements.*\.(txt|lock|pip)", FileKind.REQUIREMENTS),
        (r".*constraints.*\.(txt|lock|pip)", FileKind.REQUIREMENTS),
        (r"pyproject\.toml|pipfile|pixi\.toml|hatch\.toml", FileKind.MANIFEST),
        (r"setup\.cfg", FileKind.SETUP_CFG),
        (r"setup\.py", FileKind.SETUP_PY),
        (_FOREIGN, FileKind.FOREIGN),
        (r"(python_)?env(ironment)?\.ya?ml", FileKind.CONDA_ENVIRONMENT),
        (r"dvc\.lock|dvc\.yaml|\.gitignore|\.dvcignore|.*\.dvc", None),
        (rf".*\.({_OTHERS})", None),
        (r".*", FileKind.CANDIDATE),
    )
)
_IN_REQUIREMENTS = re.compile(r"(.*/)?requirements/[^/]*\.(txt|lock|pip)")


def kind_of(path: str) -> FileKind | None:
    """Return the kind of a file by its name; None if no installer reads a file of that name."""
    lower = path.lower()
    name = lower.rpartition("/")[2]
    found = next((kind for pattern, kind in _NAMES if pattern.fullmatch(name)), None)
    if found in (None, FileKind.CANDIDATE) and _IN_REQUIREMENTS.fullmatch(lower):
        return FileKind.REQUIREMENTS
    return found


def is_dependency_file(path: str) -> bool:
    """Say whether the name of a file is that of a list of pinned packages."""
    found = kind_of(path)
    return found is not None and found.pins
