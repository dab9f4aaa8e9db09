"""Tensors of PyTorch whose shape, strides or storage lie, written without PyTorch."""

from __future__ import annotations

from crafted_arguments import push_int, push_tuple, reduced
from crafted_containers import zipped
from crafted_pickles import stack_global, text, whole

HOOKS = reduced("collections", "OrderedDict")
FALSE = b"\x89"


def storage(kind: str = "FloatStorage", count: int = 3, key: str = "0") -> bytes:
    """Push the storage of a persistent id."""
    module = "torch.storage" if kind == "UntypedStorage" else "torch"
    parts = (text("storage"), stack_global(module, kind), text(key), text("cpu"), push_int(count))
    return push_tuple(*parts) + b"Q"


def lengths(*numbers: int) -> bytes:
    """Push a shape or strides."""
    return push_tuple(*map(push_int, numbers))


def tensor(
    memory: bytes | None = None,
    offset: int = 0,
    shape: tuple[int, ...] = (3,),
    strides: tuple[int, ...] = (1,),
    hooks: bytes = HOOKS,
) -> bytes:
    """Rebuild a tensor as `_rebuild_tensor_v2` does."""
    view = (memory or storage(), push_int(offset), lengths(*shape), lengths(*strides))
    return reduced("torch._utils", "_rebuild_tensor_v2", *view, FALSE, hooks)


def typed(kind: str, count: int, shape: int) -> bytes:
    """Rebuild a tensor of a newer type."""
    view = (storage("UntypedStorage", count), push_int(0), lengths(shape), lengths(1))
    arguments = (*view, FALSE, HOOKS, stack_global("torch", kind))
    return reduced("torch._utils", "_rebuild_tensor_v3", *arguments)


def quantized(quantizer: bytes, shape: int = 4, count: int = 4) -> bytes:
    """Rebuild a quantized tensor."""
    view = (storage("QInt8Storage", count), push_int(0), lengths(shape), lengths(1))
    return reduced("torch._utils", "_rebuild_qtensor", *view, quantizer, FALSE, HOOKS)


def per_channel(axis: int, length: int = 3) -> bytes:
    """Push a quantizer with one scale per channel."""
    scales = tensor(shape=(length,))
    kind = stack_global("torch", "per_channel_affine")
    return push_tuple(kind, scales, scales, push_int(axis))


def sparse(indices: tuple[int, int], values: tuple[int, ...], shape: tuple[int, ...]) -> bytes:
    """Rebuild a sparse tensor."""
    layout = reduced("torch.serialization", "_get_layout", text("torch.sparse_coo"))
    many = storage("LongStorage", 100, "1")
    size = reduced("torch", "Size", lengths(*shape))
    numbers = tensor(storage("FloatStorage", 100, "2"), shape=values, strides=(1,) * len(values))
    parts = push_tuple(tensor(many, shape=indices, strides=(indices[1], 1)), numbers, size)
    return reduced("torch._utils", "_rebuild_sparse_tensor", layout, parts)


def archive(value: bytes, **records: int) -> bytes:
    """Write a zip file of PyTorch with records of these sizes."""
    members = {"model/data.pkl": whole(b"}", text("w"), value, b"s", protocol=2)}
    members |= {f"model/data/{key[1:]}": b"\0" * size for key, size in records.items()}
    return zipped({**members, "model/version": b"3\n", "model/byteorder": b"little"})


AFFINE = push_tuple(
    stack_global("torch", "per_tensor_affine"), b"G?\xb9\x99\x99\x99\x99\x99\x9a", b"K\0"
)
SPARSE_SIZES = {"_1": 800, "_2": 400}
GOOD: dict[str, bytes] = {
    "dense": archive(tensor(), _0=12),
    "transposed": archive(tensor(storage(count=6), 0, (2, 3), (1, 2)), _0=24),
    "empty": archive(tensor(storage(count=0), 0, (0, 5), (5, 1)), _0=0),
    "expanded": archive(tensor(storage(count=1), 0, (1 << 40,), (0,)), _0=4),
    "scalar": archive(tensor(storage(count=1), 0, (), ()), _0=4),
    "float8": archive(typed("float8_e4m3fn", 4, 4), _0=4),
    "uint16": archive(typed("uint16", 8, 4), _0=8),
    "quantized": archive(quantized(AFFINE), _0=4),
    "sparse": archive(sparse((2, 3), (3,), (5, 5)), **SPARSE_SIZES),
    "sparse-hybrid": archive(sparse((1, 3), (3, 5), (5, 5)), **SPARSE_SIZES),
}
LYING: dict[str, bytes] = {
    "shape beyond the storage": archive(tensor(shape=(4,)), _0=12),
    "offset beyond the storage": archive(tensor(offset=1), _0=12),
    "strides beyond the storage": archive(tensor(strides=(2,)), _0=12),
    "product that overflows": archive(
        tensor(shape=(1 << 32, 1 << 32), strides=(1 << 32, 1)), _0=12
    ),
    "negative offset": archive(tensor(offset=-1), _0=12),
    "negative stride": archive(tensor(strides=(-1,)), _0=12),
    "negative length": archive(tensor(shape=(-3,)), _0=12),
    "shape and strides of different lengths": archive(tensor(shape=(1, 1)), _0=12),
    "empty view beyond the storage": archive(tensor(offset=1 << 40, shape=(0,)), _0=12),
    "storage larger than its record": archive(tensor(storage(count=1000)), _0=12),
    "storage smaller than its record": archive(tensor(), _0=13),
    "storage without a record": archive(tensor()),
    "storage of two sizes": archive(b"](" + tensor() + tensor(storage(count=9)) + b"e", _0=12),
    "storage of a huge length": archive(tensor(storage(count=1 << 61)), _0=12),
    "negative storage": archive(tensor(storage(count=-3)), _0=12),
    "float8 beyond the storage": archive(typed("float8_e5m2", 4, 5), _0=4),
    "wide type in narrow memory": archive(typed("uint64", 8, 2), _0=8),
    "unknown type": archive(typed("float1024", 8, 1), _0=8),
    "quantized beyond the storage": archive(quantized(AFFINE, shape=9), _0=4),
    "axis outside the tensor": archive(b"](" + quantized(per_channel(1)) + b"e", _0=4),
    "scales of another length": archive(quantized(per_channel(0), count=4), _0=4),
    "sparse with more indices than values": archive(sparse((2, 9), (3,), (5, 5)), **SPARSE_SIZES),
    "sparse with more dimensions": archive(sparse((3, 3), (3,), (5, 5)), **SPARSE_SIZES),
    "sparse with a short value": archive(sparse((1, 3), (3, 4), (5, 5)), **SPARSE_SIZES),
    "hooks": archive(tensor(hooks=b"}" + text("a") + stack_global("numpy", "sum") + b"s"), _0=12),
    "hooks that grow": archive(tensor(hooks=HOOKS + b"K\0" + stack_global("numpy", "sum") + b"s")),
    "subclass with another function": archive(
        reduced(
            "torch._tensor",
            "_rebuild_from_type_v2",
            stack_global("builtins", "getattr"),
            stack_global("torch", "Tensor"),
            push_tuple(stack_global("numpy", "dtype"), text("x")),
            b"}",
        )
    ),
    "subclass beyond the storage": archive(
        reduced(
            "torch._tensor",
            "_rebuild_from_type_v2",
            stack_global("torch._utils", "_rebuild_tensor_v2"),
            stack_global("torch", "Tensor"),
            push_tuple(storage(), push_int(9), lengths(3), lengths(1), FALSE, HOOKS),
            b"}",
        ),
        _0=12,
    ),
    "layout that is none": archive(reduced("torch.serialization", "_get_layout", text("x"))),
}
