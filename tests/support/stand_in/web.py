"""The server behind the stand-in for the public web: pages that a test writes, and what was posted."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509

from tests.support.authority import Authority

PAGES = "pages.example.com"
HOOKS = "hooks.example.com"
_HOSTS = {PAGES: "93.184.216.34", HOOKS: "151.101.1.140"}


@dataclass(frozen=True)
class Posted:
    """A request that brought something."""

    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class StandInWeb:
    """What both hosts serve, over http and https."""

    pages: dict[str, str] = field(default_factory=dict)
    """Path to HTML."""
    posted: list[Posted] = field(default_factory=list)

    def page(self, path: str, body: str) -> str:
        """Serve a page from now on; its address."""
        self.pages[path] = f"<html><head><title>{path}</title></head><body><p>{body}</p></body></html>"
        return f"http://{PAGES}{path}"


@contextmanager
def stand_in_web(folder: Path) -> Iterator[tuple[StandInWeb, Path]]:
    """Serve for the length of a block; `folder` becomes what functions need on their PYTHONPATH."""
    web, authority = StandInWeb(), Authority()
    names = [x509.DNSName(host) for host in _HOSTS]
    with ExitStack() as servers:
        ports = {}
        for port in ("80", "443"):
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(web))
            if port == "443":
                server.socket = authority.serving(folder, *names).wrap_socket(server.socket, server_side=True)
            ports[port] = server.server_address[1]
            servers.enter_context(_serving(server))
        shutil.copy(Path(__file__).with_name("sitecustomize.py"), folder)
        described = {"hosts": _HOSTS, "ports": ports, "authority": authority.pem()}
        (folder / "web.json").write_text(json.dumps(described))
        yield web, folder


@contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="stand-in-web")
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(web: StandInWeb) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = web.pages.get(self.path)
            self._answer(200 if found else 404, (found or "There is no such page.").encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            web.posted.append(Posted({name.lower(): value for name, value in self.headers.items()}, body))
            self._answer(200, b"Taken.")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
