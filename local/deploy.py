"""Builds the template for this machine and deploys it into the region, when anything has changed."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.emulator import CREDENTIALS, REGION, RegionError
from local.places import HOME, ROOT, Places

STACK = "parley-local"
ARTIFACTS_BUCKET = "parley-artifacts"
JWT_SECRET_PARAMETER = "/parley/local/jwt-secret"
MODEL_KEY_PARAMETER = "/parley/local/model-api-key"
OPERATIONS_KEY_PARAMETER = "/parley/local/operations-api-key"
# What is deployed is noted in the region itself: a region that lost its last minutes then lost the note as well.
DEPLOYED_PARAMETER = "/parley/local/deployed"
SOURCES = ("template.yaml", "samconfig.toml", "requirements.lock", "layers", "functions", "src", "clients/web")
IGNORED = frozenset({"__pycache__", "node_modules", ".DS_Store"})
DEPLOYED_STATUSES = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})


@dataclass(frozen=True)
class Settings:
    """What differs from machine to machine and from start to start."""

    endpoint_url: str
    model_base_url: str
    model_name: str
    model_api_key: str
    jwt_secret: str
    operations_api_key: str
    operation_services: str
    """JSON list of {url, name, description}."""
    agent_generator_url: str
    """Of a service that builds agents; empty: the model does."""

    @property
    def parameters(self) -> dict[str, str]:
        """Parameters of the template."""
        return {
            "Stage": "local",
            "GatewayUrl": self.endpoint_url,
            "AllowedOrigins": "*",
            "ModelBaseUrl": self.model_base_url,
            "ModelName": self.model_name,
            "ModelApiKeyParameter": MODEL_KEY_PARAMETER,
            "JwtSecretParameter": JWT_SECRET_PARAMETER,
            "OperationsApiKeyParameter": OPERATIONS_KEY_PARAMETER,
            "OperationServices": self.operation_services,
            "AgentGeneratorUrl": self.agent_generator_url,
            "LogRetentionDays": "1",
        }


def client(service: str, endpoint_url: str) -> Any:
    """A client of the region's administrator, whatever the developer's AWS configuration says."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=30),
    )


def deploy(places: Places, settings: Settings) -> bool:
    """Make the region hold this template with these settings; whether anything had to be done."""
    ssm = client("ssm", settings.endpoint_url)
    put_secrets(ssm, settings)
    sources = hash_sources()
    wanted = hashlib.sha256(f"{sources}{sorted(settings.parameters.items())}".encode()).hexdigest()
    if _deployed(ssm) == wanted and _status(settings) in DEPLOYED_STATUSES:
        return False
    print("Deploying what changed ...", flush=True)
    _make_room(settings)
    with _building():
        _sam_deploy(places, settings, build(places, sources))
    ssm.put_parameter(Name=DEPLOYED_PARAMETER, Value=wanted, Type="String", Overwrite=True)
    return True


def put_secrets(ssm: Any, settings: Settings) -> None:
    """Put what the template only names."""
    secrets = {
        JWT_SECRET_PARAMETER: settings.jwt_secret,
        MODEL_KEY_PARAMETER: settings.model_api_key,
        OPERATIONS_KEY_PARAMETER: settings.operations_api_key,
    }
    for name, value in secrets.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def hash_sources() -> str:
    """A hash of everything that is built and of the interpreter that runs it."""
    digest = hashlib.sha256((HOME / "region-venv" / "parley-stamp").read_bytes())
    for path in _source_files():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and IGNORED.isdisjoint(path.parts) and path.suffix != ".pyc":
                yield path


@contextmanager
def _building() -> Iterator[None]:
    """Regions share a build, so one at a time builds and reads it."""
    with (HOME / "build.lock").open("w") as handle:
        flock(handle, LOCK_EX)
        yield


def build(places: Places, sources: str) -> Path:
    """Build for this machine, once for equal sources, also when two regions need it; the built template."""
    folder = HOME / "build" / sources[:16]
    template = folder / "template.yaml"
    if template.exists():
        return template
    shutil.rmtree(HOME / "build", ignore_errors=True)
    building = [
        "build",
        "--base-dir",
        str(ROOT),
        "--build-dir",
        str(folder),
        "--template-file",
        str(ROOT / "template.yaml"),
    ]
    _run_sam(places, "build", building, {"PARLEY_BUILD": "local", "PARLEY_PYTHON": str(places.region_python)})
    return template


def _sam_deploy(places: Places, settings: Settings, template: Path) -> None:
    overrides = [f"{name}={_quoted(value)}" for name, value in settings.parameters.items()]
    command = ["deploy", "--config-file", str(ROOT / "samconfig.toml"), "--config-env", "local"]
    command += ["--template-file", str(template), "--stack-name", STACK, "--region", REGION]
    command += ["--s3-bucket", ARTIFACTS_BUCKET, "--parameter-overrides", *overrides]
    try:
        # The emulator answers at once, so there's no reason to poll it every five seconds.
        _run_sam(places, "deploy", command, {"AWS_ENDPOINT_URL": settings.endpoint_url, "SAM_CLI_POLL_DELAY": "0.3"})
    except RegionError as error:
        raise RegionError(_failures(settings) or str(error)) from None
    status = _status(settings)
    if status not in DEPLOYED_STATUSES - {"UPDATE_ROLLBACK_COMPLETE"}:
        raise RegionError(f"The stack is {status}.\n{_failures(settings)}")


def _quoted(value: str) -> str:
    """A parameter's value as the SAM CLI reads it: JSON has quotes of its own, and nothing must be quoted too."""
    escaped = value.replace('"', '\\"')
    return f'"{escaped}"' if '"' in value or not value else value


def _run_sam(places: Places, name: str, arguments: list[str], extra: Mapping[str, str]) -> None:
    places.logs.mkdir(parents=True, exist_ok=True)
    log = places.logs / f"sam-{name}.log"
    isolated = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "SAM_CLI_TELEMETRY": "0"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**inherited, **CREDENTIALS, **isolated, **extra}
    with log.open("w") as output:
        command = [str(places.sam), *arguments]
        code = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
            check=False,
        ).returncode
    if code:
        end = "\n".join(log.read_text().splitlines()[-20:])
        raise RegionError(f"`sam {name}` failed. The end of {log}:\n{end}")


def _make_room(settings: Settings) -> None:
    """Make the bucket for artifacts, and remove a stack whose creation failed: it can't be updated."""
    s3 = client("s3", settings.endpoint_url)
    if ARTIFACTS_BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=ARTIFACTS_BUCKET)
    status = _status(settings)
    if status is None or status in DEPLOYED_STATUSES:
        return
    client("cloudformation", settings.endpoint_url).delete_stack(StackName=STACK)
    deadline = time.monotonic() + 60
    while _status(settings) not in (None, "DELETE_COMPLETE") and time.monotonic() < deadline:
        time.sleep(0.3)


def _deployed(ssm: Any) -> str | None:
    try:
        return str(ssm.get_parameter(Name=DEPLOYED_PARAMETER)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None


def _status(settings: Settings) -> str | None:
    try:
        stacks = client("cloudformation", settings.endpoint_url).describe_stacks(StackName=STACK)["Stacks"]
    except ClientError:
        return None
    return str(stacks[0]["StackStatus"]) if stacks else None


def outputs(endpoint_url: str) -> dict[str, str]:
    """The stack's outputs."""
    stack = client("cloudformation", endpoint_url).describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def functions(endpoint_url: str) -> dict[str, str]:
    """The functions' names by their logical ids."""
    resources = client("cloudformation", endpoint_url).describe_stack_resources(StackName=STACK)["StackResources"]
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }


def _failures(settings: Settings) -> str:
    """Why resources failed, in the stack's own words; empty when it got no further than being read."""
    try:
        events = client("cloudformation", settings.endpoint_url).describe_stack_events(StackName=STACK)["StackEvents"]
    except (BotoCoreError, ClientError):
        return ""
    reasons = [
        f"  {event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events
        if "FAILED" in event["ResourceStatus"] and event.get("ResourceStatusReason")
    ]
    return "\n".join(["The deployment failed:", *dict.fromkeys(reasons)]) if reasons else ""
