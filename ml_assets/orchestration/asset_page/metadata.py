"""Metadata of one materialization for Dagster's UI."""

from __future__ import annotations

import base64
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from resources.dvc.cache.content import Content, KnownContent
from resources.dvc.graph.manifest import Manifest, Out
from resources.dvc.run.stage_result import StageResult

_LARGEST_REPORT = 1 << 20  # bytes of a metrics file or table that are read for display
_ROWS = 20  # of a table


def result_metadata(result: StageResult, known: KnownContent | None) -> dict[str, dg.MetadataValue]:
    """Describe the action that made an out, and its content."""
    values: dict[str, dg.MetadataValue] = {"dvc/action": dg.MetadataValue.text(result.action.value)}
    if result.reasons:
        values["dvc/reasons"] = dg.MetadataValue.md("\n".join(f"- {r}" for r in result.reasons))
    if known is not None:
        values["size (bytes)"] = dg.MetadataValue.int(known.size)
        values["dvc/md5"] = dg.MetadataValue.text(known.md5)
        if isinstance(known, Content):
            values["sha256"] = dg.MetadataValue.text(known.sha256)
        files = known.lock_fields().get("nfiles")
        if files is not None:
            values["files"] = dg.MetadataValue.int(int(files))
    usage = result.usage
    if usage is not None:
        values["exit code"] = dg.MetadataValue.int(usage.exit_code)
        values["duration (s)"] = dg.MetadataValue.float(round(usage.seconds, 3))
        values["cpu time (s)"] = dg.MetadataValue.float(round(usage.cpu_seconds, 3))
        if usage.peak_bytes is not None:
            peak = round(usage.peak_bytes / 2**20, 1)
            values["peak memory (MiB)"] = dg.MetadataValue.float(peak)
    return values


def metric_metadata(path: Path) -> dict[str, dg.MetadataValue]:
    """Return the numbers of a metrics file, which the UI plots over time.

    An unreadable file gives no numbers: this is display, not evidence.
    """
    document = _load(path)
    return {
        f"metric/{name}": dg.MetadataValue.float(float(value))
        for name, value in _numbers(document, "")
    }


def _load(path: Path) -> Any:
    if not path.is_file() or path.stat().st_size > _LARGEST_REPORT:
        return None
    text = path.read_text("utf-8", "replace")
    try:
        if path.suffix == ".json":
            return json.loads(text)
        if path.suffix == ".toml":
            return tomllib.loads(text)
        from ruamel.yaml import YAML

        return YAML(typ="safe").load(text)
    except Exception as error:  # noqa: BLE001  # any parser's error means: nothing to display
        return {"unreadable": str(error)}


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name or "value", value


def table_metadata(path: Path) -> dict[str, dg.MetadataValue]:
    """Return the first rows of a plot's data file as a table."""
    if path.suffix in (".csv", ".tsv"):
        rows = _csv_rows(path)
    elif path.suffix == ".json":
        rows = _json_rows(_load(path))
    else:
        return {}
    if not rows:
        return {}
    records = [dg.TableRecord({k: _cell(v) for k, v in row.items()}) for row in rows[:_ROWS]]
    columns = [dg.TableColumn(str(name)) for name in rows[0]]
    schema = dg.TableSchema(columns=columns)
    return {"first rows": dg.MetadataValue.table(records=records, schema=schema)}


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    import csv

    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8", errors="replace") as stream:
        reader = csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
        return [row for row, _ in zip(reader, range(_ROWS), strict=False) if None not in row]


def _json_rows(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, dict):
        document = next((v for v in document.values() if isinstance(v, list)), None)
    if not isinstance(document, list):
        return []
    names = list(document[0]) if document and isinstance(document[0], dict) else []
    return [row for row in document if isinstance(row, dict) and list(row) == names]


def _cell(value: Any) -> str | int | float | bool:
    return value if isinstance(value, (str, int, float, bool)) else json.dumps(value)


def plot_ids(manifest: Manifest, out: Out) -> set[str]:
    """Return DVC's ids of the plots of an out."""
    ids = {
        plot.id
        for plot in manifest.plots
        if any(_inside(source, out.location) for source in plot.sources)
    }
    if out.role == "plot":
        ids.add(out.location)
    return ids


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def image_metadata(name: str, png: bytes) -> dict[str, dg.MetadataValue]:
    """Return an image that the UI shows without a request."""
    data = base64.b64encode(png).decode("ascii")
    return {f"plot/{name}": dg.MetadataValue.md(f"![{name}](data:image/png;base64,{data})")}
