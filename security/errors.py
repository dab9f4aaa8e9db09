"""What a judgement can fail with, as one tree.

SecurityError
├── AdvisoryError             security/advisories/errors.py
├── BillError                 security/bill.py
├── ConfinementError          security/landlock.py
├── CopyError                 security/private_copy.py
├── ExpectationError          security/gates/data_expectations/fields.py
├── GateError                 security/gates/interface.py
├── LedgerError               security/ledger.py
├── ListingError              security/directory_listing.py
├── ModeError                 security/file_mode.py
├── PolicyError               security/policy_text.py
├── ProvenanceError           security/provenance.py
├── PublicKeyError            security/public_key.py
├── ResultError               security/gate_result.py
├── SignatureError            security/public_key.py
├── StatementError            security/statement.py
├── SummaryError              security/verification_summary.py
└── TreeError                 security/file_tree.py
"""

from __future__ import annotations

from typing import ClassVar


class SecurityError(Exception):
    """No answer: what was to be judged could not be read, or could not be trusted.

    Attributes:
        kind: the short name that programs may match on.
        exit_code: of the command line: 3, could not judge.
        message: what happened, lower case, no full stop.
        hint: what to type or change next.
    """

    kind: ClassVar[str] = "security"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.hint = hint
