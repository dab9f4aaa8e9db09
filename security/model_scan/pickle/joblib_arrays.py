"""The arrays that joblib writes into the middle of a pickle. The scanner skips their bytes.

The code follows numpy_pickle.NumpyArrayWrapper.read_array of joblib 1.x step by step, so that it
continues exactly where joblib would.
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
    """Skip the bytes of the array that a wrapper announces.

    1. The wrapper has one state, with no attributes other than joblib's.
    2. An array of objects is a separate pickle, read by a separate machine.
    3. For other arrays a byte gives the length of the padding before the array. Its value is 1 to
       16, which is no pickle operation, so a plain loader stops here. Files from before joblib 1.2
       have no such byte; `pickle_reader` scans both readings.
    4. The array's length is the product of its shape and the size of its elements.

    Raises:
        UnscannedError: a step fails.
    """
    state = wrapper.state
    if wrapper.builds != 1 or not isinstance(state, Mapping) or not state.whole:
        raise UnscannedError("array wrapper with a state that cannot be followed")
    if not _ATTRIBUTES >= state.entries.keys():  # 1
        raise UnscannedError("array wrapper with attributes that joblib does not write")
    element = read_pickled(state.entries.get("dtype"))
    count = count_elements(state.entries.get("shape", "none"))
    if element.objects:  # 2
        if state.entries.get("allow_mmap", False) is not False:
            raise UnscannedError("array of objects that allows memory mapping")
        _follow_objects(machine)
        return
    alignment = state.entries.get("numpy_array_alignment_bytes")
    if alignment is not None:  # 3
        padding = machine.stream.read(1)[0]
        if not 1 <= padding <= _HIGHEST_PADDING:
            raise UnscannedError("array with a padding that joblib does not write")
        machine.stream.skip(padding)
    machine.stream.skip(count * element.size)  # 4


def _follow_objects(machine: Machine) -> None:
    """Read the pickle of an array of objects, in which joblib reads no further wrappers."""
    stream = machine.stream
    inner = Machine(stream, machine.limits, machine.report, start=stream.position)
    read_pickle(inner)
    if inner.wrapped:
        raise UnscannedError("array of objects with a wrapper that joblib would not read")
