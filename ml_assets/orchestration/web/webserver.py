"""Dagster's web server, which asks for the token once more: with the document that it executes.

If the guard and Dagster read a request differently, the change still needs the token.
"""

from __future__ import annotations

from typing import Any

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster_webserver.webserver import DagsterWebserver
from graphql import OperationType
from starlette.requests import Request
from starlette.responses import JSONResponse

from ml_assets.orchestration.web.access_token import NO_TOKEN, AccessToken
from ml_assets.orchestration.web.operation import find_operations
from ml_assets.orchestration.web.refusal import RequestRefusedError

_POLL_RATE = 2000  # milliseconds between two requests of the UI for new data, as in `dagster dev`


class TokenWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's web server, which executes only queries without the token."""

    def __init__(self, context: WorkspaceProcessContext, token: AccessToken) -> None:
        super().__init__(context, live_data_poll_rate=_POLL_RATE)
        self._token = token

    async def execute_graphql_request(
        self,
        request: Request,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
    ) -> JSONResponse:
        """Execute the document of a request, or refuse it."""
        try:
            is_read = find_operations({"query": query}) == {OperationType.QUERY}
            if not is_read and not self._token.is_in(request.headers):
                raise RequestRefusedError(401, NO_TOKEN)
        except RequestRefusedError as refusal:
            return JSONResponse(refusal.document(), refusal.status)
        return await super().execute_graphql_request(request, query, variables, operation_name)
