"""The trees of XGBoost, as JSON or UBJSON describe them.

A prediction uses their numbers as indexes: children, features and categories must be in range.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from security.model_scan.report import UnscannedError

_PER_NODE = (
    "base_weights",
    "default_left",
    "left_children",
    "loss_changes",
    "parents",
    "right_children",
    "split_conditions",
    "split_indices",
    "split_type",
    "sum_hessian",
)
_WRONG = "XGBoost tree with an index that it does not have"


def is_learner(document: object) -> bool:
    """Say whether a document is a model of XGBoost."""
    return isinstance(document, Mapping) and isinstance(document.get("learner"), Mapping)


def check_learner(document: Mapping[str, Any]) -> None:
    """Check the trees of a model.

    Raises:
        UnscannedError: a length or an index in a tree is out of range.
    """
    learner = document["learner"]
    features = _number(learner.get("learner_model_param", {}), "num_feature")
    try:
        for tree in _find_trees(learner.get("gradient_booster", {})):
            _check_tree(tree, features)
    except (AttributeError, KeyError, TypeError) as error:
        raise UnscannedError("XGBoost model with a value of an unexpected type") from error


def _find_trees(booster: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the trees of a booster; DART has one inside."""
    for _ in range(3):
        model = booster.get("model", {})
        if isinstance(model.get("trees"), list):
            yield from model["trees"]
        booster = booster.get("gbtree", {})


def _number(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key, "0")
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise UnscannedError(f"XGBoost model without a number: {key}") from error
    if not 0 <= number < 1 << 31:
        raise UnscannedError(f"XGBoost model without a number: {key}")
    return number


def _check_tree(tree: Mapping[str, Any], features: int) -> None:
    """Check the lengths and the indexes of a tree."""
    nodes = _number(tree["tree_param"], "num_nodes")
    leaf_size = max(1, _number(tree["tree_param"], "size_leaf_vector"))
    for key in _PER_NODE:
        count = len(tree.get(key, ()))
        allowed = {0, nodes, nodes * leaf_size} if key == "base_weights" else {0, nodes}
        if count not in allowed or (key.endswith("children") and count != nodes):
            raise UnscannedError("XGBoost tree with another number of nodes than announced")
    pairs = [(left, right) for left, right in zip(tree["left_children"], tree["right_children"])]
    children = [one for pair in pairs if pair[0] != -1 for one in pair]
    leaves = [right for left, right in pairs if left == -1]
    if not all(isinstance(one, int) and -1 <= one < nodes for one in leaves):
        raise UnscannedError(_WRONG)
    if not all(isinstance(one, int) and 0 < one < nodes for one in children):
        raise UnscannedError(_WRONG)
    if len(set(children)) != len(children):
        raise UnscannedError("XGBoost tree with a node that has two parents")
    splits: Sequence[int] = tree.get("split_indices", ())
    inner = [split for split, left in zip(splits, tree["left_children"]) if left != -1]
    if features and not all(0 <= one < features for one in inner):
        raise UnscannedError(_WRONG)
    _check_categories(tree, nodes)


def _check_categories(tree: Mapping[str, Any], nodes: int) -> None:
    """Check the categories of each node that has some."""
    held = len(tree.get("categories", ()))
    starts, sizes = tree.get("categories_segments", ()), tree.get("categories_sizes", ())
    good = all(0 <= start and 0 <= size <= held - start for start, size in zip(starts, sizes))
    inside = all(0 <= one < nodes for one in tree.get("categories_nodes", ()))
    if len(starts) != len(sizes) or not good or not inside:
        raise UnscannedError("XGBoost tree with categories that it does not have")
