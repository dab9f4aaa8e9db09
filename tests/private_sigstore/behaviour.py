"""The behaviour: what the private Sigstore does otherwise than it should, for one test."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass
class Behaviour:
    """What the services do next; the defaults are how they should.

    Attributes:
        log_clock: by how much the log's clock is wrong.
        stamp_clock: by how much the time stamp authority's clock is wrong.
        claims: that tokens of the job get beside or in place of the usual ones.
        authority: the certificate that is issued may issue others itself.
        first_issuer: the issuer in the extension that came first (1.1), if not the true one.
        foreign_sct: the certificate log's promise is signed by another log's key.
        silence: seconds that pass before every answer.
        last_token: the last token that was given out, to look for where it must not be.
    """

    log_clock: datetime.timedelta = datetime.timedelta()
    stamp_clock: datetime.timedelta = datetime.timedelta()
    claims: dict[str, str] | None = None
    authority: bool = False
    first_issuer: str = ""
    foreign_sct: bool = False
    silence: float = 0.0
    last_token: str = ""
