"""A sign-in service on loopback: it signs tokens, and publishes its keys."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class SigningKey:
    """One key pair and its id."""

    id: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.private, rsa.RSAPrivateKey) else "ES256"

    def published(self, **more: Any) -> dict[str, Any]:
        """As it stands in the key set."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            entry = RSAAlgorithm.to_jwk(public, as_dict=True)
        else:
            entry = ECAlgorithm.to_jwk(public, as_dict=True)
        return {**entry, "kid": self.id, "use": "sig", **more}

    def sign(self, claims: dict[str, Any], **headers: Any) -> str:
        """A token."""
        return jwt.encode(claims, self.private, self.algorithm, headers={"kid": self.id, **headers})


def rsa_key(key_id: str = "rsa-1", bits: int = 2048) -> SigningKey:
    return SigningKey(key_id, rsa.generate_private_key(public_exponent=65537, key_size=bits))


def ec_key(key_id: str = "ec-1", curve: ec.EllipticCurve | None = None) -> SigningKey:
    return SigningKey(key_id, ec.generate_private_key(curve or ec.SECP256R1()))


@dataclass
class KeyServer:
    """Answers each request with what was published last, or as `answer` does."""

    url: str = ""
    requests: list[str] = field(default_factory=list)
    body: bytes = b'{"keys": []}'
    status: int = 200
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None

    def publish(self, *entries: dict[str, Any]) -> None:
        """Make this the key set."""
        self.body = json.dumps({"keys": entries}).encode()


@contextmanager
def running_key_server() -> Iterator[KeyServer]:
    """Start it on a port of its own, and stop it."""
    server = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self.path)
            if server.answer:
                server.answer(self)
                return
            self.send_response(server.status)
            self.send_header("content-length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}/keys?of=us"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
