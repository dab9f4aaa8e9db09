"""Arrays that joblib writes into the middle of a pickle: passed over, never held.

The reader of joblib 1.x (numpy_pickle.NumpyArrayWrapper.read_array) is followed step by step, so
that reading goes on exactly where joblib's own reader would.
"""

from __future__ import annotations

from security.model_scan.pickle.numpy_dtype import count_elements, read_pickled
from security.model_scan.pickle.pickle_machine import Machine
from security.model_scan.pickle.pickle_operations import read_pickle
from security.model_scan.pickle.pickle_values import Instance, Mapping
from security.model_scan.report import UnscannedError

_ATTRIBUTES = {
    "subclass",
    "shape",
    "order",
    "dtype",
    "allow_mmap",
    "numpy_array_alignment_bytes",
}
_HIGHEST_PADDING = 16


def skip_array(machine: Machine, wrapper: Instance) -> None:
    """Pass over the bytes of the array that a wrapper announces.

    1. The wrapper has exactly the attributes that joblib gives it, from one state.
    2. An array of objects is a pickle of its own, read by a machine of its own.
    3. Any other one follows a byte that says how much padding comes first. That byte is 1 to 16:
       no pickle operation, so a plain loader, which knows nothing of arrays, stops here. A file of
       before joblib 1.2 has no such byte; there `pickle_reader` judges both readings.
    4. The array's length is the product of its shape and the size of its elements.

    Raises:
        UnscannedError: a step finds something else.
    """
    state = wrapper.state
    if wrapper.builds != 1 or not isinstance(state, Mapping) or not state.whole:
        raise UnscannedError("an array's wrapper has a state that cannot be read")
    if not _ATTRIBUTES >= state.entries.keys():  # 1
        raise UnscannedError("an array's wrapper has attributes that joblib does not write")
    element = read_pickled(state.entries.get("dtype"))
    count = count_elements(state.entries.get("shape", "none"))
    if element.objects:  # 2
        if state.entries.get("allow_mmap", False) is not False:
            raise UnscannedError("an array of objects would be mapped into memory")
        _follow_objects(machine)
        return
    alignment = state.entries.get("numpy_array_alignment_bytes")
    if alignment is not None:  # 3
        padding = machine.stream.read(1)[0]
        if not 1 <= padding <= _HIGHEST_PADDING:
            raise UnscannedError("an array has a padding that joblib does not write")
        machine.stream.skip(padding)
    machine.stream.skip(count * element.size)  # 4


def _follow_objects(machine: Machine) -> None:
    """Read the pickle of an array of objects, in which joblib looks for no more wrappers."""
    stream = machine.stream
    inner = Machine(stream, machine.limits, machine.report, start=stream.position)
    read_pickle(inner)
    if inner.wrapped:
        raise UnscannedError("an array of objects holds a wrapper that joblib would not read")
