"""What the demo model does with agents and schedules: the calls that a phrase asks for, and words for their answers.

    run <agent> [with <inputs>] [and wait [<n>]]       an agent: `username/agent-name`, or its name in the library
    schedule <agent> at <cron> as <name> [with <inputs>]
    show the last run of <agent> [and wait [<n>]]
    change <agent> so that it <…>                      an own agent; of a published one, a copy
    list schedules
    delete the schedule <name>
    remind me in <n> s: <text>                         said in the same chat

Inputs are `key=value, key=value`, or `defaults`; a value is JSON if it can be read as such, else text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MAX_WAIT = 300
_INPUTS = r"(?: with (?P<inputs>defaults|[a-z]\w*=[\s\S]*?))?"
_WAIT = r"(?P<waits> and wait(?: (?P<wait>\d+)(?: ?s(?:econds)?)?)?)?"
_END = r"[.!]?\s*$"
_RUN = rf"\brun (?P<agent>\S[^\n=]*?){_INPUTS}{_WAIT}{_END}"
_SCHEDULE = rf"\bschedule (?P<agent>\S[^\n=]*?) at (?P<cron>\S+(?: \S+){{4}}) as (?P<name>[^\n=]+?){_INPUTS}{_END}"
_SHOW = rf"\bshow the last run of (?P<agent>\S[^\n]*?){_WAIT}{_END}"
_CHANGE = r"\bchange (?P<agent>\S[^\n]*?) so that it (?P<changes>\S[\s\S]*)"
_REMIND = r"\bremind me in (?P<delay>\d+) ?s(?:econds)?: (?P<text>\S[\s\S]*)"
_QUOTES = "\"“”'"
_DELETE = rf"\bdelete the schedule (?P<name>\S[^\n]*?){_END}"
_SLUG = re.compile(r"[\w.-]+/[\w.-]+")

Call = tuple[str, dict[str, Any]]
"""A tool's name and its arguments."""


def next_call(asked: str, results: Sequence[str], tools: Sequence[str]) -> Call | None:
    """The call that the words ask for next, after `results`; None: they ask for none, or for no more."""
    phrase = _phrase(asked)
    if phrase is None or phrase[0] not in tools:
        return None
    tool, found, arguments = phrase
    if tool == "run_agent":
        return _with_agent(_named(found), results, arguments)
    if tool == "edit_agent":
        return _with_changes(_named(found), results, arguments)
    if tool == "delete_schedule":
        return _with_schedule(_named(found), results)
    return None if results else (tool, arguments)


def is_asked(asked: str) -> bool:
    """Whether the words are about agents or schedules, so that nothing in the inputs counts as a phrase."""
    return _phrase(asked) is not None


def _phrase(asked: str) -> tuple[str, Mapping[str, Any], dict[str, Any]] | None:
    """The tool that a phrase is for, the phrase's parts, and what they are as arguments."""
    for pattern, tool, arguments in _PHRASES:
        match = re.search(pattern, asked, re.IGNORECASE)
        if match and (pattern != _RUN or _is_meant(match.groupdict())):
            return tool, match.groupdict(), arguments(match.groupdict())
    return None


def _is_meant(found: Mapping[str, Any]) -> bool:
    """Whether `run` is about an agent: it has a slug, or quotes, inputs or a wait around its name."""
    named = found["agent"]
    return bool(_SLUG.fullmatch(named) or named[0] in _QUOTES or found["inputs"] or found["waits"])


def _with_schedule(name: str, results: Sequence[str]) -> Call | None:
    """Look the schedule up by its name, then take it away."""
    if not results:
        return "list_schedules", {}
    named = [one["schedule_id"] for one in _read(results[0]).get("schedules") or [] if one["name"] == name]
    return ("delete_schedule", {"schedule_id": named[0]}) if named and len(results) == 1 else None


def _named(found: Mapping[str, Any]) -> str:
    return str(found.get("agent") or found["name"]).strip(_QUOTES)


def _with_agent(named: str, results: Sequence[str], arguments: dict[str, Any]) -> Call | None:
    """Run what is named by its slug at once, and what is called by a name when it has been found."""
    if _SLUG.fullmatch(named):
        return None if results else ("run_agent", {"username_agent_slug": named, **arguments})
    if not results:
        return "find_library_agent", {"query": named}
    found = _found(results)
    return ("run_agent", {"library_agent_id": found, **arguments}) if found and len(results) == 1 else None


def _with_changes(named: str, results: Sequence[str], arguments: dict[str, Any]) -> Call | None:
    """Have a published agent copied and changed, and an own one changed after the guide has been read."""
    if _SLUG.fullmatch(named):
        return None if results else ("customize_agent", {"agent_id": named, **arguments})
    if not results:
        return "find_library_agent", {"query": named}
    found = _found(results)
    if len(results) > 2 or not found:
        return None
    return ("get_agent_building_guide", {}) if len(results) == 1 else ("edit_agent", {"agent_id": found, **arguments})


def _found(results: Sequence[str]) -> str:
    """The id of the agent that was found first; empty: none was."""
    agents = _read(results[0]).get("agents") or []
    return str(agents[0]["id"]) if agents else ""


def _running(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_given(found), "wait_for_result": _wait(found)}


def _scheduling(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_given(found), "schedule_name": found["name"], "cron": found["cron"]}


def _showing(found: Mapping[str, Any]) -> dict[str, Any]:
    named = _named(found)
    how = "store_slug" if _SLUG.fullmatch(named) else "agent_name"
    return {how: named, "wait_if_running": _wait(found)}


def _changing(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"changes": found["changes"].strip()}


def _nothing(_found: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _reminding(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": found["text"].strip(), "delay_seconds": int(found["delay"][:9]), "session_id": "this"}


_PHRASES: tuple[tuple[str, str, Callable[[Mapping[str, Any]], dict[str, Any]]], ...] = (
    (_REMIND, "schedule_followup", _reminding),
    (_SCHEDULE, "run_agent", _scheduling),
    (_SHOW, "view_agent_output", _showing),
    (_CHANGE, "edit_agent", _changing),
    (r"\blist (?:my |the )?schedules\b", "list_schedules", _nothing),
    (_DELETE, "delete_schedule", _nothing),
    (_RUN, "run_agent", _running),
)


def _wait(found: Mapping[str, Any]) -> int:
    return min(int((found["wait"] or str(MAX_WAIT))[:9]), MAX_WAIT) if found["waits"] else 0


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    words = found["inputs"] or ""
    if words.lower() == "defaults":
        return {"use_defaults": True}
    pairs = (pair.partition("=") for pair in re.split(r",\s*(?=[a-z]\w*=)", words, flags=re.IGNORECASE) if pair)
    return {"inputs": {key.strip(): _value(text.strip()) for key, _, text in pairs}}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(result: str) -> dict[str, Any]:
    try:
        value = json.loads(result)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def told(fields: Mapping[str, Any]) -> str:
    """A tool's answer about agents or schedules in a sentence or two; empty: it is about something else."""
    teller = _TELLERS.get(str(fields.get("type")))
    return teller(fields) if teller else ""


def _tell_output(fields: Mapping[str, Any]) -> str:
    run = fields["execution"]
    outputs = "; ".join(f"{name}: {', '.join(map(_short, values))}" for name, values in run["outputs"].items())
    said = f"**{fields['agent_name']}**: {str(run['status']).lower()}."
    return f"{said} It answers {outputs}." if outputs else said


def _tell_started(fields: Mapping[str, Any]) -> str:
    said = f"**{fields['graph_name']}**: {str(fields['status']).lower()}."
    if schedule := fields.get("schedule"):
        return f"{said} It runs next at {schedule['next_run_time'] or 'no time'}."
    link = fields.get("execution_link")
    if reviews := fields.get("reviews"):
        return f"{said} Review {', '.join(reviews)} at {link}."
    return f"{said} Follow it at {link}." if link else said


def _tell_saved(fields: Mapping[str, Any]) -> str:
    return f"{fields['agent_name']} is saved: {fields['library_agent_link']}."


def _tell_preview(fields: Mapping[str, Any]) -> str:
    return f"{fields['agent_name']} would have {fields['node_count']} nodes. It is not saved."


def _tell_operation(_fields: Mapping[str, Any]) -> str:
    return "I have begun; the result comes by itself."


def _tell_details(fields: Mapping[str, Any]) -> str:
    agent = fields["agent"]
    return f"**{agent['name']}** takes {', '.join(agent['inputs'].get('properties', {})) or 'no inputs'}."


def _tell_invalid(fields: Mapping[str, Any]) -> str:
    return f"{fields['message']} It takes {', '.join(fields['inputs'].get('properties', {})) or 'no inputs'}."


def _tell_schedules(fields: Mapping[str, Any]) -> str:
    listed = [
        f"- {one['name']}: {one['status']}, next at {one['next_run'] or 'no time'}" for one in fields["schedules"]
    ]
    return "\n".join(["These are your schedules:", *listed, ""]) if listed else "You have no schedules."


def _tell_deleted(fields: Mapping[str, Any]) -> str:
    return f"{fields['name']} fires no more."


def _tell_follow_up(fields: Mapping[str, Any]) -> str:
    return f"I will come back to you at {fields['schedule']['next_run']}."


def _tell_library(fields: Mapping[str, Any]) -> str:
    names = ", ".join(agent["name"] for agent in fields["agents"])
    return f"I have found {names}." if names else str(fields["message"])


_TELLERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "agent_output": _tell_output,
    "execution_started": _tell_started,
    "agent_details": _tell_details,
    "input_validation_error": _tell_invalid,
    "schedule_list": _tell_schedules,
    "schedule_deleted": _tell_deleted,
    "followup_scheduled": _tell_follow_up,
    "library_agents": _tell_library,
    "agent_saved": _tell_saved,
    "agent_preview": _tell_preview,
    "operation_started": _tell_operation,
    "operation_pending": _tell_operation,
}


def _short(value: Any) -> str:
    text = " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
    return f"“{text if len(text) <= 400 else text[:400].rsplit(' ', 1)[0] + ' …'}”"


def read_material(asked: str) -> str:
    """What an agent's prompt gives to read, `--- Page ---` and the like, told by its first words; empty: nothing."""
    pieces = re.split(r"^--- (\w[\w ]{0,40}) ---\n", asked, flags=re.MULTILINE)
    told_of = [f"{name}: {_short(text[:600])}" for name, text in zip(pieces[1::2], pieces[2::2], strict=True)]
    return f"I have read. {' '.join(told_of)}" if told_of else ""
