"""What the template promises to whoever operates it: alarms that mean something, and a dashboard."""

import json
import re
from typing import Any, get_args

import pytest

from shared.kernel.events import Event, Fields
from shared.kernel.metrics import DIMENSION, NAMES
from tests.template.conftest import ROOT, of_type

Resources = dict[str, dict[str, Any]]

FORMS = {"Threshold", "ComparisonOperator", "EvaluationPeriods", "TreatMissingData", "AlarmDescription", "AlarmName"}


@pytest.fixture(scope="module")
def alarms(resources: Resources) -> Resources:
    """The alarms' properties by logical id."""
    return of_type(resources, "AWS::CloudWatch::Alarm")


def _metrics(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """What an alarm looks at: namespace, name and dimensions."""
    if "Metrics" not in alarm:
        return [alarm]
    return [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]


def _slug(alarm: dict[str, Any]) -> str:
    return str(alarm["AlarmName"]["Fn::Sub"]).removeprefix("${AWS::StackName}-")


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_every_alarm_is_complete_and_somebody_hears_it(alarms: Resources) -> None:
    """It says what it means, what silence means, and tells the topic when it begins and when it is over."""
    assert len(alarms) >= 10
    for name, alarm in alarms.items():
        assert alarm.keys() >= FORMS, name
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}], name
        assert alarm["AlarmDescription"].endswith(" See docs/operating.md."), name


def test_silence_is_an_alarm_for_the_scheduler_alone(alarms: Resources) -> None:
    """Where nothing happens nothing is wrong, except for what must happen each minute."""
    loud = {name for name, alarm in alarms.items() if alarm["TreatMissingData"] != "notBreaching"}
    assert loud == {"SchedulerSilentAlarm"}
    assert alarms["SchedulerSilentAlarm"]["TreatMissingData"] == "breaching"


def test_alarms_look_at_metrics_that_exist(alarms: Resources) -> None:
    """Those of our own are in the vocabulary, under the one dimension they have."""
    for name, alarm in alarms.items():
        for metric in _metrics(alarm):
            if metric["Namespace"] == "Parley":
                assert metric["MetricName"] in NAMES, name
                assert metric["Dimensions"] == [{"Name": DIMENSION, "Value": {"Ref": "Stage"}}], name
            else:
                assert metric["Namespace"] in {"AWS/Lambda", "AWS/SQS", "AWS/ApiGateway"}, name


def test_no_function_fails_or_is_throttled_unseen(alarms: Resources, functions: Resources) -> None:
    """Both alarms add up all functions; what our own code fails at counts as an error."""
    for name, metric in (("FunctionErrorsAlarm", "Errors"), ("FunctionThrottlesAlarm", "Throttles")):
        looked_at = [m for m in _metrics(alarms[name]) if m["MetricName"] == metric]
        assert {m["Dimensions"][0]["Value"]["Ref"] for m in looked_at} == set(functions), name
        expression = alarms[name]["Metrics"][0]["Expression"]
        ids = [one["Id"] for one in alarms[name]["Metrics"][1:]]
        assert expression == "+".join(f"FILL({one},0)" for one in ids)
    assert "WorkFailed" in {m["MetricName"] for m in _metrics(alarms["FunctionErrorsAlarm"])}


def test_durations_alarm_at_four_fifths_of_a_timeout(alarms: Resources, functions: Resources) -> None:
    """The numbers follow the functions' timeouts."""
    durations = [alarm for alarm in alarms.values() if alarm.get("MetricName") == "Duration"]
    assert len(durations) == 3
    for alarm in durations:
        timeout = functions[alarm["Dimensions"][0]["Value"]["Ref"]]["Timeout"]
        assert alarm["Threshold"] == timeout * 1000 * 0.8
        assert alarm["ExtendedStatistic"] == "p99"


def test_a_long_turn_is_not_an_old_message(alarms: Resources, resources: Resources) -> None:
    """A message stays in its queue while it is worked on."""
    queue = resources["TurnQueue"]["Properties"]
    assert alarms["TurnQueueAgeAlarm"]["Threshold"] > queue["VisibilityTimeout"]


def test_alarms_that_need_metric_math_are_for_aws_alone(resources: Resources) -> None:
    """The emulated region refuses them."""
    for name, resource in resources.items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            assert (resource.get("Condition") == "InAws") == ("Metrics" in resource["Properties"]), name


def test_the_topic_has_a_reader_only_if_the_deployer_names_one(resources: Resources) -> None:
    """AlarmEmail is empty by default."""
    assert resources["AlarmSubscription"]["Condition"] == "HasAlarmEmail"
    assert resources["AlarmSubscription"]["Properties"]["Endpoint"] == {"Ref": "AlarmEmail"}


def test_every_alarm_has_its_section_in_the_runbook(alarms: Resources) -> None:
    """docs/operating.md says what it means and what to do."""
    sections = set(re.findall(r"^### `([a-z-]+)`", _page("operating.md"), flags=re.MULTILINE))
    assert sections == {_slug(alarm) for alarm in alarms.values()}


QUERY_WORDS = re.compile(
    "fields|filter|sort|stats|limit|display|by|asc|desc|in|not|like|and|or|as|count|sum|pct|min|max|bin|m"
)


def test_the_queries_of_the_runbook_use_our_words() -> None:
    """Each field of a Logs Insights query is a field of the vocabulary, and each event in it exists."""
    queries = re.findall(r"```text\n(.*?)```", _page("operating.md"), flags=re.DOTALL)
    assert len(queries) >= 6
    for query in queries:
        quoted = re.findall(r'"([^"]*)"', query)
        assert {word for word in quoted if re.fullmatch(r"[a-z_]+\.[a-z_]+", word)} <= set(get_args(Event))
        bare = re.sub(r'"[^"]*"|/[^/\n]*/|@\w+', " ", query)
        named = set(re.findall(r"as (\w+)", bare))
        used = {word for word in re.findall(r"\b[a-z_]+\b", bare) if not QUERY_WORDS.fullmatch(word)} - named
        assert used <= {*Fields.__annotations__, "event", "level", "invocation", "xray_trace_id"}, query


def test_the_price_of_the_alarms_is_told(alarms: Resources) -> None:
    """$0.10 a month for each metric that an alarm looks at; docs/cost.md has the sum."""
    looked_at = sum(len(_metrics(alarm)) for alarm in alarms.values())
    assert f"{len(alarms)} alarms on {looked_at} metrics | ${looked_at / 10:.2f}" in _page("cost.md")
    assert f"{len(NAMES)} metrics of our own | ${len(NAMES) * 0.3:.2f}" in _page("cost.md")


@pytest.fixture(scope="module")
def widgets(resources: Resources) -> list[dict[str, Any]]:
    """The dashboard's widgets."""
    body = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    found: list[dict[str, Any]] = json.loads(body)["widgets"]
    return found


def test_the_dashboard_shows_every_alarm_and_every_metric(widgets: list[dict[str, Any]], alarms: Resources) -> None:
    """What is measured is seen, but for what the product's owners count: that is no matter of operating."""
    (shown,) = [widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm"]
    assert {arn.partition("-")[2] for arn in shown} == {_slug(alarm) for alarm in alarms.values()}
    series = [one for widget in widgets for one in widget["properties"].get("metrics", [])]
    of_operating = {name for name in NAMES if not name.startswith("Copilot")}
    assert {one[1] for one in series if one[0] == "Parley"} == of_operating
    assert all(one[2:4] == [DIMENSION, "${Stage}"] for one in series if one[0] == "Parley")


def test_the_dashboard_is_one_of_the_free_ones(widgets: list[dict[str, Any]]) -> None:
    """AWS gives three dashboards of up to 50 metrics each to an account."""
    assert sum(len(widget["properties"].get("metrics", [])) for widget in widgets) <= 50


def test_the_dashboard_has_no_overlaps(widgets: list[dict[str, Any]]) -> None:
    """Each widget has its own place on the 24 columns."""
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        columns = range(widget["x"], widget["x"] + widget["width"])
        cells = {(x, y) for x in columns for y in range(widget["y"], widget["y"] + widget["height"])}
        assert not cells & taken
        assert max(columns) < 24
        taken |= cells


def test_sources_of_the_dashboard_exist(widgets: list[dict[str, Any]], resources: Resources) -> None:
    """What it substitutes is a resource, a parameter or a pseudo parameter."""
    names = re.findall(r"\$\{([A-Za-z0-9:.]+)\}", json.dumps(widgets))
    assert {name.split(".")[0] for name in names if "::" not in name} - {"Stage"} <= set(resources)
