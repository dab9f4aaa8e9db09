"""Rules for the distributions of SciPy.

`rv_generic.__setstate__` executes the text `_parse_arg_template` of the state: three functions with
the names of the shape parameters, which a subclass of the same class always writes alike.
"""

from __future__ import annotations

import re

from security.model_scan.pickle.pickle_values import Global, Instance, Mapping, Value

_TEMPLATE = re.compile(
    r"\ndef _parse_args\(self, (?P<shapes>(?:[A-Za-z_]\w*, )*) (?P<given>loc=0(?:, scale=1)?)\):\n"
    r"    return \((?P=shapes)\), (?P<told>loc, (?:scale|1))\n\n"
    r"def _parse_args_rvs\(self, (?P=shapes) (?P=given), size=None\):\n"
    r"    return self\._argcheck_rvs\((?P=shapes) (?P=told), size=size\)\n\n"
    r"def _parse_args_stats\(self, (?P=shapes) (?P=given), moments='mv'\):\n"
    r"    return \((?P=shapes)\), (?P=told), moments\n",
    re.ASCII,
)
_GETATTR = frozenset({"builtins.getattr", "__builtin__.getattr"})


def distribution_state(state: Value) -> str | None:
    """Accept attributes whose text to execute is the one that SciPy writes."""
    if not isinstance(state, Mapping) or not state.whole:
        return "a state that is not a dict of attributes"
    text = state.entries.get("_parse_arg_template")
    if not isinstance(text, str) or not _TEMPLATE.fullmatch(text):
        return "text to execute that SciPy does not write"
    return None


def vectorized_method(state: Value) -> str | None:
    """Accept `numpy.vectorize` of a method that the file took from a distribution."""
    if not isinstance(state, Mapping) or not state.whole:
        return "a state that is not a dict of attributes"
    function = state.entries.get("pyfunc")
    bound = isinstance(function, Instance) and str(function.maker) in _GETATTR
    return None if bound or is_distribution(function) else "a function that is not a method"


def is_distribution(value: Value) -> bool:
    """Say whether a value is an object of a distribution class of SciPy."""
    maker = value.maker if isinstance(value, Instance) else None
    known = ("scipy.stats._continuous_distns", "scipy.stats._discrete_distns")
    return isinstance(maker, Global) and maker.module in known
