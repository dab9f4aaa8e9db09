"""The allowed names of NumPy and joblib.

Arrays, element types, random states: numbers in, numbers out. `numpy_dtype` checks element types
again when they get their state. Ufuncs and functions can only be named, as parameters: none of
them opens a file or calls a function that it gets.
"""

from __future__ import annotations

from security.model_scan.pickle import call_rules, scipy_rules
from security.model_scan.pickle.allowance import EMPTY, MAKE, NAME, Allowance, Table

_RANDOM = Allowance(call=call_rules.random_state)
_EMPTY_ARRAY = Allowance(call=call_rules.empty_array)
_SCALAR = Allowance(call=call_rules.scalar)
_BUFFER = Allowance(call=call_rules.buffer_array)

_UFUNCS = (
    "absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and"
    " bitwise_count bitwise_or bitwise_xor cbrt ceil conjugate copysign cos cosh deg2rad"
    " degrees divide divmod equal exp exp2 expm1 fabs float_power floor floor_divide fmax fmin"
    " fmod frexp gcd greater greater_equal heaviside hypot invert isfinite isinf isnan isnat"
    " lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2"
    " logical_and logical_not logical_or logical_xor matmul maximum minimum mod modf multiply"
    " negative nextafter not_equal positive power rad2deg radians reciprocal remainder"
    " right_shift rint sign signbit sin sinh spacing sqrt square subtract tan tanh trunc"
    " true_divide vecdot"
)
_UFUNC_MODULES = ("numpy", "numpy.core._multiarray_umath", "numpy._core._multiarray_umath")

NUMPY: Table = {
    "numpy dtype": Allowance(call=call_rules.element_code),
    "numpy ndarray matrix number generic floating integer record": NAME,
    "numpy bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp intc uintc": NAME,
    "numpy float16 float32 float64 longdouble complex64 complex128 clongdouble": NAME,
    "numpy byte ubyte short ushort long ulong longlong ulonglong half single double": NAME,
    "numpy str_ bytes_ object_ void datetime64 timedelta64 nan inf pi e newaxis": NAME,
    "numpy float_ complex_ unicode_ string_ int_ uint signedinteger unsignedinteger": NAME,
    "numpy inexact complexfloating flexible character": NAME,
    **{f"{module} {_UFUNCS}": NAME for module in _UFUNC_MODULES},
    # Functions of arrays.
    "numpy abs all amax amin any append argmax argmin argsort around array asarray": NAME,
    "numpy atleast_1d atleast_2d average clip column_stack concatenate cov corrcoef": NAME,
    "numpy count_nonzero cumprod cumsum diff digitize dot dstack expand_dims flip": NAME,
    "numpy full full_like histogram hstack imag interp isclose max mean median min": NAME,
    "numpy nan_to_num nanargmax nanargmin nanmax nanmean nanmedian nanmin nanpercentile": NAME,
    "numpy nanquantile nanstd nansum nanvar ones ones_like outer percentile prod ptp": NAME,
    "numpy quantile ravel real repeat reshape roll round searchsorted sort squeeze stack": NAME,
    "numpy std sum tile transpose trapezoid unique var vstack where zeros zeros_like": NAME,
    "numpy poly1d": MAKE,
    "numpy.polynomial.polynomial Polynomial": MAKE,
    "numpy.polynomial.chebyshev Chebyshev": MAKE,
    "numpy.polynomial.hermite Hermite": MAKE,
    "numpy.polynomial.hermite_e HermiteE": MAKE,
    "numpy.polynomial.laguerre Laguerre": MAKE,
    "numpy.polynomial.legendre Legendre": MAKE,
    "numpy vectorize": Allowance(True, state=scipy_rules.vectorized_method, strict=True),
    "numpy._core.multiarray _reconstruct": _EMPTY_ARRAY,
    "numpy.core.multiarray _reconstruct": _EMPTY_ARRAY,
    "numpy._core.multiarray scalar": _SCALAR,
    "numpy.core.multiarray scalar": _SCALAR,
    "numpy._core.numeric _frombuffer": _BUFFER,
    "numpy.core.numeric _frombuffer": _BUFFER,
    "numpy chararray recarray": NAME,
    "numpy.rec recarray": NAME,
    "numpy.char chararray": NAME,
    "numpy.ma MaskedArray": NAME,
    "numpy.ma.core MaskedArray": NAME,
    "numpy.ma.core MaskedConstant": EMPTY,
    "numpy.ma.core _mareconstruct": Allowance(call=call_rules.masked_array),
    "numpy.random._pickle __bit_generator_ctor __generator_ctor __randomstate_ctor": _RANDOM,
    "numpy.random._mt19937 MT19937": NAME,
    "numpy.random._pcg64 PCG64 PCG64DXSM": NAME,
    "numpy.random._philox Philox": NAME,
    "numpy.random._sfc64 SFC64": NAME,
    "numpy.random.bit_generator SeedSequence": MAKE,
    "numpy.random.bit_generator __pyx_unpickle_SeedSequence": Allowance(call=call_rules.one_class),
    "numpy.random._bit_generator SeedSequence": MAKE,
    "numpy.random._bit_generator __pyx_unpickle_SeedSequence": Allowance(call=call_rules.one_class),
}

# The wrapper of an array, and no other name of joblib: its reader opens files.
JOBLIB: Table = {"joblib.numpy_pickle NumpyArrayWrapper": MAKE}
