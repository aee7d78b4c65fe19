"""Jupyter server extension: send small kernel messages at once.

jupyter_server leaves Nagle's algorithm on for the websockets of kernels. A widget's answer is a handful of small
messages, so each waits for the browser's delayed acknowledgement, about 40 ms: a slider that could follow the hand
does not. Installing the package enables this extension (etc/jupyter/jupyter_server_config.d/nnworkbench.json).
"""

from __future__ import annotations

from typing import Any

from workbench import __version__

__all__ = ["SETTING", "__version__"]  # Jupyter shows the version where it lists its extensions

# The class that jupyter_server makes one of for each websocket of a kernel. Taking it from the settings, rather than
# patching the handler, keeps whichever class the server was configured with (a remote gateway's, for example).
SETTING = "kernel_websocket_connection_class"


def _without_delay(connection: type[Any]) -> type[Any]:
    """A subclass of `connection` that sets TCP_NODELAY when its websocket has been opened."""

    class WithoutDelay(connection):  # type: ignore[misc]  # its base is known only to the running server
        def connect(self) -> Any:
            # Not in __init__: there is no TCP stream to set it on before the websocket is open.
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    WithoutDelay.__name__ = f"{connection.__name__}WithoutDelay"
    return WithoutDelay


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "workbench._server"}]


def _load_jupyter_server_extension(server: Any) -> None:
    settings = server.web_app.settings
    settings[SETTING] = _without_delay(settings[SETTING])
