"""CatBoost's binary models (cbm): a FlatBuffers table of trees, then the data of categories.

Follows catboost/libs/model/flatbuffers/model.fbs. The lengths of splits, trees and leaves agree.
"""

from __future__ import annotations

from itertools import accumulate

from security.model_scan.byte_stream import ByteContent
from security.model_scan.examination import Examination
from security.model_scan.formats.flatbuffer import FlatTable, open_root
from security.model_scan.formats.positions import Positions
from security.model_scan.report import Format, ScanLocation, UnscannedError

MAGIC = b"CBM1"
_HEADER = 8
_TREES, _INFO, _PARTS = 1, 2, 3
_DIMENSION, _SPLITS, _SIZES, _STARTS = 0, 1, 2, 3
_FEATURES = (4, 5, 6, 7, 12, 13)
_LEAVES, _WEIGHTS, _NODES, _LEAF_OF_NODE = 8, 9, 10, 11
_DEEPEST_TREE = 32
_WRONG = "CatBoost model with a tree that its numbers do not describe"


def starts_like_cbm(head: bytes, _: int | None) -> bool:
    """Say whether content starts like a model."""
    return head.startswith(MAGIC)


def judge_cbm(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a model.

    1. The buffer of the announced size is inside the file; more follows only if it says so.
    2. Every table is inside the file.
    3. Trees, splits and leaves have the lengths that follow from each other.

    Raises:
        UnscannedError: a step fails.
    """
    file = Positions(content, "CatBoost")
    size = file.number(len(MAGIC), 4)
    file.check(_HEADER, size)  # 1
    core = open_root(file, _HEADER)
    trees = core.table(_TREES)
    if trees is None:
        raise UnscannedError("CatBoost model without trees", where)
    for _ in core.tables(_INFO):  # 2
        pass
    _, parts = core.vector(_PARTS, 4)
    if not parts and file.size != _HEADER + size:
        raise UnscannedError("CatBoost model with bytes after its end", where)
    for field in _FEATURES:
        for _ in trees.tables(field):
            pass
    _check_trees(trees)  # 3
    return Format.CATBOOST


def _check_trees(trees: FlatTable) -> None:
    """Check the lengths of the trees against each other."""
    splits, sizes = trees.numbers(_SPLITS, "i"), trees.numbers(_SIZES, "i")
    starts, dimension = trees.numbers(_STARTS, "i"), max(1, trees.number(_DIMENSION, 4))
    _, leaves = trees.vector(_LEAVES, 8)
    _, nodes = trees.vector(_NODES, 4)
    if min(sizes, default=0) < 0 or sum(sizes) != len(splits) or min(splits, default=0) < 0:
        raise UnscannedError(_WRONG)
    if len(starts) and list(starts) != [0, *accumulate(sizes)][: len(sizes)]:
        raise UnscannedError(_WRONG)
    if not nodes:
        if max(sizes, default=0) > _DEEPEST_TREE:
            raise UnscannedError(_WRONG)
        if leaves != dimension * sum(1 << size for size in sizes):
            raise UnscannedError(_WRONG)
        return
    steps, leaf_of = trees.numbers(_NODES, "I"), trees.numbers(_LEAF_OF_NODE, "I")
    if nodes != len(splits) or len(leaf_of) != nodes:
        raise UnscannedError(_WRONG)
    start = 0
    for size in sizes:
        for node in range(size):
            right, left = divmod(steps[start + node], 1 << 16)
            ends = left == 0 or right == 0
            if max(left, right) + node >= size or (
                ends and leaf_of[start + node] + dimension > leaves
            ):
                raise UnscannedError(_WRONG)
        start += size
