"""The generated pages: the settings reference, its JSON Schema, and the command reference.

python -m tools.generated_docs           write them
python -m tools.generated_docs --check   say which are stale, with exit code 1
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.command_page import command_page
from tools.settings_page import settings_page
from tools.settings_schema import pyproject_schema, schema_text, settings_schema

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = "ml_assets/project/settings/settings.schema.json"


def generated_files() -> dict[str, str]:
    """Return the text of each generated file by its path."""
    return {
        "docs/reference/settings.md": settings_page(),
        "docs/reference/commands.md": command_page(),
        "docs/reference/pyproject.schema.json": schema_text(pyproject_schema()),
        SCHEMA: schema_text(settings_schema()),
    }


def find_stale(root: Path) -> list[str]:
    """Return the generated files that are missing or not as they would be written now."""
    return [
        path
        for path, text in generated_files().items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]


def main(arguments: Sequence[str]) -> int:
    """Write the files, or check them; return the exit code."""
    stale = find_stale(ROOT)
    if "--check" in arguments:
        for path in stale:
            print(f"{path}: stale; run: make docs")
        return 1 if stale else 0
    texts = generated_files()
    for path in stale:
        (ROOT / path).write_text(texts[path], encoding="utf-8")
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
