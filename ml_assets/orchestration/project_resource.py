"""The project as a Dagster resource: the working tree of the ops."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from ml_assets.project.project import Project

#: The key of the resource in the definitions.
PROJECT = "project"


class ProjectResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # it stands for itself
    """A Git and DVC repository on this machine.

    Attributes:
        root: the directory that holds ``.dvc``, absolute.
        branch: the branch in asset keys; None takes the branch of HEAD.
        state: the directory of statements and results; None keeps them in the project.
    """

    root: str
    branch: str | None = None
    state: str | None = None

    def open(self) -> Project:
        """Return the project."""
        return Project(Path(self.root), self.branch, Path(self.state) if self.state else None)


def describe_project(project: Project) -> ProjectResource:
    """Return the resource that opens a project."""
    state = os.fspath(project.shared) if project.shared is not None else None
    return ProjectResource(root=os.fspath(project.root), branch=project.name, state=state)
