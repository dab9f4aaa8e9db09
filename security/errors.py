"""The tree of errors of ``security``.

SecurityError
├── AdvisoryError             security/advisories/errors.py
├── BillError                 security/bom/cyclonedx.py
├── ClockError                security/verify/verifier.py
├── ConfinementError          security/sandbox/errors.py
├── CopyError                 security/content/private_copy.py
├── DecisionError             security/verify/newest_decision.py
├── DocumentError             security/content/document.py
├── ExpectationError          security/gates/data/expectations/parser.py
├── GateError                 security/gates/interface.py
├── LedgerError               security/ledger/ledger.py
├── ListingError              security/statements/directory_listing.py
├── LockRecordError          security/statements/lock_record.py
├── ModeError                 security/content/file_mode.py
├── PolicyError               security/content/table.py
├── ProvenanceError           security/statements/provenance.py
├── PublicKeyError            security/signing/public_key.py
├── ResultError               security/statements/gate_result.py
├── SignatureError            security/signing/public_key.py
├── StatementError            security/statements/statement.py
├── SummaryError              security/verify/verification_summary.py
└── TreeError                 security/content/file_tree.py
"""

from __future__ import annotations

from typing import ClassVar


class SecurityError(Exception):
    """Input could not be read, trusted or judged.

    Attributes:
        kind: short name for programs.
        exit_code: exit code of a command: 3, could not judge.
        message: lower case, without a full stop.
        hint: what to type or change next.
    """

    kind: ClassVar[str] = "security"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.hint = hint
