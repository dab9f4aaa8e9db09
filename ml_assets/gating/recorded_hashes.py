"""The recorded and the present hashes of outs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resources.dvc.cache.content import Content
from resources.dvc.checkout.checkout import Checkout
from security.gates.context import Hashes


class RecordedHashes(Mapping[str, Hashes]):
    """The hashes of outs, by location, each read on demand.

    Args:
        written: contents that this run has written and not recorded yet, by location.
    """

    def __init__(self, checkout: Checkout, written: Mapping[str, Content]) -> None:
        self._checkout = checkout
        self._written = written

    def __getitem__(self, location: str) -> Hashes:
        content = self._checkout.read(location)
        return Hashes(self._recorded(location), content.md5 if content is not None else None)

    def _recorded(self, location: str) -> str | None:
        if location in self._written:
            return self._written[location].md5
        stage = self._checkout.manifest.producer[location]
        out = next(out for out in stage.outs if out.location == location)
        if stage.is_source:
            fields: Mapping[str, object] = out.recorded or {}
        else:
            entry = self._checkout.recorded(stage) or {}
            outs = entry.get("outs", ())
            fields = next((fields for fields in outs if fields.get("path") == out.path), {})
        md5 = fields.get("md5")
        return md5 if isinstance(md5, str) else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._checkout.manifest.producer)

    def __len__(self) -> int:
        return len(self._checkout.manifest.producer)
