"""The depth of the objects in a pickle.

A pickle of a few kilobytes can nest objects a million levels deep. Loading does not recurse, but
hashing, comparing, printing or freeing the result does, and overflows the stack of C. A pickler
recurses as well, so honest pickles are flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from security.model_scan.pickle.pickle_values import Instance, Items, Mapping, Value

#: A pickler of Python stops at 1000 levels, with its default limit.
DEEPEST = 1_200


def is_too_deep(roots: Iterable[Value], limit: int = DEEPEST) -> bool:
    """Say whether a chain of containers, each inside the other, is longer than the limit.

    Each container is visited once; a reference back to one that is not finished is not followed.
    """
    depths: dict[int, int] = {}  # 0 while a container is not finished
    for root in roots:
        if _measure(root, depths, limit):
            return True
    return False


def _measure(root: Value, depths: dict[int, int], limit: int) -> bool:
    """Measure a container and those inside, without recursion."""
    path: list[tuple[Value, Iterator[Value]]] = []
    child: Value | None = root
    while True:
        if child is not None and id(child) not in depths:
            depths[id(child)] = 0
            path.append((child, _contents(child)))
            if len(path) > limit:
                return True
        elif child is not None and len(path) + depths[id(child)] > limit:
            return True
        if not path:
            return False
        child = next(path[-1][1], None)
        if child is None:
            ended, _ = path.pop()
            depths[id(ended)] = 1 + max((depths[id(one)] for one in _contents(ended)), default=0)


def _contents(value: Value) -> Iterator[Value]:
    """Yield the containers in a value."""
    if isinstance(value, tuple):
        inside: Iterable[Value] = value
    elif isinstance(value, Instance):
        inside = (*value.arguments, *(value.inner or ()))
    elif isinstance(value, (Items, Mapping)):
        inside = value.inner or ()
    else:
        return
    yield from (one for one in inside if isinstance(one, (tuple, Items, Mapping, Instance)))
