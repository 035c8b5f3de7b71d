"""A generator of agents that needs no model: the service that `AgentGeneratorUrl` names, for tests and demos.

It builds the same small agent for every goal, and does what words in the goal say, in any case:

    vague, impossible   the plan is another goal
    unclear             the plan is questions, unless there is a context
    later               answers 202, and calls back; `twice`: calls back twice; `never`: not at all
    rubbish             answers with words in place of an agent; with `later`, calls back with them
    endless             the plan is larger than anybody keeps
    wrong               brings an agent that can't run
    fail                says that it has failed
    slow <n>            answers after n seconds
    error <status>      answers with that status, 400 to 599

    python local/demo_generator.py --port 8090 [--host 127.0.0.1]
"""

import argparse
import json
import re
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

if not __package__:  # started as a script: its own folder is on the path, the repository is not
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local.demo_agent import changed_agent, demo_agent

MAX_BODY_BYTES = 4_000_000
_CALL_BACK_SECONDS = 1.0


@dataclass(frozen=True)
class Asked:
    """A request, as it came."""

    action: str
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Manners:
    """How it behaves towards the outside; tests look, and are quicker."""

    pause: Callable[[float], object] = time.sleep
    call_back: Callable[[str, dict[str, Any]], None] = field(default=lambda url, told: _post(url, told))
    asked: list[Asked] = field(default_factory=list)


def plan(body: dict[str, Any]) -> dict[str, Any]:
    """What `/api/decompose-description` answers."""
    goal = str(body.get("description", ""))
    if _says(goal, "vague"):
        return {"success": True, "type": "vague_goal", "suggested_goal": "Greet each new customer by name."}
    if _says(goal, "impossible"):
        other = "Tell when the shop opens."
        return {"success": True, "type": "unachievable_goal", "reason": "Nobody can do that.", "suggested_goal": other}
    if _says(goal, "unclear") and not body.get("context"):
        asked = {"question": "Which town is it about?", "keyword": "town", "example": "Bergen"}
        return {"success": True, "type": "clarifying_questions", "questions": [asked]}
    steps = ["Once more: " + "on and on " * 100] * 100 if _says(goal, "endless") else [goal]
    return {"success": True, "type": "instructions", "steps": steps}


def result(goal: str, body: dict[str, Any]) -> Any:
    """What a generation brings, at once or by a callback."""
    if _says(goal, "rubbish"):
        return "I have thought about it, and it was a nice day. {"
    if _says(goal, "fail"):
        return {"success": False, "error": "The generator has run out of ideas."}
    agent = demo_agent(goal)
    if "current_agent" in body:
        agent = changed_agent(body["current_agent"], goal)
    if _says(goal, "wrong"):
        agent["links"] = []
    return {"success": True, "agent_json": agent}


class DemoGenerator(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], manners: Manners | None = None) -> None:
        super().__init__(address, _Handler)
        self.manners = manners or Manners()

    @property
    def url(self) -> str:
        """What `AgentGeneratorUrl` is set to."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: DemoGenerator

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        action = self.path.removeprefix("/api/")
        if action not in {"decompose-description", "generate-agent", "update-agent"} or length > MAX_BODY_BYTES:
            self._json(404, {"success": False, "error": "no such action"})
            return
        body = json.loads(self.rfile.read(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.manners.asked.append(Asked(action, body, headers))
        if action == "decompose-description":
            self._json(200, plan(body))
            return
        self._generate(str(body.get("update_request") or " ".join(body["instructions"]["steps"])), body)

    def _generate(self, goal: str, body: dict[str, Any]) -> None:
        if match := re.search(r"\bslow (\d+)", goal, re.IGNORECASE):
            self.server.manners.pause(float(match[1]))
        if match := re.search(r"\berror ([45]\d\d)", goal, re.IGNORECASE):
            self._json(int(match[1]), {"success": False, "error": "as it was asked to"})
            return
        brought = result(goal, body)
        if not _says(goal, "later", "twice", "never"):
            self._json(200, brought)
            return
        self._json(202, {"success": True, "status": "accepted"})
        times = 0 if _says(goal, "never") else 2 if _says(goal, "twice") else 1
        threading.Thread(target=self._call_back, args=(str(body["callback_url"]), brought, times)).start()

    def _call_back(self, url: str, brought: Any, times: int) -> None:
        failed = isinstance(brought, dict) and brought.get("success") is False
        error = brought["error"] if failed else None
        for _ in range(times):
            self.server.manners.pause(_CALL_BACK_SECONDS)
            self.server.manners.call_back(
                url, {"success": not failed, "result": None if failed else brought, "error": error}
            )

    def _json(self, status: int, value: Any) -> None:
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(ConnectionError):  # the caller left: nobody to tell
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _says(goal: str, *words: str) -> bool:
    return any(re.search(rf"\b{word}\b", goal, re.IGNORECASE) for word in words)


def _post(url: str, told: dict[str, Any]) -> None:
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(told).encode(), headers, method="POST")
    with urllib.request.urlopen(request, timeout=20):
        pass


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    with DemoGenerator((options.host, options.port)) as server:
        print(f"demo generator ready on {server.url}", flush=True)
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
