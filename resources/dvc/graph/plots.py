"""Plots: the images of ``dvc plots show`` as PNG, without a browser or a network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import vl_convert
from dvc.exceptions import DvcException
from dvc.render.match import match_defs_renderers
from dvc_render import ImageRenderer, VegaRenderer
from dvc_render.exceptions import DvcRenderError

from resources.dvc.configuration.remote_settings import RemoteSettings
from resources.dvc.configuration.repository import Repository
from resources.errors import UnavailableError


@dataclass(frozen=True)
class Image:
    """One rendered plot: its id in DVC and the PNG."""

    id: str
    png: bytes


def render_plots(root: Path, remotes: RemoteSettings | None, ids: set[str]) -> list[Image]:
    """Render plots of the working tree with DVC's templates.

    Args:
        root: the DVC root.
        remotes: the settings of remotes of the protected branch; None if the checkout's count.
        ids: DVC's ids of the plots: the id of a top-level plot, or the location of an out.

    Raises:
        UnavailableError: DVC or the renderer cannot draw a plot.
    """
    try:
        with Repository(root, remotes) as repo:
            data = repo.plots.show(revs=["workspace"])
            matches = match_defs_renderers(data, templates_dir=repo.plots.templates_dir)
            wanted = [match.renderer for match in matches if _id(match.renderer.name) in ids]
            return [image for renderer in wanted for image in _draw(renderer)]
    except (DvcException, DvcRenderError, ValueError) as error:
        raise UnavailableError(
            f"cannot draw a plot: {error}", "find the cause: dvc plots show -v"
        ) from error


def _draw(renderer: VegaRenderer | ImageRenderer) -> Iterator[Image]:
    if renderer.TYPE != "vega" or not renderer.datapoints:
        return
    specification = renderer.get_filled_template()
    if specification:
        png = vl_convert.vegalite_to_png(json.dumps(specification), allowed_base_urls=[])
        yield Image(_id(renderer.name), png)


def _id(name: str) -> str:
    """Remove the defining file from DVC's name of a plot (``dvc.yaml::id``)."""
    return str(name).rpartition("::")[2]
