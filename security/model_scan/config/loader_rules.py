"""The rules for configuration: keys by which a loader imports a name or runs a text.

Sources: Hydra's and jsonargparse's instantiation (CVE-2025-23304, CVE-2026-22584), jsonpickle,
Keras (CVE-2024-3660, CVE-2025-1550), transformers (CVE-2026-4372), sentence-transformers (#3683,
#3714), MLflow, diffusers, and templates rendered without a sandbox (CVE-2024-34359).
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from security.model_scan.config.document import Pairs, Tagged, parse_documents
from security.model_scan.config.library_names import (
    is_attention,
    is_keras_class,
    is_library_name,
    is_mlflow_module,
)
from security.model_scan.examination import Examination
from security.model_scan.report import ScanLocation, ScanSeverity, UnscannedError, quote

_MOST_VALUES = 20_000_000
_DEEPEST_TEXT = 3
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_TARGETS = frozenset({"_target_", "_component_", "class_path", "$type", "@class", "@type"})
_TARGETS |= {"__class__", "__kind__", "__loader__", "__module__", "__reduce__", "__type__"}
_REMOTE = frozenset({"auto_map", "custom_pipelines", "model_code_path"})
_ATTENTIONS = frozenset(
    {"_attn_implementation", "_attn_implementation_internal", "attn_implementation"}
)
_NAMED = re.compile(
    r"activation|_act$|_fn$|_fct$|_func|function|callable|factory|^types?$|^target$|_cls$"
)
_ACTS = re.compile(
    r"__import__\s*\([^)]+\)|\b(?:eval|exec)\s*\([^)]+\)|\bos\s*\.\s*(?:system|popen)\s*\("
)
# A way out of the objects of a template: a special attribute, or one whose name is computed.
_TEMPLATE = re.compile(
    r"\{[{%][^}]*(?:__(?:class|globals|subclasses|builtins|mro|bases?|init|import|dict)__"
    r"|\|\s*attr\s*\()"
)
_PYTHON_TAG = re.compile(r"(?:!|tag:yaml\.org,2002:)python/\w+")
_PLAIN_PICKLED = frozenset({"py/b64", "py/b85", "py/id", "py/ref", "py/set", "py/tuple"})


def judge_configuration(examination: Examination, raw: bytes, where: ScanLocation) -> None:
    """Report the names and texts of a document that a loader would import or run.

    Raises:
        UnscannedError: the bytes are no configuration, or beyond a limit.
    """
    for document in parse_documents(raw):
        _Reading(examination, where).judge(document)


def judge_text(examination: Examination, text: str, where: ScanLocation) -> None:
    """Report what a loader would run in one text value, such as metadata."""
    _Reading(examination, where).judge(text)


def judge_companion(examination: Examination, raw: bytes, where: ScanLocation) -> None:
    """Report what a loader would run in a text that may be configuration of any name."""
    text = raw.decode("utf-8", "replace")
    template = _TEMPLATE.search(text)
    if template is not None:
        message = f"template reaches into the program that renders it: {template[0]}"
        examination.find("config-expression", ScanSeverity.HIGH, message, where, quote(template[0]))
    if _is_suspect(text):
        try:
            judge_configuration(examination, raw, where)
        except UnscannedError:
            pass  # no document


class _Reading:
    """One walk over a document."""

    def __init__(self, examination: Examination, where: ScanLocation, depth: int = 0) -> None:
        self._examination = examination
        self._where = where
        self._depth = depth

    def judge(self, document: Any) -> None:
        """Walk over all values; an anchor of YAML is judged once."""
        waiting, seen, count = [document], set[int](), 0
        while waiting:
            value = waiting.pop()
            count += 1
            if count > _MOST_VALUES:
                raise UnscannedError("configuration with too many values", capable=True)
            if isinstance(value, str):
                self._judge_text(value)
                continue
            if not isinstance(value, (Pairs, Tagged, list)) or id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Tagged):
                self._find("config-tag", f"YAML tag makes an object: {value.tag}", value.tag)
            elif isinstance(value, list):
                waiting.extend(value)
            else:
                self._judge_pairs(value)
                for key, one in value.items:
                    waiting += (key, one)

    def _judge_pairs(self, pairs: Pairs) -> None:
        """Judge the keys of one mapping."""
        named = [
            (unicodedata.normalize("NFKC", key).strip(), value)
            for key, value in pairs.items
            if isinstance(key, str)
        ]
        for key, value in named:
            lower = key.lower()
            if lower in _TARGETS:
                self._judge_target(key, value)
            elif lower == "loader_module":
                self._judge_module(value, named)
            elif lower.startswith("py/") and lower not in _PLAIN_PICKLED:
                self._find("config-object", f"jsonpickle makes an object of: {key}", key)
            elif lower in _REMOTE or (lower == "trust_remote_code" and value not in (False, None)):
                self._judge_remote(key, value)
            elif lower in _ATTENTIONS:
                self._judge_attention(key, value)
            elif lower in ("class_name", "registered_name"):
                self._judge_class(value, [one for name, one in named if name == "module"])
            elif _NAMED.search(lower):
                for one in _texts(value) if lower.startswith("type") else _own_texts(value):
                    if _DOTTED.fullmatch(one.strip()):
                        self._judge_target(key, one)
        if any(key == "_class_name" for key, _ in named):
            self._judge_pipeline(named)

    def _judge_target(self, key: str, value: Any) -> None:
        """A name that a loader imports and calls."""
        for one in _texts(value):
            if not is_library_name(one):
                self._find("config-target", f"{key} makes a loader import {one}", one)
        if isinstance(value, (list, Pairs, Tagged)):
            self._find("config-target", f"{key} is no name", key)

    def _judge_module(self, value: Any, named: list[tuple[str, Any]]) -> None:
        """The module with which MLflow loads a model, and code that comes before it."""
        if not isinstance(value, str) or not is_mlflow_module(value):
            self._judge_target("loader_module", value)
        for key, one in named:
            if key in ("code", "code_paths") and one not in (None, "null", "~", "", []):
                self._judge_remote(key, one)

    def _judge_class(self, value: Any, modules: list[Any]) -> None:
        """A class of Keras, with the module that it comes from."""
        for module in modules or [None]:
            for one in _texts(value):
                own = module if isinstance(module, str) else None
                if not is_keras_class(one, own):
                    shown = f"{own}.{one}" if own else one
                    self._find("config-class", f"Keras runs code of: {shown}", shown)

    def _judge_remote(self, key: str, value: Any) -> None:
        """Code in files beside the model, or on a server."""
        for one in _texts(value) if isinstance(value, (str, list, Pairs)) else [str(value)]:
            self._find("config-remote-code", f"{key} names code beside the model: {one}", one)

    def _judge_attention(self, key: str, value: Any) -> None:
        """An implementation of attention; others are downloaded and run."""
        for one in _texts(value):
            if not is_attention(one):
                self._find("config-kernel", f"{key} makes a loader download code: {one}", one)

    def _judge_pipeline(self, named: list[tuple[str, Any]]) -> None:
        """The parts of a pipeline of diffusers: library and class."""
        for key, value in named:
            if key == "_class_name" and not isinstance(value, str):
                self._find("config-remote-code", "the pipeline is code beside the model", key)
            pair = isinstance(value, list) and len(value) == 2 and not key.startswith("_")
            if pair and all(isinstance(one, str) for one in value):
                if value[0] not in ("diffusers", "transformers", "onnxruntime", "stable_diffusion"):
                    name = f"{value[0]}.{value[1]}"
                    self._find("config-remote-code", f"{key} comes from: {name}", name)

    def _judge_text(self, text: str) -> None:
        """A text that a loader would run or parse again."""
        if len(text) > 8 and (_ACTS.search(text) or _TEMPLATE.search(text)):
            self._find("config-expression", f"text runs code if evaluated: {text}", text)
        if tag := _PYTHON_TAG.search(text):
            self._find("config-tag", f"text makes an object if read as YAML: {text}", tag[0])
        start = text.lstrip()[:1]
        if start and start in "{[" and self._depth < _DEEPEST_TEXT and _is_suspect(text):
            inner = _Reading(self._examination, self._where, self._depth + 1)
            for document in _parse_again(text):
                inner.judge(document)

    def _find(self, rule: str, message: str, subject: str) -> None:
        shown = quote(subject, 200)
        self._examination.find(rule, ScanSeverity.HIGH, message, self._where, shown)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value."""
    waiting, seen = [value], set[int]()
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, (list, Pairs)) and id(one) not in seen:
            seen.add(id(one))
            waiting += one if isinstance(one, list) else [item for _, item in one.items]


def _own_texts(value: Any) -> list[str]:
    """Return a value that is a text, or the texts of a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _is_suspect(text: str) -> bool:
    """Say whether a text may hold a document with a key that the rules know."""
    lower = text.lower()
    words = (*_TARGETS, *_REMOTE, *_ATTENTIONS, "class_name", "py/", "python/")
    words += ("\\", "function", "activation")
    return any(word in lower for word in words)


def _parse_again(text: str) -> list[Any]:
    """Parse a text inside a document: JSON or YAML, or a literal of Python."""
    try:
        return parse_documents(text.encode("utf-8", "replace"))
    except UnscannedError:
        pass
    try:
        return [_from_literal(ast.literal_eval(text))]
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []


def _from_literal(value: Any) -> Any:
    if isinstance(value, dict):
        return Pairs(tuple((key, _from_literal(one)) for key, one in value.items()))
    if isinstance(value, (list, tuple, set)):
        return [_from_literal(one) for one in value]
    return value
