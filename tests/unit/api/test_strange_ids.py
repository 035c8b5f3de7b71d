"""Ids that nobody has given: in every place of the API they name nothing, and break nothing."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.support.region import Parley
from tests.unit.api.test_agents import client_of, tides

IDS = {
    "as long as ours may be": "x" * 64,
    "too long": "x" * 65,
    "longer than a key": "x" * 3_000,
    "wide": "%F0%9D%95%8F" * 64,
    "wider": "%F0%9D%95%8F" * 600,
    "nothing to see": "%00",
    "no text": "%ED%A0%80",
    "a part of a key": "x%23AGENT%23x",
    "a counter": "%23COUNT",
    "blank": "%20",
    "lines": "a%0Ab",
}
ROUTES: dict[str, Any] = {
    "GET /api/agents/{}": None,
    "PATCH /api/agents/{}": {"name": "Tides"},
    "PUT /api/agents/{}/graph": {"graph": tides(), "version": 1},
    "DELETE /api/agents/{}": None,
    "GET /api/agents/{}/versions": None,
    "GET /api/agents/{}/export": None,
    "GET /api/agents/{}/webhook": None,
    "PUT /api/agents/{}/webhook": {"url": "https://hooks.example.com/x"},
    "DELETE /api/agents/{}/webhook": None,
    "GET /api/runs/{}": None,
    "GET /api/runs/{}/nodes": None,
    "POST /api/runs/{}/cancel": None,
    "GET /api/reviews/{}": None,
    "POST /api/reviews/{}/approve": {},
    "POST /api/reviews/{}/reject": {},
    "GET /api/schedules/{}": None,
    "PATCH /api/schedules/{}": {"name": "Tides"},
    "DELETE /api/schedules/{}": None,
    "POST /api/schedules/{}/pause": None,
    "POST /api/schedules/{}/resume": None,
    "POST /api/schedules/{}/run": None,
    "GET /api/schedules/{}/history": None,
    "GET /api/store/{}/{}": None,
    "DELETE /api/store/{}/{}": None,
    "POST /api/store/{}/{}/add": None,
    "GET /api/chat/tasks/{}": None,
    "GET /api/chat/tasks/{}/stream": None,
    "GET /api/chat/sessions/{}": None,
    "DELETE /api/chat/sessions/{}": None,
    "POST /api/chat/sessions/{}/stream": {"message": "Hello"},
    "GET /api/operations/{}": None,
}


@pytest.fixture
def ada(parley: Parley) -> TestClient:
    return client_of(parley, "ada")


@pytest.mark.parametrize("strange", IDS.values(), ids=IDS)
def test_what_nobody_has_made_does_not_exist(ada: TestClient, strange: str) -> None:
    """Whatever its shape: the same 404 as for any other."""
    for route, body in ROUTES.items():
        method, _, path = route.partition(" ")
        answer = ada.request(method, path.replace("{}", strange), json=body)
        assert answer.status_code == 404, f"{route}: {answer.text[:200]}"
