"""LightGBM's text models: lines of a key and numbers, tree by tree.

Its loader uses the numbers as indexes without a check: the children of a node, the features and
the sizes of the trees. So all of them must be in range. The form is that of LightGBM's
`GBDT::SaveModelToString` and `Tree::ToString`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from security.model_scan.byte_stream import ByteContent, ByteStream
from security.model_scan.examination import Examination
from security.model_scan.report import Format, ScanLocation, UnscannedError

MAGIC = (b"tree\nversion=", b"tree\r\nversion=")
_NUMBERS = re.compile(rb"[-+0-9.eE naifNAIF]*")
_KEY = re.compile(rb"[a-z_]{1,60}")
_CONTROLS = bytes(set(range(32)) - set(b"\t"))
_MOST_TEXT = 64 << 20
_END = b"end of trees"
# Key: the number of values for n leaves; None for numbers whose count depends on others.
_PER_NODE = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_TREE_NUMBERS = frozenset(
    (
        "num_leaves num_cat split_feature split_gain threshold decision_type left_child right_child"
        " leaf_value leaf_weight leaf_count internal_value internal_weight internal_count"
        " cat_boundaries cat_threshold is_linear leaf_const num_features leaf_features leaf_coeff"
        " shrinkage"
    ).split()
)
Lines = Iterator[tuple[int, bytes]]
Table = dict[str, bytes]


def starts_like_lightgbm(head: bytes, _: int | None) -> bool:
    """Say whether content starts with the first lines of a model."""
    return head.startswith(MAGIC)


def judge_lightgbm(examination: Examination, content: ByteContent, where: ScanLocation) -> Format:
    """Scan a text model.

    1. The header and each tree are lines of a known key and a value.
    2. Children, features and categories of each tree are in range, and no node is its own parent.
    3. The sizes of the trees in the header are those of their texts.
    4. The rest is text without control characters: importances, parameters, categories.

    Raises:
        UnscannedError: a step fails.
    """
    lines = _read_lines(content.open())
    next(lines)
    header = _read_table(lines, None)  # 1
    features = _number(header, "max_feature_idx")
    starts: list[int] = []
    end = 0
    for offset, line in lines:
        if line == _END:
            end = offset
            break
        if line:
            if line != b"Tree=%d" % len(starts):
                raise UnscannedError("LightGBM model with a line that is not of a tree", where)
            starts.append(offset)
            _check_tree(_read_table(lines, _TREE_NUMBERS), features)  # 2
    if not starts or not end:
        raise UnscannedError("LightGBM model without trees, or without their end", where)
    sizes = [after - start for start, after in zip(starts, [*starts[1:], end])]
    told = _split(header.get("tree_sizes", b"")) if "tree_sizes" in header else sizes
    if told != sizes:  # 3
        raise UnscannedError("LightGBM model whose trees have other sizes than announced", where)
    for _ in lines:  # 4
        pass
    return Format.LIGHTGBM


def _read_lines(stream: ByteStream) -> Lines:
    """Yield the offset and the text of each line."""
    while not stream.at_end():
        offset = stream.position
        line = stream.read_line(_MOST_TEXT)
        if line is None:
            raise UnscannedError("LightGBM model with a line longer than the limit")
        line = line.removesuffix(b"\r")
        if line != line.translate(None, _CONTROLS):
            raise UnscannedError("LightGBM model with control characters")
        yield offset, line


def _read_table(lines: Lines, numbers: frozenset[str] | None) -> Table:
    """Read keys and values up to an empty line; in a tree all values are numbers."""
    table: Table = {}
    for _, line in lines:
        if not line:
            return table
        key, found, value = line.partition(b"=")
        if not _KEY.fullmatch(key) or key.decode() in table or (numbers is not None and not found):
            raise UnscannedError("LightGBM model with a line that is not a key and a value")
        if numbers is not None and (key.decode() not in numbers or not _NUMBERS.fullmatch(value)):
            raise UnscannedError("LightGBM tree with a value that is not a number")
        table[key.decode()] = value
    raise UnscannedError("LightGBM model that ends in the middle of a tree")


def _split(value: bytes) -> list[int]:
    try:
        return [int(part) for part in value.split()]
    except ValueError as error:
        raise UnscannedError("LightGBM model with an index that is not a whole number") from error


def _number(table: Table, key: str) -> int:
    values = _split(table.get(key, b""))
    if len(values) != 1 or not 0 <= values[0] < 1 << 31:
        raise UnscannedError(f"LightGBM model without one number: {key}")
    return values[0]


def _check_tree(tree: Table, highest_feature: int) -> None:
    """Check the lengths and the indexes of a tree."""
    leaves = _number(tree, "num_leaves")
    nodes = leaves - 1
    if leaves < 1 or len(tree.get("leaf_value", b"").split()) != leaves:
        raise UnscannedError("LightGBM tree with another number of leaves than announced")
    if nodes == 0:
        return
    if any(len(tree.get(key, b"").split()) != nodes for key in _PER_NODE):
        raise UnscannedError("LightGBM tree with another number of nodes than announced")
    for key in ("left_child", "right_child"):
        for node, child in enumerate(_split(tree[key])):
            if not (node < child < nodes or -leaves <= child < 0):
                raise UnscannedError("LightGBM tree with a child that it does not have")
    if not all(0 <= one <= highest_feature for one in _split(tree["split_feature"])):
        raise UnscannedError("LightGBM tree with a feature that the model does not have")
    _check_categories(tree)


def _check_categories(tree: Table) -> None:
    """Check the bounds of categories, and the thresholds that select one."""
    count = _number(tree, "num_cat") if "num_cat" in tree else 0
    bounds = _split(tree.get("cat_boundaries", b""))
    thresholds = len(tree.get("cat_threshold", b"").split())
    if count and (len(bounds) != count + 1 or bounds[0] != 0 or bounds[-1] != thresholds):
        raise UnscannedError("LightGBM tree with categories that it does not have")
    if any(after < before for before, after in zip(bounds, bounds[1:])):
        raise UnscannedError("LightGBM tree with categories that it does not have")
    kinds, chosen = _split(tree["decision_type"]), tree["threshold"].split()
    for kind, threshold in zip(kinds, chosen):
        if kind & 1 and not 0 <= float(threshold) < count:
            raise UnscannedError("LightGBM tree with categories that it does not have")
