"""The names that a pickle may use, and the allowed uses of each. Any other name is a finding.

Names are exact, without prefixes or patterns: `joblib.numpy_pickle.NumpyUnpickler` is close to an
allowed name, and opens files. A comment on each family says why it is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from security.model_scan.pickle import allowed_sklearn, call_rules
from security.model_scan.pickle.call_rules import Rule
from security.model_scan.pickle.pickle_values import Global


@dataclass(frozen=True, slots=True)
class Allowance:
    """The allowed uses of a name, besides naming it.

    Attributes:
        make: a pickle may create an object of this class without calling `__init__`.
        call: a pickle may call it with arguments that pass this rule; None forbids calls.
        grow: a pickle may set, append or add items on an object that it has created.
    """

    make: bool = False
    call: Rule | None = None
    grow: bool = False


_NAME = Allowance()
_MAKE = Allowance(make=True)
_CALL = Allowance(call=call_rules.anything)

# Plain classes: no code of the file's choice. `bytearray` and `bytes` need content, because a
# number makes them allocate memory. No `getattr`, `type` or `map`: gadget chains use them.
_BUILTINS = {
    "bool bytes dict float int list str tuple": _NAME,
    "object": _MAKE,
    "bytearray": Allowance(call=call_rules.only_bytes),
    "frozenset set": Allowance(call=call_rules.only_items, grow=True),
    "complex range slice xrange": Allowance(call=call_rules.only_numbers),
}
_PYTHON_2 = {"bytes": Allowance(call=call_rules.only_bytes)}

_STANDARD_LIBRARY = {
    # Protocols 0 to 2 write objects and bytes with these.
    "copyreg _reconstructor": Allowance(call=call_rules.reconstructed),
    "copy_reg _reconstructor": Allowance(call=call_rules.reconstructed),
    "_codecs encode": Allowance(call=call_rules.latin_text),
    # Containers and values.
    "collections OrderedDict": Allowance(True, call_rules.only_items, grow=True),
    "collections Counter": Allowance(True, call_rules.only_items, grow=True),
    "collections deque": Allowance(call=call_rules.only_items, grow=True),
    "collections defaultdict": Allowance(call=call_rules.anything, grow=True),
    "datetime date datetime time timedelta timezone": _CALL,
    "decimal Decimal": Allowance(call=call_rules.only_numbers),
}

# Arrays, element types, random states: numbers in, numbers out. numpy_dtype checks element types
# again when they get their state. Ufuncs and types can only be named, as parameters.
_NUMPY = {
    "numpy dtype": Allowance(call=call_rules.element_code),
    "numpy ndarray matrix number generic floating integer": _NAME,
    "numpy bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp": _NAME,
    "numpy float16 float32 float64 longdouble complex64 complex128 str_ bytes_ object_": _NAME,
    "numpy datetime64 timedelta64 nan inf": _NAME,
    "numpy absolute cbrt ceil cos exp exp2 expm1 fabs floor log log10 log1p log2": _NAME,
    "numpy negative reciprocal rint sign sin sqrt square tan tanh": _NAME,
    "numpy abs clip max mean median min nan_to_num sum": _NAME,
    "numpy._core.multiarray _reconstruct": Allowance(call=call_rules.empty_array),
    "numpy.core.multiarray _reconstruct": Allowance(call=call_rules.empty_array),
    "numpy._core.multiarray scalar": Allowance(call=call_rules.scalar),
    "numpy.core.multiarray scalar": Allowance(call=call_rules.scalar),
    "numpy._core.numeric _frombuffer": Allowance(call=call_rules.buffer_array),
    "numpy.core.numeric _frombuffer": Allowance(call=call_rules.buffer_array),
    "numpy.ma MaskedArray": _NAME,
    "numpy.ma.core MaskedArray": _NAME,
    "numpy.ma.core _mareconstruct": Allowance(call=call_rules.masked_array),
    "numpy.random._pickle __bit_generator_ctor": Allowance(call=call_rules.random_state),
    "numpy.random._pickle __generator_ctor": Allowance(call=call_rules.random_state),
    "numpy.random._pickle __randomstate_ctor": Allowance(call=call_rules.random_state),
    "numpy.random._mt19937 MT19937": _NAME,
    "numpy.random._pcg64 PCG64 PCG64DXSM": _NAME,
    "numpy.random._philox Philox": _NAME,
    "numpy.random._sfc64 SFC64": _NAME,
    "numpy.random.bit_generator SeedSequence": _MAKE,
    "numpy.random.bit_generator __pyx_unpickle_SeedSequence": Allowance(call=call_rules.one_class),
}

# The wrapper of an array, and no other name of joblib: its reader opens files.
_JOBLIB = {"joblib.numpy_pickle NumpyArrayWrapper": _MAKE}

_SCIPY = {
    # Compressed matrices: three arrays and a shape. No name of scipy.stats: its distributions
    # compile text from their state.
    "scipy.sparse._bsr bsr_array bsr_matrix": _MAKE,
    "scipy.sparse._coo coo_array coo_matrix": _MAKE,
    "scipy.sparse._csc csc_array csc_matrix": _MAKE,
    "scipy.sparse._csr csr_array csr_matrix": _MAKE,
    "scipy.sparse._dia dia_array dia_matrix": _MAKE,
    "scipy.interpolate._bsplines BSpline": _MAKE,
    "scipy.interpolate._interpolate interp1d": _MAKE,
    "scipy._lib.array_api_compat.numpy._aliases asarray": _NAME,
}

# Frames, indexes and their arrays. No name of pandas.core.computation, which evaluates text, and
# no reader of files.
_PANDAS = {
    "pandas DataFrame Series": _MAKE,
    "pandas Categorical CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype": Allowance(
        True, call_rules.anything
    ),
    "pandas BooleanDtype Float32Dtype Float64Dtype StringDtype": Allowance(
        True, call_rules.anything
    ),
    "pandas Int8Dtype Int16Dtype Int32Dtype Int64Dtype": Allowance(True, call_rules.anything),
    "pandas UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype": Allowance(True, call_rules.anything),
    "pandas CategoricalIndex DatetimeIndex Index IntervalIndex MultiIndex": _MAKE,
    "pandas PeriodIndex RangeIndex TimedeltaIndex NA": _MAKE,
    "pandas.arrays ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray": _MAKE,
    "pandas.arrays IntervalArray NumpyExtensionArray PeriodArray StringArray TimedeltaArray": _MAKE,
    "pandas.core.frame DataFrame": _MAKE,
    "pandas.core.series Series": _MAKE,
    "pandas.core.indexes.base Index": _MAKE,
    "pandas.core.indexes.range RangeIndex": _MAKE,
    "pandas.core.indexes.multi MultiIndex": _MAKE,
    "pandas.core.indexes.datetimes DatetimeIndex": _MAKE,
    "pandas.core.arrays.categorical Categorical": _MAKE,
    "pandas.core.dtypes.dtypes CategoricalDtype": Allowance(True, call_rules.anything),
    "pandas.core.internals.managers BlockManager SingleBlockManager": Allowance(
        True, call_rules.anything
    ),
    "pandas._libs.internals _unpickle_block": _CALL,
    "pandas._libs.arrays __pyx_unpickle_NDArrayBacked": Allowance(call=call_rules.one_class),
    "pandas._libs.tslibs.nattype _nat_unpickle": _CALL,
    "pandas._libs.tslibs.offsets Day Hour Milli Minute MonthBegin MonthEnd Second": Allowance(
        True, call_rules.anything
    ),
    "pandas._libs.tslibs.timestamps _unpickle_timestamp": _CALL,
    "pandas.core.indexes.base _new_Index": Allowance(call=call_rules.one_class),
    "pandas.core.indexes.datetimes _new_DatetimeIndex": Allowance(call=call_rules.one_class),
    "pandas.core.indexes.interval _new_IntervalIndex": Allowance(call=call_rules.one_class),
    "pandas.core.indexes.timedeltas _new_TimedeltaIndex": Allowance(call=call_rules.one_class),
    # The strings of pandas 3: buffers and lengths, no code.
    "pyarrow.lib _restore_array py_buffer type_for_alias": _CALL,
}

# Boosters read their own format from bytes, in native code; they name nothing.
_BOOSTERS = {
    "xgboost.core Booster": _MAKE,
    "xgboost.sklearn XGBClassifier XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor": _MAKE,
    "catboost.core CatBoost CatBoostClassifier CatBoostRanker CatBoostRegressor": _MAKE,
    "lightgbm.basic Booster": _MAKE,
    "lightgbm.sklearn LGBMClassifier LGBMModel LGBMRanker LGBMRegressor": _MAKE,
}

# The names that `torch.load(weights_only=True)` allows for tensors, without module classes.
_TORCH = {
    "torch._utils _rebuild_tensor _rebuild_tensor_v2 _rebuild_parameter": _CALL,
    "torch Size device": _CALL,
    "torch bfloat16 bool complex128 complex64 float16 float32 float64 int16 int32 int64": _NAME,
    "torch int8 uint8 per_tensor_affine per_channel_affine strided": _NAME,
    "torch BFloat16Storage BoolStorage ByteStorage CharStorage DoubleStorage FloatStorage": _NAME,
    "torch ComplexDoubleStorage ComplexFloatStorage HalfStorage IntStorage LongStorage": _NAME,
    "torch ShortStorage": _NAME,
    "torch.storage UntypedStorage": _NAME,
}


def _spread(module: str, table: dict[str, Allowance]) -> Iterator[tuple[Global, Allowance]]:
    """Yield one entry per name from entries of several names of one module."""
    for names, allowance in table.items():
        for name in names.split():
            yield Global(module, name), allowance


def _collect() -> Iterator[tuple[Global, Allowance]]:
    """Yield every allowed name."""
    yield from _spread("builtins", _BUILTINS)
    yield from _spread("__builtin__", {**_BUILTINS, **_PYTHON_2})
    families = (_STANDARD_LIBRARY, _NUMPY, _JOBLIB, _SCIPY, _PANDAS, _BOOSTERS, _TORCH)
    for table in families:
        for names, allowance in table.items():
            module, _, rest = names.partition(" ")
            yield from _spread(module, {rest: allowance})
    for module_names, allowance in (
        (allowed_sklearn.ESTIMATORS, _MAKE),
        (allowed_sklearn.CALLED, Allowance(True, call_rules.anything)),
        (allowed_sklearn.NEW_OBJECTS, Allowance(call=call_rules.one_class)),
        (allowed_sklearn.BY_NEW_OBJECT, _MAKE),
        (allowed_sklearn.FUNCTIONS, _NAME),
    ):
        for module, text in module_names.items():
            yield from _spread(f"sklearn.{module}", {text: allowance})
    yield Global("sklearn.utils._bunch", "Bunch"), Allowance(True, None, grow=True)


ALLOWED = dict(_collect())
