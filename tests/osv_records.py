"""OSV records for tests: a valid one, to be changed, and ways to lay records down."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def osv_record(identifier: str = "PYSEC-2025-1", **changes: Any) -> dict[str, Any]:
    """Return a valid record; a change to None takes the field away."""
    record: dict[str, Any] = {
        "id": identifier,
        "schema_version": "1.6.0",
        "modified": "2025-12-31T10:00:00Z",
        "published": "2025-12-30T10:00:00Z",
        "aliases": [],
        "summary": "a package breaks",
        "affected": [affected()],
    }
    record.update(changes)
    return {key: value for key, value in record.items() if value is not None}


def affected(
    name: str = "victim",
    events: list[dict[str, str]] | None = None,
    *,
    ecosystem: str = "PyPI",
    versions: list[str] | None = None,
) -> dict[str, Any]:
    """Return the entry of one package with one range."""
    events = [{"introduced": "0"}, {"fixed": "2.0"}] if events is None else events
    entry: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}}
    if events:
        entry["ranges"] = [{"type": "ECOSYSTEM", "events": events}]
    if versions is not None:
        entry["versions"] = versions
    return entry


def many_records(count: int, *, ecosystem: str = "PyPI", prefix: str = "PYSEC-2025-") -> list[Any]:
    """Return records of different packages."""
    return [
        osv_record(f"{prefix}{n}", affected=[affected(f"package-{n}", ecosystem=ecosystem)])
        for n in range(count)
    ]


def write_directory(root: Path, records: list[Any]) -> Path:
    """Write each record as a JSON file."""
    root.mkdir(parents=True, exist_ok=True)
    for record in records:
        (root / f"{record['id']}.json").write_text(json.dumps(record))
    return root


def zip_bytes(records: list[Any]) -> bytes:
    """Return an archive in the shape of OSV's all.zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return buffer.getvalue()


def write_zip(path: Path, records: list[Any]) -> Path:
    """Write an archive in the shape of OSV's all.zip."""
    path.write_bytes(zip_bytes(records))
    return path


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    """Write a tar of regular files."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # mode is a str
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path
