"""The GraphQL operations of a request: what a document asks for, before Dagster executes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

from ml_assets.orchestration.web.refusal import RequestRefusedError

_LONGEST = 256 * 1024  # characters of a document; those of the UI have up to 40,000


def find_operations(request: Mapping[str, Any]) -> frozenset[OperationType]:
    """Find the operations of a request, all of them: which one runs, the server decides.

    Raises:
        RequestRefusedError: 400, it has no document, or one that cannot be read.
    """
    text = request.get("query")
    if not isinstance(text, str):
        raise RequestRefusedError(400, "no GraphQL document: set query")
    if len(text) > _LONGEST:
        raise RequestRefusedError(
            413, f"GraphQL document too long: use up to {_LONGEST} characters"
        )
    found = _parse(text)
    if not found:
        raise RequestRefusedError(400, "no operation in the GraphQL document: add a query")
    return found


@lru_cache(maxsize=512)  # the UI repeats its documents
def _parse(text: str) -> frozenset[OperationType]:
    try:
        definitions = parse(text, no_location=True).definitions
    except GraphQLError as error:
        raise RequestRefusedError(400, f"not a GraphQL document: {error.message}") from error
    except RecursionError as error:
        raise RequestRefusedError(400, "not a GraphQL document: too deep") from error
    operations = (one for one in definitions if isinstance(one, OperationDefinitionNode))
    return frozenset(one.operation for one in operations)


def parse_request(body: bytes | str) -> Mapping[str, Any]:
    """Parse the JSON of one request; a list of requests is refused.

    Raises:
        RequestRefusedError: 400, it is no JSON object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRefusedError(400, "not JSON: send one JSON object") from error
    if not isinstance(document, dict):
        raise RequestRefusedError(400, "not one GraphQL request: send one JSON object")
    return document
