"""What a pickle may do with an allowed name, besides naming it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from security.model_scan.pickle import call_rules, zone_rules
from security.model_scan.pickle.call_rules import Rule, StateRule


@dataclass(frozen=True, slots=True)
class Allowance:
    """The allowed uses of a name.

    Attributes:
        make: a pickle may create an object of this class without arguments and `__init__`.
        call: a pickle may call it with arguments that pass this rule; None forbids calls.
        grow: a pickle may set, append or add items on an object that it has created.
        state: a pickle may set a state that passes this rule; None allows any.
        strict: the name is allowed only where the machine follows every step: with other arguments
            or another state than its rules allow, it runs code.
    """

    make: bool = False
    call: Rule | None = None
    grow: bool = False
    state: StateRule | None = None
    strict: bool = False


#: Names of one module, as text with spaces, and their allowance: `{"module name name": …}`.
Table = Mapping[str, Allowance]

NAME = Allowance()
MAKE = Allowance(make=True)
CALL = Allowance(call=call_rules.anything)
MAKE_OR_CALL = Allowance(True, call_rules.anything)
EMPTY = Allowance(True, call_rules.nothing)

#: Callables with these rules return an object of the class in their first argument.
CLASS_FIRST: frozenset[Rule | None] = frozenset(
    {
        call_rules.one_class,
        call_rules.reconstructed,
        zone_rules.zone_data,
        zone_rules.zone_index,
    }
)
