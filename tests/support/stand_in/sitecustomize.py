"""Leads a few public names and addresses to a server of the tests, in processes of the emulated region's functions.

Python loads it first where its folder is on PYTHONPATH. What the product checks is as ever: names are looked up, their
addresses must be public, certificates must be an authority's. Only the network is another one.
"""

import json
import os
import socket
import ssl
from pathlib import Path
from typing import Any


def lead(web: dict[str, Any]) -> None:
    """Let `hosts` resolve, connections to their addresses end at `ports`, and trust `authority`."""
    look_up, connect, create_context = socket.getaddrinfo, socket.socket.connect, ssl.create_default_context

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **more: Any) -> Any:
        return look_up(web["hosts"].get(host, host), port, *arguments, **more)

    def connecting(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] in web["hosts"].values():
            address = ("127.0.0.1", web["ports"].get(str(address[1]), 9))
        connect(self, address)

    def create_default_context(*arguments: Any, **more: Any) -> ssl.SSLContext:
        context = create_context(*arguments, **more)
        context.load_verify_locations(cadata=web["authority"])
        return context

    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connecting  # type: ignore[assignment,method-assign]
    ssl.create_default_context = create_default_context


if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
    lead(json.loads((Path(__file__).parent / "web.json").read_text()))
