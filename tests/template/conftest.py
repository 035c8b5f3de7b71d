"""The template as data, and what is built from it."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAM = ROOT / ".local" / "sam-venv" / "bin" / "sam"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


yaml.add_multi_constructor("!", _short_form, Loader=_Loader)


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """template.yaml."""
    content: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    return content


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Its resources by logical id."""
    found: dict[str, dict[str, Any]] = template["Resources"]
    return found


def of_type(resources: dict[str, dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """Properties of all resources of a type, by logical id."""
    return {name: resource["Properties"] for name, resource in resources.items() if resource["Type"] == kind}


@pytest.fixture(scope="session")
def functions(resources: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The functions' properties by logical id."""
    return of_type(resources, "AWS::Serverless::Function")


def run_sam(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run sam as a developer would, without credentials."""
    assert SAM.exists(), "AWS SAM is not installed here: run `make setup`"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PARLEY_"))}
    settings = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", **environment}
    return subprocess.run(
        [str(SAM), *arguments], cwd=ROOT, env={**inherited, **settings}, capture_output=True, text=True, check=False
    )
