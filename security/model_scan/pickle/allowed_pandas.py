"""The allowed names of pandas and of the Arrow arrays in its frames.

Frames, indexes and their arrays. No name of pandas.core.computation, which evaluates text, and no
reader of files.
"""

from __future__ import annotations

from security.model_scan.pickle import arrow_rules, call_rules, zone_rules
from security.model_scan.pickle.allowance import CALL, MAKE, MAKE_OR_CALL, NAME, Allowance, Table

_CLASS_FIRST = Allowance(call=call_rules.one_class)
_ZONED_TYPE = Allowance(True, zone_rules.zone_dtype, strict=True)
_ZONED_INDEX = Allowance(call=zone_rules.zone_index, strict=True)

PANDAS: Table = {
    "pandas DataFrame Series Grouper": MAKE,
    "pandas DateOffset Interval Period": MAKE_OR_CALL,
    "pandas Categorical CategoricalDtype IntervalDtype PeriodDtype SparseDtype": MAKE_OR_CALL,
    "pandas DatetimeTZDtype": _ZONED_TYPE,
    "pandas BooleanDtype Float32Dtype Float64Dtype StringDtype": MAKE_OR_CALL,
    "pandas Int8Dtype Int16Dtype Int32Dtype Int64Dtype": MAKE_OR_CALL,
    "pandas UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype": MAKE_OR_CALL,
    "pandas CategoricalIndex DatetimeIndex Index IntervalIndex MultiIndex": MAKE,
    "pandas PeriodIndex RangeIndex TimedeltaIndex NA": MAKE,
    "pandas.arrays ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray": MAKE,
    "pandas.arrays IntervalArray NumpyExtensionArray PeriodArray StringArray TimedeltaArray": MAKE,
    "pandas.arrays SparseArray ArrowExtensionArray": MAKE,
    "pandas.core.arrays.boolean BooleanArray BooleanDtype": MAKE_OR_CALL,
    "pandas.core.arrays.categorical Categorical": MAKE,
    "pandas.core.arrays.datetimes DatetimeArray": MAKE,
    "pandas.core.arrays.floating FloatingArray Float32Dtype Float64Dtype": MAKE_OR_CALL,
    "pandas.core.arrays.integer IntegerArray Int8Dtype Int16Dtype Int32Dtype": MAKE_OR_CALL,
    "pandas.core.arrays.integer Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype": MAKE_OR_CALL,
    "pandas.core.arrays.integer UInt64Dtype": MAKE_OR_CALL,
    "pandas.core.arrays.interval IntervalArray": MAKE,
    "pandas.core.arrays.period PeriodArray": MAKE,
    "pandas.core.arrays.sparse.array SparseArray": MAKE,
    "pandas.core.arrays.string_ StringArray StringDtype": MAKE_OR_CALL,
    "pandas.core.arrays.timedeltas TimedeltaArray": MAKE,
    "pandas.core.arrays.numpy_ PandasArray NumpyExtensionArray": MAKE,
    "pandas.core.frame DataFrame": MAKE,
    "pandas.core.series Series": MAKE,
    "pandas.core.indexes.base Index": MAKE,
    "pandas.core.indexes.category CategoricalIndex": MAKE,
    "pandas.core.indexes.datetimes DatetimeIndex": MAKE,
    "pandas.core.indexes.interval IntervalIndex": MAKE,
    "pandas.core.indexes.multi MultiIndex": MAKE,
    "pandas.core.indexes.period PeriodIndex": MAKE,
    "pandas.core.indexes.range RangeIndex": MAKE,
    "pandas.core.indexes.timedeltas TimedeltaIndex": MAKE,
    "pandas.core.indexes.numeric Float64Index Int64Index UInt64Index": MAKE,
    "pandas.core.indexes.frozen FrozenList": Allowance(True, None, grow=True),
    "pandas.core.dtypes.dtypes CategoricalDtype IntervalDtype PeriodDtype": MAKE_OR_CALL,
    "pandas.core.dtypes.dtypes SparseDtype": MAKE_OR_CALL,
    "pandas.core.dtypes.dtypes DatetimeTZDtype": _ZONED_TYPE,
    "pandas.core.groupby.grouper Grouper": MAKE,
    "pandas.core.internals.managers BlockManager SingleBlockManager": MAKE_OR_CALL,
    "pandas._libs.internals _unpickle_block": CALL,
    "pandas._libs.arrays __pyx_unpickle_NDArrayBacked": _CLASS_FIRST,
    "pandas._libs.interval Interval": MAKE_OR_CALL,
    "pandas._libs.interval __pyx_unpickle_IntervalMixin": _CLASS_FIRST,
    "pandas._libs.missing NAType": Allowance(call=call_rules.nothing),
    "pandas._libs.missing NA": NAME,
    "pandas._libs.sparse BlockIndex IntIndex": Allowance(call=call_rules.checked_indexes),
    "pandas._libs.tslibs.nattype _nat_unpickle": CALL,
    "pandas._libs.tslibs.nattype __nat_unpickle": CALL,
    "pandas._libs.tslibs.period Period": MAKE_OR_CALL,
    "pandas._libs.tslibs.timedeltas _timedelta_unpickle": CALL,
    "pandas._libs.tslibs.timestamps _unpickle_timestamp": CALL,
    "pandas.core.indexes.base _new_Index": _CLASS_FIRST,
    "pandas.core.indexes.datetimes _new_DatetimeIndex": _ZONED_INDEX,
    "pandas.core.indexes.interval _new_IntervalIndex": _CLASS_FIRST,
    "pandas.core.indexes.period _new_PeriodIndex": _CLASS_FIRST,
    "pandas.core.indexes.timedeltas _new_TimedeltaIndex": _CLASS_FIRST,
    # The strings of pandas 3: buffers and lengths, no code.
    "pyarrow.lib _restore_array": Allowance(call=arrow_rules.restored_array),
    "pyarrow.lib py_buffer type_for_alias": CALL,
}

_OFFSETS = (
    "BDay BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay"
    " BusinessHour BusinessMonthBegin BusinessMonthEnd CDay CustomBusinessDay Day Easter"
    " HalfYearBegin HalfYearEnd Hour LastWeekOfMonth Micro Milli Minute MonthBegin MonthEnd Nano"
    " QuarterBegin QuarterEnd Second SemiMonthBegin SemiMonthEnd Week WeekOfMonth YearBegin YearEnd"
)
OFFSETS: Table = {f"pandas._libs.tslibs.offsets {_OFFSETS}": MAKE_OR_CALL}
