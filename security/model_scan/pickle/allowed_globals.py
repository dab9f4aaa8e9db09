"""The names that a pickle may use, and the allowed uses of each. Any other name is a finding.

Names are exact, without prefixes or patterns: `joblib.numpy_pickle.NumpyUnpickler` is close to an
allowed name, and opens files. Each family has a file, which says why it is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator

from security.model_scan.pickle import (
    allowed_boosters,
    allowed_numpy,
    allowed_pandas,
    allowed_scipy,
    allowed_sklearn,
    allowed_standard,
    allowed_torch,
    call_rules,
)
from security.model_scan.pickle.allowance import (
    CLASS_FIRST,
    MAKE,
    MAKE_OR_CALL,
    NAME,
    Allowance,
    Table,
)
from security.model_scan.pickle.pickle_values import (
    OPAQUE_BYTES,
    OPAQUE_INT,
    Global,
    Instance,
    Opaque,
    Persistent,
    Value,
)

_FAMILIES = (
    allowed_standard.STANDARD_LIBRARY,
    allowed_standard.DATEUTIL,
    allowed_standard.PYTZ,
    allowed_numpy.NUMPY,
    allowed_numpy.JOBLIB,
    allowed_scipy.SCIPY,
    allowed_scipy.DISTRIBUTIONS,
    allowed_pandas.PANDAS,
    allowed_pandas.OFFSETS,
    allowed_torch.TORCH,
    allowed_torch.MODULES,
    allowed_boosters.BOOSTERS,
)


def _spread(module: str, table: Table) -> Iterator[tuple[Global, Allowance]]:
    """Yield one entry per name from entries of several names of one module."""
    for names, allowance in table.items():
        for name in names.split():
            yield Global(module, name), allowance


def _collect() -> Iterator[tuple[Global, Allowance]]:
    """Yield every allowed name."""
    yield from _spread("builtins", allowed_standard.BUILTINS)
    yield from _spread("__builtin__", {**allowed_standard.BUILTINS, **allowed_standard.PYTHON_2})
    for table in _FAMILIES:
        for names, allowance in table.items():
            module, _, rest = names.partition(" ")
            yield from _spread(module, {rest: allowance})
    for module_names, allowance in (
        (allowed_sklearn.ESTIMATORS, MAKE),
        (allowed_sklearn.CALLED, MAKE_OR_CALL),
        (allowed_sklearn.NEW_OBJECTS, Allowance(call=call_rules.one_class)),
        (allowed_sklearn.BY_NEW_OBJECT, MAKE),
        (allowed_sklearn.FUNCTIONS, NAME),
    ):
        for module, text in module_names.items():
            yield from _spread(f"sklearn.{module}", {text: allowance})
    yield Global("sklearn.utils._bunch", "Bunch"), Allowance(True, None, grow=True)


ALLOWED = dict(_collect())

#: The names that may follow where the machine does not follow every step: allowed in some module.
NAMES = frozenset(one.name for one in ALLOWED) - frozenset(
    one.name for one, allowance in ALLOWED.items() if allowance.strict
)
_REFUSED = Allowance()


def check_call(target: Global, arguments: tuple[Value, ...]) -> str | None:
    """Return why a call of an allowed name is not allowed; None if it is, or the name is not."""
    allowance = ALLOWED.get(target)
    if allowance is None:
        return None
    wrong = "calls are not allowed" if allowance.call is None else allowance.call(arguments)
    if wrong is None:
        return None
    return f"loading calls {target}{' with' if allowance.call else ':'} {wrong}"


def check_state(maker: Global, state: Value) -> str | None:
    """Return why a state of an object is not allowed; None if it is."""
    rule = ALLOWED.get(maker, _REFUSED).state
    wrong = None if rule is None else rule(state)
    return None if wrong is None else f"loading sets the state of {maker} with {wrong}"


def makes_its_argument(target: Global) -> bool:
    """Say whether a callable returns an object of the class in its first argument."""
    return ALLOWED.get(target, _REFUSED).call in CLASS_FIRST


def may_be_text(value: Value) -> bool:
    """Say whether a value could be a string to the loader."""
    if isinstance(value, (Global, Instance)):
        maker = value.maker if isinstance(value, Instance) else value
        return maker not in ALLOWED  # no allowed name is or returns a plain string
    return isinstance(value, (str, Opaque, Persistent)) and value not in (OPAQUE_BYTES, OPAQUE_INT)
