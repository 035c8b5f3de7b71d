"""Credentials in the deployed template: sealed by the API, opened by the worker, each with its own permissions."""

import json
from typing import Any, cast

import boto3
import pytest
from boto3.dynamodb.conditions import Key

from tests.support.api_client import ApiClient, api_client
from tests.support.credentials import SIGNING, SIGNING_SECRET
from tests.support.deployed import Deployed

pytestmark = pytest.mark.e2e


def test_what_the_api_seals_a_worker_opens(stack: Deployed, api: ApiClient) -> None:
    """In a dry run, because a webhook goes to the public internet; the secret is in no answer and in no row."""
    for old in api.get("/credentials").json()["credentials"]:
        assert api.request("DELETE", f"/credentials/{old['id']}").status_code == 204
    made = api.post("/credentials", json=SIGNING)
    assert made.status_code == 201, made.text
    session = str(api.post("/chat/sessions", json={"dry_run": True}).json()["id"])
    _, parts = api.heard(session, "sign and post")
    (output,) = [part["output"] for part in parts if part["type"] == "tool-output-available"]
    assert output["outputs"]["status_code"] == [200], output

    listed = api.get("/credentials")
    assert [one["last_used_on"] is None for one in listed.json()["credentials"]] == [False]
    rows = _table(stack).query(KeyConditionExpression=Key("pk").eq("VAULT#ada"))["Items"]
    assert len(rows) == 2
    assert not any(SIGNING_SECRET in text for text in (made.text, str(parts), listed.text, str(rows)))


def test_somebody_elses_does_not_exist(stack: Deployed, api: ApiClient) -> None:
    """Neither over HTTP nor for their turns."""
    made = api.post("/credentials", json=SIGNING).json()["id"]
    with api_client(cast(Any, stack), "grace") as grace:
        assert grace.request("DELETE", f"/credentials/{made}").json()["code"] == "CREDENTIAL_NOT_FOUND"
        session = str(grace.post("/chat/sessions", json={"dry_run": True}).json()["id"])
        _, parts = grace.heard(session, "sign and post")
        (output,) = [part["output"] for part in parts if part["type"] == "tool-output-available"]
    assert output["type"] == "setup_requirements", json.dumps(output)


def _table(stack: Deployed) -> Any:
    description = stack.description
    owner = {
        "region_name": description.get("region", "us-east-1"),
        "aws_access_key_id": description.get("access_key_id", "test"),
        "aws_secret_access_key": description.get("secret_access_key", "test"),
    }
    return boto3.resource("dynamodb", endpoint_url=description["endpoint_url"], **owner).Table(
        description["state_table"]
    )
