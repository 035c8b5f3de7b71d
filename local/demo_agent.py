"""The agent that the demo model and the demo generator build, whatever they are asked for: it really runs."""

import re
from typing import Any

AGENT_INPUT = "1983e0a3-2039-4c14-8101-681e09432f9e"
AGENT_OUTPUT = "a8548793-4063-4560-b1fd-49c6900fd30c"
TEXT_TEMPLATE = "b08fc3a1-5286-4e07-b08c-0f4d93ad6d6c"


def demo_agent(goal: str) -> dict[str, Any]:
    """A graph that takes a topic and says something about it; named after the goal."""
    words = re.findall(r"[\w'’-]+", goal)
    name = " ".join(words[:6]).capitalize()[:100] or "Demo agent"
    template = "What you wanted: {{ goal }}\nYour topic: {{ topic }}"
    return {
        "name": name,
        "description": f"Built for a demo: {goal}"[:500],
        "nodes": [
            {"id": "topic", "block_id": AGENT_INPUT, "input_default": {"name": "topic", "default": "rivers"}},
            {
                "id": "text",
                "block_id": TEXT_TEMPLATE,
                "input_default": {"template": template, "values": {"goal": goal[:500]}},
            },
            {"id": "result", "block_id": AGENT_OUTPUT, "input_default": {"name": "result"}},
        ],
        "links": [
            {"source_id": "topic", "source_name": "value", "sink_id": "text", "sink_name": "values.topic"},
            {"source_id": "text", "source_name": "text", "sink_id": "result", "sink_name": "value"},
        ],
    }


def changed_agent(current: dict[str, Any], goal: str) -> dict[str, Any]:
    """The agent as it is, but for its description, which says what was wanted."""
    return {**current, "description": f"Changed: {goal}"[:500]}
