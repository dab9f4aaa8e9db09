"""Dagster's web server with permissions: without the token, it permits no change and says why.

The guard refuses changes before; here the UI learns of it, and disables its buttons.
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.permissions import PermissionResult
from dagster_webserver.webserver import DagsterWebserver
from starlette.requests import HTTPConnection

from ml_assets.orchestration.web.access_token import NO_TOKEN, AccessToken

_POLL_RATE = 2000  # milliseconds between two requests of the UI for new data, as in `dagster dev`


class ReaderContext(WorkspaceRequestContext):
    """The context of a request without the token."""

    @property
    def permissions(self) -> Mapping[str, PermissionResult]:
        """The permissions in general."""
        return _explain(super().permissions)

    def permissions_for_location(self, *, location_name: str) -> Mapping[str, PermissionResult]:
        """Return the permissions for one code location."""
        return _explain(super().permissions_for_location(location_name=location_name))


class TokenWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's web server, with the permissions of each request."""

    def __init__(self, context: WorkspaceProcessContext, token: AccessToken) -> None:
        super().__init__(context, live_data_poll_rate=_POLL_RATE)
        self._token = token

    def _make_request_context(self, conn: HTTPConnection) -> WorkspaceRequestContext:
        context = super()._make_request_context(conn)
        if context.read_only or self._token.is_in(conn.headers):
            return context
        return ReaderContext(
            instance=context.instance,
            current_workspace=context.get_current_workspace(),
            process_context=context.process_context,
            version=context.version,
            source=conn,
            read_only=True,
        )


def _explain(permissions: Mapping[str, PermissionResult]) -> dict[str, PermissionResult]:
    return {
        name: one if one.enabled else PermissionResult(enabled=False, disabled_reason=NO_TOKEN)
        for name, one in permissions.items()
    }
