"""The bundled advisories, built from an archive of the Python Packaging Advisory Database.

    python -m tools.advisory_snapshot ARCHIVE security/advisories/data/NAME.jsonl.xz

The same archive gives the same bytes. It prints the values for security/advisories/snapshot.py.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import sys
from pathlib import Path

from resources.advisory_feed.archive import read_archive
from resources.advisory_feed.limits import FeedLimits
from resources.advisory_feed.record_text import parse_record_text
from security.advisories.advisory import parse_advisory


def build_snapshot(archive: Path) -> tuple[bytes, bytes, int]:
    """Return the compressed snapshot of an archive, its text, and the number of records.

    Raises:
        AdvisoryError: a record is malformed.
        ResourceError: the archive cannot be read.
    """
    lines: dict[str, str] = {}
    for raw in read_archive(archive, FeedLimits()):
        document = parse_record_text(raw.content, raw.where)
        advisory = parse_advisory(document, raw.where)
        lines[advisory.id] = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    text = "".join(f"{lines[key]}\n" for key in sorted(lines)).encode()
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]
    return lzma.compress(text, check=lzma.CHECK_SHA256, filters=filters), text, len(lines)


def main(arguments: list[str]) -> int:
    """Write the snapshot."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    packed, text, records = build_snapshot(Path(arguments[0]))
    Path(arguments[1]).write_bytes(packed)
    print(f'sha256="{hashlib.sha256(packed).hexdigest()}", records={records}, size={len(text)}')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
