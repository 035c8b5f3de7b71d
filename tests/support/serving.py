"""Servers of a test's own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """It answers for the length of a block, and is closed then."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=type(server).__name__)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
