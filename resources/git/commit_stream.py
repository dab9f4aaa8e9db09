"""The commit stream: one commit in the input format of ``git fast-import``."""

from __future__ import annotations

import os
from collections.abc import Mapping


def build_commit_stream(
    ref: str,
    files: Mapping[str, bytes],
    message: str,
    committer: str,
    parent: str | None,
    *,
    whole: bool,
) -> bytes:
    """Build the stream that writes one commit and prints its hash.

    Args:
        ref: the reference that Git sets to the commit.
        files: contents by path.
        committer: name, e-mail address in angle brackets, and time (``NAME <EMAIL> SECONDS ZONE``).
        whole: the commit holds only these files; otherwise it keeps the other files of its parent.
    """
    text = message.encode()
    head = f"commit {ref}\nmark :1\ncommitter {committer}\n"
    stream = [head.encode(), b"data %d\n" % len(text), text, b"\n"]
    stream += [f"from {parent}\n".encode()] if parent else []
    stream += [b"deleteall\n"] if whole else []
    for path, content in sorted(files.items()):
        quoted = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        stream += [os.fsencode(f'M 100644 inline "{quoted}"\n')]
        stream += [b"data %d\n" % len(content), content, b"\n"]
    return b"".join([*stream, b"get-mark :1\ndone\n"])
