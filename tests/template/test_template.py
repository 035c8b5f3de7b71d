"""What the template promises to whoever deploys it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from shared.schedules.records import Schedule
from tests.template.conftest import ROOT, of_type, run_sam

Resources = dict[str, dict[str, Any]]

FUNCTIONS = {"api", "authorizer", "websocket", "scheduler", "dead_letters", "state_changes"}
WORKERS = {"turn_worker", "run_worker"}


def test_sam_and_cfn_lint_find_nothing() -> None:
    """`sam validate --lint` is clean."""
    answer = run_sam("validate", "--lint")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "is a valid SAM Template" in answer.stdout
    assert "[[" not in answer.stdout + answer.stderr


def test_every_entry_point_is_deployed(functions: Resources) -> None:
    """The functions of the template are those of `functions/`."""
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {properties["CodeUri"].removeprefix("functions/") for properties in functions.values()} == folders
    assert folders >= FUNCTIONS | WORKERS


def test_functions_run_on_arm_and_the_same_python(template: dict[str, Any]) -> None:
    """One runtime, one architecture, for the layers as well."""
    shared = template["Globals"]["Function"]
    assert (shared["Runtime"], shared["Architectures"]) == ("python3.13", ["arm64"])
    for properties in of_type(template["Resources"], "AWS::Serverless::LayerVersion").values():
        assert properties["CompatibleRuntimes"] == ["python3.13"]
        assert properties["CompatibleArchitectures"] == ["arm64"]


def test_functions_say_their_time_and_memory(functions: Resources) -> None:
    """No function runs on defaults."""
    for name, properties in functions.items():
        assert 0 < properties["Timeout"] <= 900, name
        assert properties["MemorySize"] >= 256, name


def test_functions_behind_an_api_answer_before_it_gives_up(functions: Resources) -> None:
    """API Gateway waits for 30 s (HTTP) or 29 s (WebSocket)."""
    for name in ("ApiFunction", "WebSocketFunction", "AuthorizerFunction"):
        assert functions[name]["Timeout"] <= 29, name


def test_every_function_keeps_its_logs_for_a_while(resources: Resources, functions: Resources) -> None:
    """Each has a log group of its own, which forgets."""
    groups = of_type(resources, "AWS::Logs::LogGroup")
    used = [properties["LoggingConfig"]["LogGroup"]["Ref"] for properties in functions.values()]
    assert sorted(used) == sorted(groups)
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())


def _dead_letter_targets(resources: Resources) -> set[str]:
    policies = [queue.get("RedrivePolicy") for queue in of_type(resources, "AWS::SQS::Queue").values()]
    return {policy["deadLetterTargetArn"]["Fn::GetAtt"][0] for policy in policies if policy}


def test_every_queue_gives_up_into_another_one(resources: Resources) -> None:
    """A queue either has a dead-letter queue or is one, and dead letters keep for 14 days and are read.

    What a stream's reader gives up is named in a queue for people, with an alarm.
    """
    dead = _dead_letter_targets(resources)
    queues = of_type(resources, "AWS::SQS::Queue")
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    read = {mapping["EventSourceArn"]["Fn::GetAtt"][0] for mapping in mappings}
    given_up = {m["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] for m in _of_streams(mappings)}
    for name, queue in queues.items():
        assert name in dead | given_up or queue["RedrivePolicy"]["maxReceiveCount"] == 5, name
    for name in dead | given_up:
        assert queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert dead <= read
    alarms = of_type(resources, "AWS::CloudWatch::Alarm").values()
    watched = [d["Value"]["Fn::GetAtt"][0] for a in alarms for d in a.get("Dimensions", ()) if d["Name"] == "QueueName"]
    assert given_up <= set(watched)


def _of_streams(mappings: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [mapping for mapping in mappings if mapping["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn"]


def test_a_stream_is_read_from_its_start_in_time_and_not_without_end(resources: Resources) -> None:
    """A record that can't be told is tried ten times within an hour, alone in the end; then the next ones go on."""
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping").values()
    for mapping in _of_streams(mappings):
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        assert mapping["BisectBatchOnFunctionError"] is True
        assert (mapping["MaximumRetryAttempts"], mapping["MaximumRecordAgeInSeconds"]) == (10, 3600)
        for one in mapping["FilterCriteria"]["Filters"]:
            pattern = json.loads(one["Pattern"])
            assert pattern["dynamodb"]["Keys"]["sk"] in ({"S": ["META"]}, {"S": [{"prefix": "SCHEDULE#"}]})
            assert pattern["eventName"] in (["MODIFY"], ["INSERT"])


@pytest.mark.parametrize(
    ("stopped", "told"),
    [(("disabled", "ended"), True), (("paused", "failures"), True), (("active", ""), False)],
)
def test_the_stream_tells_of_schedules_that_stop(resources: Resources, stopped: Any, told: bool) -> None:
    """The filter is held against records as they are stored: what is as usual is not left out of them there."""
    schedule = Schedule("s1", "ada", "Tides", "message", "UTC", 0, 0, next_fire=1, due=1)
    old, new = schedule.to_item(), schedule.stopped(*stopped).to_item()
    images = {"Keys": {"pk": new["pk"], "sk": new["sk"]}, "OldImage": old, "NewImage": new}
    (mapping,) = _of_streams(of_type(resources, "AWS::Lambda::EventSourceMapping").values())
    patterns = [json.loads(one["Pattern"]) for one in mapping["FilterCriteria"]["Filters"]]
    assert len(patterns) <= 5  # Lambda's own bound
    assert any(one["eventName"] == ["MODIFY"] and _lets_through(one["dynamodb"], images) for one in patterns) is told


def _lets_through(pattern: dict[str, Any], images: dict[str, Any]) -> bool:
    """What is wanted of strings: one of these, or a beginning."""
    return all(
        any(
            str(images[image].get(name)).startswith(one["prefix"])
            if isinstance(one, dict)
            else images[image].get(name) == one
            for one in wanted.get("S", [])
        )
        for image, fields in pattern.items()
        for name, wanted in fields.items()
    )


def test_no_message_becomes_visible_while_it_is_worked_on(resources: Resources, functions: Resources) -> None:
    """A queue's visibility timeout is longer than its function may run."""
    queues = of_type(resources, "AWS::SQS::Queue")
    for mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").values():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        source, kind = mapping["EventSourceArn"]["Fn::GetAtt"]
        if kind == "Arn":
            assert queues[source]["VisibilityTimeout"] > functions[mapping["FunctionName"]["Ref"]]["Timeout"]


@pytest.mark.parametrize(
    ("name", "parameter"), [("TurnQueueMapping", "MaximumConcurrency"), ("RunQueueMapping", "RunConcurrency")]
)
def test_tasks_are_worked_on_one_by_one_and_not_without_limit(resources: Resources, name: str, parameter: str) -> None:
    """One message an invocation, and the deployer says how many at once."""
    mapping = resources[name]["Properties"]
    assert mapping["BatchSize"] == 1
    assert {"Ref": parameter} in mapping["ScalingConfig"]["MaximumConcurrency"]["Fn::If"]


def test_queues_refuse_plain_http(resources: Resources) -> None:
    """Every queue is in the policy that denies requests without TLS."""
    policy = resources["QueuePolicy"]["Properties"]
    assert {queue["Ref"] for queue in policy["Queues"]} == set(of_type(resources, "AWS::SQS::Queue"))
    statement = policy["PolicyDocument"]["Statement"][0]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_tables_expire_records_and_the_durable_one_can_be_recovered(resources: Resources) -> None:
    """Both have a TTL; State is kept when the stack goes, and can go back in time."""
    for table in of_type(resources, "AWS::DynamoDB::Table").values():
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    state = resources["StateTable"]
    assert (state["DeletionPolicy"], state["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert state["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert state["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_files_are_private_encrypted_and_kept(resources: Resources) -> None:
    """The bucket can't be made public, refuses requests without TLS, and outlives the stack."""
    bucket = resources["WorkspaceBucket"]
    properties = bucket["Properties"]
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    policy = resources["WorkspaceBucketPolicy"]["Properties"]
    statement = policy["PolicyDocument"]["Statement"][0]
    assert policy["Bucket"] == {"Ref": "WorkspaceBucket"}
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_only_kept_tool_outputs_and_broken_uploads_expire(resources: Resources) -> None:
    """A user's files stay; the code tags what the rule is about (`tests/unit/tools/test_large_outputs.py`)."""
    rules = resources["WorkspaceBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expiring = [rule for rule in rules if "ExpirationInDays" in rule]
    assert [(rule["TagFilters"], rule["ExpirationInDays"]) for rule in expiring] == [
        ([{"Key": "kind", "Value": "tool-output"}], {"Ref": "ToolOutputDays"})
    ]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)


def _statements(functions: Resources) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in functions.items():
        for policy in properties["Policies"]:
            for statement in policy["Statement"]:
                # What is allowed under a condition is looked at as if it held.
                yield name, statement["Fn::If"][1] if "Fn::If" in statement else statement


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_function_may_do_everything_or_to_everything(functions: Resources) -> None:
    """No `*` in an action, none for a resource but where ids, files or the deployer's own names follow."""
    for name, statement in _statements(functions):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in _listed(statement["Action"])), name
        for resource in _listed(statement["Resource"]):
            text = resource if isinstance(resource, str) else str(next(iter(resource.values())))
            for known in (
                "/@connections/*",
                "${StateTable.Arn}/stream/*",
                "${WorkspaceBucket.Arn}/users/*",
                "parameter${McpHeadersPath}/*",
                "parameter${OAuthSecretsPath}/*",
            ):
                text = text.removesuffix(known)
            assert "*" not in text, (name, text)


def test_no_function_scans(functions: Resources) -> None:
    """Nothing reads a whole table."""
    assert all("dynamodb:Scan" not in _listed(statement["Action"]) for _, statement in _statements(functions))


@pytest.mark.parametrize(
    ("parameter", "wanted"),
    [
        ("JwtSecretParameter", {"ApiFunction"}),
        ("ModelApiKeyParameter", {"TurnWorkerFunction", "RunWorkerFunction"}),
        ("McpHeadersPath", {"TurnWorkerFunction", "RunWorkerFunction"}),
        ("OAuthSecretsPath", {"ApiFunction", "TurnWorkerFunction", "RunWorkerFunction"}),
        ("OperationsApiKeyParameter", {"ApiFunction", "RunWorkerFunction"}),
    ],
)
def test_a_secret_has_few_readers(functions: Resources, parameter: str, wanted: set[str]) -> None:
    """Only the functions that need a secret may read it, and no function has one in its environment."""
    readers = {name for name, s in _statements(functions) if f"parameter${{{parameter}}}" in str(s["Resource"])}
    assert readers == wanted


def test_credentials_are_opened_by_workers_alone(functions: Resources, resources: Resources) -> None:
    """The API seals what users connect and can't read it again; the key turns, and outlives the stack."""
    may = {
        name: set(_listed(statement["Action"]))
        for name, statement in _statements(functions)
        if statement["Resource"] == {"Fn::GetAtt": ["CredentialsKey", "Arn"]}
    }
    both = {"kms:Decrypt", "kms:GenerateDataKey"}
    assert may == {"ApiFunction": {"kms:GenerateDataKey"}, "TurnWorkerFunction": both, "RunWorkerFunction": both}
    key = resources["CredentialsKey"]
    assert (key["DeletionPolicy"], key["Properties"]["EnableKeyRotation"]) == ("Retain", True)


def test_the_authorizer_may_only_take_tickets(functions: Resources) -> None:
    """It deletes an item and nothing else."""
    statements = [statement for name, statement in _statements(functions) if name == "AuthorizerFunction"]
    assert [statement["Action"] for statement in statements] == ["dynamodb:DeleteItem"]


def test_no_origin_is_allowed_unless_the_deployer_says_so(template: dict[str, Any]) -> None:
    """The default of AllowedOrigins is not `*`."""
    assert template["Parameters"]["AllowedOrigins"]["Default"] != "*"


def test_every_parameter_is_described_and_used(template: dict[str, Any]) -> None:
    """A parameter that nothing reads is a promise that nothing keeps."""
    body = str({key: value for key, value in template.items() if key != "Parameters"})
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert f"'Ref': '{name}'" in body or f"${{{name}}}" in body, name


def test_the_outputs_are_what_programs_look_for(template: dict[str, Any]) -> None:
    """local/ and the docs name these."""
    records = {"StateTable", "ChunksTable", "WorkspaceBucket"}
    assert set(template["Outputs"]) == {"HttpUrl", "WebSocketUrl", "TurnQueueUrl"} | records
