"""Rules for the functions that rebuild the tensors of PyTorch.

They build a view of a storage from an offset, a shape and strides. A view beyond the end of its
storage reads foreign memory, so each must be inside.
"""

from __future__ import annotations

from security.model_scan.pickle.call_rules import Arguments, Rule
from security.model_scan.pickle.pickle_values import Global, Instance, Mapping, Value
from security.model_scan.pickle.torch_storage import PACKED, parse_storage

#: The size in bytes of one element, by the name of the type.
SIZES = {
    **dict.fromkeys(("bool", "int8", "uint8", "qint8", "quint8", "quint4x2", "quint2x4"), 1),
    **dict.fromkeys(("bits8", "bits1x8", "bits2x4", "bits4x2", "float4_e2m1fn_x2"), 1),
    **dict.fromkeys((f"uint{bits}" for bits in range(1, 8)), 1),
    **dict.fromkeys((f"int{bits}" for bits in range(1, 8)), 1),
    **dict.fromkeys(("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"), 1),
    "float8_e8m0fnu": 1,
    **dict.fromkeys(("bfloat16", "bits16", "float16", "half", "int16", "short", "uint16"), 2),
    **dict.fromkeys(("float", "float32", "int", "int32", "qint32", "uint32", "complex32"), 4),
    **dict.fromkeys(("complex64", "double", "float64", "int64", "long", "uint64"), 8),
    "complex128": 16,
}
_REBUILDERS = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
_SIZE = Global("torch", "Size")
_LAYOUTS = frozenset(
    f"torch.{one}" for one in ("sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc")
)
_DENSE = frozenset({"torch.strided", "torch._mkldnn"})
_OUTSIDE = "a view outside its storage"
_HOOKS = "hooks, which are called later"
_MOST = 1 << 62


def read_lengths(value: Value) -> tuple[int, ...] | None:
    """Return the lengths of a shape or of strides; None if they are not whole numbers from 0 on."""
    if isinstance(value, Instance) and value.maker == _SIZE and value.arguments:
        value, *_ = value.arguments
    if not isinstance(value, tuple) or len(value) > 64:
        return None
    lengths = tuple(one for one in value if type(one) is int and 0 <= one < _MOST)
    return lengths if len(lengths) == len(value) else None


def _check_view(arguments: Arguments, size_of_element: int | None = None) -> str | None:
    """Check (storage, offset, shape, strides): no element is outside the storage."""
    storage = parse_storage(arguments[0])
    if storage is None:
        return "a storage that is not PyTorch's own"
    offset, shape, strides = arguments[1], read_lengths(arguments[2]), read_lengths(arguments[3])
    if type(offset) is not int or shape is None or strides is None or len(shape) != len(strides):
        return "an offset, a shape or strides that are not lengths"
    held = storage.size // (size_of_element or storage.item) * PACKED.get(storage.kind, 1)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides))
    if 0 in shape:
        return None if 0 <= offset <= held else _OUTSIDE
    return None if 0 <= offset and last < held else _OUTSIDE


def _check_hooks(hooks: Value) -> str | None:
    """Accept no hooks: None, or a new `OrderedDict`."""
    if not isinstance(hooks, Instance):
        return None if hooks is None else _HOOKS
    empty = hooks.maker.name == "OrderedDict" and hooks.arguments in ((), ((),))
    return None if empty and not hooks.grown else _HOOKS


def dense_tensor(arguments: Arguments) -> str | None:
    """Accept `_rebuild_tensor(storage, offset, shape, strides)`."""
    return _check_view(arguments) if len(arguments) == 4 else "arguments that are not four"


def tensor_with_hooks(arguments: Arguments) -> str | None:
    """Accept `_rebuild_tensor_v2(…, requires_grad, hooks)`, maybe with metadata."""
    if len(arguments) not in (6, 7) or not _is_metadata(arguments[6:]):
        return "arguments that PyTorch does not write"
    return _check_view(arguments[:4]) or _check_hooks(arguments[5])


def typed_tensor(arguments: Arguments) -> str | None:
    """Accept `_rebuild_tensor_v3(…, requires_grad, hooks, type)`, maybe with metadata."""
    if len(arguments) not in (7, 8) or not _is_metadata(arguments[7:]):
        return "arguments that PyTorch does not write"
    kind = arguments[6]
    size = SIZES.get(kind.name) if isinstance(kind, Global) and kind.module == "torch" else None
    if size is None:
        return "an unknown type of elements"
    return _check_view(arguments[:4], size) or _check_hooks(arguments[5])


def quantized_tensor(arguments: Arguments) -> str | None:
    """Accept `_rebuild_qtensor(…, quantizer, requires_grad, hooks)`."""
    if len(arguments) != 7 or not isinstance(arguments[4], tuple) or not arguments[4]:
        return "arguments that PyTorch does not write"
    quantizer = arguments[4]
    shape = read_lengths(arguments[2]) or ()
    if "channel" in str(quantizer[0]):
        axis = quantizer[3] if len(quantizer) == 4 else None
        scales = len(quantizer) == 4 and all(map(_is_tensor, quantizer[1:3]))
        if not scales or type(axis) is not int or not 0 <= axis < len(shape):
            return "a quantizer with an axis outside its tensor"
        if any(read_shape(one) != (shape[axis],) for one in quantizer[1:3]):
            return "a quantizer with another length than its axis"
    elif not all(isinstance(one, (int, float)) for one in quantizer[1:]):
        return "a quantizer that PyTorch does not write"
    return _check_view(arguments[:4]) or _check_hooks(arguments[6])


def sparse_tensor(arguments: Arguments) -> str | None:
    """Accept `_rebuild_sparse_tensor(layout, (indices, values, shape))` whose lengths agree."""
    layout, parts = arguments if len(arguments) == 2 else (None, None)
    if isinstance(layout, Instance):
        layout = layout.arguments[0] if layout.arguments else None
    name = str(layout) if isinstance(layout, (str, Global)) else ""
    if name not in _LAYOUTS or not isinstance(parts, tuple) or len(parts) not in (3, 4):
        return "arguments that PyTorch does not write"
    if name != "torch.sparse_coo":
        known = all(map(_is_tensor, parts[:-1])) and read_lengths(parts[-1]) is not None
        return None if known else "parts that are not tensors and a shape"
    return _check_coordinates(parts)


def _check_coordinates(parts: tuple[Value, ...]) -> str | None:
    """Check indices (dimensions, entries) and values (entries, …) of a shape."""
    indices, values, shape = read_shape(parts[0]), read_shape(parts[1]), read_lengths(parts[2])
    if indices is None or values is None or shape is None or len(indices) != 2 or not values:
        return "parts that are not tensors and a shape"
    dimensions, entries = indices
    good = values == (entries, *shape[dimensions:]) and dimensions <= len(shape)
    return None if good else "indices and values of different lengths"


def read_shape(tensor: Value) -> tuple[int, ...] | None:
    """Return the shape of a tensor that a pickle rebuilds."""
    if not isinstance(tensor, Instance) or tensor.maker.name not in _REBUILDERS:
        return None
    return read_lengths(tensor.arguments[2]) if len(tensor.arguments) > 3 else None


def parameter(arguments: Arguments) -> str | None:
    """Accept `_rebuild_parameter(tensor, requires_grad, hooks)`, maybe with a state."""
    if len(arguments) not in (3, 4) or not _is_tensor(arguments[0]):
        return "arguments that PyTorch does not write"
    return _check_hooks(arguments[2])


def layout(arguments: Arguments) -> str | None:
    """Accept the name of a layout."""
    known = len(arguments) == 1 and arguments[0] in (*_LAYOUTS, *_DENSE)
    return None if known else "a name that is not a layout"


def meta_tensor(arguments: Arguments) -> str | None:
    """Accept `_rebuild_meta_tensor_no_storage(type, shape, strides, requires_grad)`."""
    known = len(arguments) == 4 and None not in map(read_lengths, arguments[1:3])
    return None if known else "arguments that PyTorch does not write"


def subclass(arguments: Arguments) -> str | None:
    """Accept `_rebuild_from_type_v2(function, class, arguments, state)` of such a function."""
    if len(arguments) != 4:
        return "arguments that PyTorch does not write"
    function, kind, inner, state = arguments
    if not isinstance(function, Global):
        return "a function that is not a name"
    rule = RULES.get(function.name) if function.module == "torch._utils" else None
    plain = isinstance(kind, Global) and str(kind) in _CLASSES
    if rule is None or not plain or not isinstance(state, (Mapping, type(None))):
        return "a function or a class that is not PyTorch's own"
    return rule(inner) if isinstance(inner, tuple) else "arguments that PyTorch does not write"


_CLASSES = frozenset(
    {"torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter"}
    | {"torch.nn.parameter.Buffer"}
)
#: The rules of the functions in `torch._utils`.
RULES: dict[str, Rule] = {
    "_rebuild_tensor": dense_tensor,
    "_rebuild_tensor_v2": tensor_with_hooks,
    "_rebuild_tensor_v3": typed_tensor,
    "_rebuild_qtensor": quantized_tensor,
    "_rebuild_sparse_tensor": sparse_tensor,
    "_rebuild_parameter": parameter,
    "_rebuild_parameter_with_state": parameter,
    "_rebuild_meta_tensor_no_storage": meta_tensor,
}


def _is_tensor(value: Value) -> bool:
    made = isinstance(value, Instance) and value.maker.module in ("torch._utils", "torch._tensor")
    return made and isinstance(value, Instance) and value.maker.name.startswith("_rebuild")


def _is_metadata(rest: tuple[Value, ...]) -> bool:
    return all(one is None or isinstance(one, Mapping) for one in rest)
