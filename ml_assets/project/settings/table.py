"""The tables of settings: what their errors look like, and the longest time-out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resources.errors import ConfigurationError
from security.content.field import Field
from security.content.table import Table

#: Seconds. A longer time-out would overflow when it is set.
LONGEST = 10**9


def settings_table(values: Mapping[str, Any], where: str) -> Table:
    """Return a table whose errors are configuration errors.

    Args:
        where: the file's name, for messages.

    Raises:
        ConfigurationError: the values are not a table.
    """

    def complain(place: str, what: str, hint: str) -> ConfigurationError:
        return ConfigurationError(f"{where}: {place}: {what}", hint)

    return Table(Field(values, complain))
