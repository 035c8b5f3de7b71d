"""What a deployment on the local region has stored and logged."""

import json
import time
from typing import Any

import boto3

from tests.support.deployed import Deployed
from tests.support.waiting import eventually


def owner_of(demo: Deployed) -> dict[str, Any]:
    """Credentials of the region's own account."""
    return {
        "endpoint_url": demo.description["endpoint_url"],
        "region_name": demo.description.get("region", "us-east-1"),
        "aws_access_key_id": demo.description.get("access_key_id", "test"),
        "aws_secret_access_key": demo.description.get("secret_access_key", "test"),
    }


def invocations(demo: Deployed, after: int, before: int, tasks: set[str]) -> dict[str, int]:
    """How many invocations of each function began between two instants, in milliseconds since the epoch.

    Without those for other tasks: what an earlier run has left, such as its delayed messages.
    """
    logs = boto3.client("logs", **owner_of(demo))
    found = {}
    for group in logs.describe_log_groups(logGroupNamePrefix="/parley/")["logGroups"]:
        name = group["logGroupName"]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=after)
        events = [event for page in pages for event in page["events"]]
        told = [json.loads(event["message"]) for event in events if event["message"].startswith('{"level"')]
        others = {line["invocation"] for line in told if line.get("task_id", next(iter(tasks))) not in tasks}
        begun = {
            event["message"].split()[2]
            for event in events
            if event["message"].startswith("START ") and event["timestamp"] < before
        }
        found[name.rpartition("/")[2]] = len(begun - others)
    return found


def after_logged(demo: Deployed, since: int, function: str, tasks: set[str]) -> int:
    """An instant, in milliseconds since the epoch, by which an invocation since then is in the function's log.

    The region logs an invocation when it has ended, as if it had begun then.
    """
    far = 1 << 52
    eventually(lambda: invocations(demo, since, far, tasks)[function], f"{function} has logged")
    return round(time.time() * 1000)


def record(demo: Deployed, task_id: str) -> dict[str, Any]:
    """The task's record, as it is stored."""
    table = boto3.resource("dynamodb", **owner_of(demo)).Table(demo.description["state_table"])
    return dict(table.get_item(Key={"pk": f"TASK#{task_id}", "sk": "META"}, ConsistentRead=True)["Item"])
