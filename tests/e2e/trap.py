"""The trap: tells whether a process tries to reach another host."""

from __future__ import annotations

import socket
import threading


class Trap:
    """A web proxy that lets nothing through and counts who knocks.

    A process that has it as its proxy can reach 127.0.0.1; whatever else it tries is seen here.
    """

    def __init__(self) -> None:
        self.knocks: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that send a process here."""
        url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        names = ("http_proxy", "https_proxy", "all_proxy")
        proxies = {form: url for name in names for form in (name, name.upper())}
        return {**proxies, "no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    request = connection.recv(4096).decode("latin-1")
                except OSError:
                    request = "?"
                self.knocks.append(request.partition("\r\n")[0])
