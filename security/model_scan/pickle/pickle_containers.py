"""The pickle operations that create and fill tuples, lists, dicts and sets, by their codes."""

from __future__ import annotations

from security.model_scan.pickle.pickle_literals import Operation, push_constant, push_new
from security.model_scan.pickle.pickle_machine import Machine, MalformedError
from security.model_scan.pickle.pickle_values import Items, Mapping, Value


def _tuple_of(count: int) -> Operation:
    def push(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise MalformedError("malformed pickle: pop from an empty stack")
        group = tuple(machine.stack[-count:])
        del machine.stack[-count:]
        machine.push_tuple(group)

    return push


def _add(machine: Machine, target: Value, pairs: list[Value]) -> None:
    """Set items from alternating keys and values."""
    machine.grow(target, pairs)
    if len(pairs) % 2:
        raise MalformedError("malformed pickle: key without a value")
    if isinstance(target, Mapping):
        for key, value in zip(pairs[::2], pairs[1::2]):
            target.put(key, value)


def _dict(machine: Machine) -> None:
    target = Mapping()
    _add(machine, target, machine.pop_mark())
    machine.stack.append(target)


def _list(machine: Machine) -> None:
    made = _collect("list", machine.pop_mark())
    machine.stack.append(made)


def _frozenset(machine: Machine) -> None:
    made = _collect("set", machine.pop_mark())
    machine.stack.append(made)


def _collect(kind: str, items: list[Value]) -> Items:
    made = Items(kind)
    made.add(items)
    return made


def _extend(machine: Machine, items: list[Value]) -> None:
    """Add items to the list or set on top."""
    target = machine.top()
    machine.grow(target, items)
    if isinstance(target, Items):
        target.add(items)


def _append(machine: Machine) -> None:
    item = machine.pop()
    _extend(machine, [item])


def _append_all(machine: Machine) -> None:
    _extend(machine, machine.pop_mark())


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _add(machine, machine.top(), [key, value])


def _set_items(machine: Machine) -> None:
    pairs = machine.pop_mark()
    _add(machine, machine.top(), pairs)


CONTAINERS: dict[bytes, Operation] = {
    b")": push_constant(()),
    b"\x85": _tuple_of(1),
    b"\x86": _tuple_of(2),
    b"\x87": _tuple_of(3),
    b"t": lambda machine: machine.push_tuple(tuple(machine.pop_mark())),
    b"]": push_new(lambda: Items("list")),
    b"l": _list,
    b"a": _append,
    b"e": _append_all,
    b"}": push_new(Mapping),
    b"d": _dict,
    b"s": _set_item,
    b"u": _set_items,
    b"\x8f": push_new(lambda: Items("set")),
    b"\x90": _append_all,
    b"\x91": _frozenset,
}
