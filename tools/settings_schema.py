"""The JSON Schema of ``[tool.ml-assets]``, generated from the declarations of the settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from ml_assets.project.settings.reader import inner_kind
from ml_assets.project.settings.settings import Settings
from security.content.setting import Key, Setting, keys_of
from tools.expectation_tables import SHAPES, DatasetTable

Schema = dict[str, Any]


def settings_schema() -> Schema:
    """Return the schema of the whole table, as JSON Schema draft 7."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "ml-assets settings",
        **table_schema(Settings),
    }


def pyproject_schema() -> Schema:
    """Return the schema of a ``pyproject.toml``, for editors that apply a schema to whole files."""
    settings = settings_schema()
    draft = settings.pop("$schema")
    title = "pyproject.toml with ml-assets settings"
    tool = {"type": "object", "properties": {"ml-assets": settings}}
    return {"$schema": draft, "title": title, "type": "object", "properties": {"tool": tool}}


def schema_text(schema: Schema) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def table_schema(table: type, defaults: object = None) -> Schema:
    """Return the schema of a table of settings; it refuses undeclared keys."""
    keys = keys_of(table, defaults)
    schema: Schema = {
        "type": "object",
        "description": (table.__doc__ or "").strip().replace("\n    ", "\n"),
        "properties": {key.name: key_schema(key) for key in keys if not key.setting.rest},
        "additionalProperties": False,
    }
    needed = [key.name for key in keys if key.default is dataclasses.MISSING]
    if needed:
        schema["required"] = needed
    for key in keys:
        if key.setting.rest:
            schema["propertyNames"] = {"pattern": f"^(?:{key.setting.names})$"}
            schema["additionalProperties"] = table_schema(get_args(key.kind)[1])
    return schema


def key_schema(key: Key) -> Schema:
    """Return the schema of one key."""
    kind = inner_kind(key.kind)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return table_schema(kind, key.default)
    schema = _value_schema(kind, key.setting)
    schema["description"] = key.setting.about
    default = plain(key.default)
    if default is not None and not isinstance(default, dict):
        schema["default"] = default
    return schema


def plain(value: Any) -> Any:
    """Return a default as JSON; None if it has no constant form."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    if value is dataclasses.MISSING or dataclasses.is_dataclass(value):
        return None
    return value


def _value_schema(kind: Any, setting: Setting) -> Schema:
    if setting.shape in SHAPES:
        return dict(SHAPES[setting.shape])
    if setting.shape == "data":
        return {"type": "object", "additionalProperties": table_schema(DatasetTable)}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return table_schema(kind)
    if get_origin(kind) is Literal:
        return {"type": "string", "enum": list(get_args(kind))}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value_schema(str, setting)}
    if get_origin(kind) is Mapping:
        return {"type": "object", "additionalProperties": _value_schema(get_args(kind)[1], setting)}
    if issubclass(kind, Enum):
        return {"type": "string", "enum": [one.value for one in kind]}
    return _plain_schema(kind, setting)


def _plain_schema(kind: type, setting: Setting) -> Schema:
    schema: Schema = {
        "type": {bool: "boolean", int: "integer", float: "number", str: "string"}[kind]
    }
    if kind is str and setting.pattern:
        schema["pattern"] = f"^(?:{setting.pattern})$"
    if kind in (int, float):
        limits = {"minimum": setting.minimum, "maximum": setting.maximum}
        schema.update({name: value for name, value in limits.items() if value is not None})
    return schema
