"""What the demo model says: a pure function of the request.

Phrases in the last user message, in any case, also in the middle of a sentence:

    help                      lists these phrases
    fetch <url>, read <url>   calls web_fetch, then says in a sentence what came back
    compare <url> and <url>   two web_fetch calls in parallel, then a sentence about both
    steps <n>                 n tool calls, one step after the other, then an answer
    build an agent that <…>   reads the guide and has create_agent build a small agent, which says what it is for
    change <agent> so that it <…>
                              has an own agent changed, or a copy made of `username/agent-name`, by edit_agent or
                              customize_agent: its description says how
    run <agent> with <key>=<value>, <key>=<value> and wait <n>
                              runs an agent, named `username/agent-name` or as in the library, and says what came back;
                              `with defaults`, or nothing, to have no inputs; `and wait` waits up to 300 s
    show the last run of <agent>
                              says what its last run has brought; `and wait <n>` counts also one that still runs
    schedule <agent> at <cron> as <name> with <key>=<value>
                              has it run again and again
    list schedules            lists them; `delete the schedule <name>` takes one away
    remind me in <n> s: <…>   has you say it in this chat, 60 s from now or later
    delegate <phrase>         has a sub-session answer the phrase, then says in a sentence what came back
    count to <n>              counts
    slow, slow <n>            an answer streamed over n seconds (12), about 500 words for 12 s
    long                      a long answer with headings, lists and code
    bad json                  a tool call whose arguments are broken, then a reaction to the error
    unknown tool              calls a tool that does not exist, then reacts
    think                     reasoning before the answer; goes together with every other phrase
    error <status>            HTTP 400 to 599 instead of an answer
    empty                     an empty completion
    cut                       the connection breaks in the middle of the answer

A chat's title, for which it is asked after the first answer, is made of the first words.

The last three happen once for a message, or as often as it says (`error 500 twice`, `cut 3 times`); after
that the answer comes as if nothing had been. `always error 500`, `always empty`, `always cut` and
`always fail` (the same as `always error 500`) never recover. They strike before the first tool call only.

A prompt with material under lines such as `--- Page ---` is answered with its first words, whatever phrases are in it.

Without `tools` in the request it never calls one; with tool results in the history it always gets to an answer.
The same history gives the same answer.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from local import demo_running
from local.demo_agent import changed_agent, demo_agent

MAX_COUNT = 500
EXAMPLE_URL = "https://example.com/"
_URL = r"(?:https?://\S+|[\w-]+(?:\.[\w-]+)+(?:[:/?#]\S*)?)"
_OFTEN = {"once": 1, "twice": 2, "thrice": 3}
_LONG = """# A long answer

This is what **long** text looks like while it streams. It comes from the demo model, so it says little.

1. Every word is *stored*, numbered without gaps.
2. Then it is posted to everybody who watches.

```python
def greet(name: str) -> str:
    return f"Hello, {name}! <b>This is not bold.</b>"
```

## What you can do meanwhile

- Reload the page: the answer goes on where it is.
- Open the chat in a second window: both show the same.

> A turn always ends, once, and says how.

See [the stream protocol](https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol) for the wire format.

"""
_THOUGHT = "The user asks the demo model. I look for a phrase that I know, decide what to do, and answer briefly. "
_SENTENCE = "Every word of this slow answer is stored before it is shown, and a reload of the page picks it up again. "


@dataclass(frozen=True)
class ToolCall:
    """One tool call of a reply; `arguments` is text, because it may be broken on purpose."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Reply:
    """What the model says to one request. `seconds` is how long the text takes; None: the usual pace."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True)
class Failure:
    """What goes wrong first, and how often; None: always."""

    kind: str
    status: int = 0
    times: int | None = 1


@dataclass(frozen=True)
class Request:
    """The part of a chat request that decides about the answer."""

    asked: str
    results: tuple[str, ...]
    tools: tuple[str, ...]
    title: bool = False
    """Whether it asks for the title of a chat."""
    building: str = ""
    """What it asks for of an agent that is built: `plan` or `graph`."""

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "Request":
        """Take the last user message, the tool results after it, and the names of the tools."""
        messages: list[dict[str, Any]] = body.get("messages") or []
        last = max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=-1)
        results = (text_of(message) for message in messages[last + 1 :] if message.get("role") == "tool")
        tools = (tool.get("function", {}).get("name", "") for tool in body.get("tools") or [])
        told = text_of(messages[0]) if messages else ""
        building = (
            "plan" if told.startswith("You plan agents") else "graph" if told.startswith("You build agents") else ""
        )
        asked = text_of(messages[last]) if last >= 0 else ""
        return cls(asked, tuple(results), tuple(tools), told.startswith("Write a title"), building)

    def find(self, pattern: str) -> re.Match[str] | None:
        """Search the user's words for a phrase."""
        return re.search(pattern, self.asked, re.IGNORECASE)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message, whether its content is a string or parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if isinstance(part, dict))


def plan_failure(request: Request) -> Failure | None:
    """Read from the user's words what shall fail, if anything; never after a tool ran."""
    if request.results or request.title or request.building or _delegated(request) or _is_quoted(request):
        return None
    if request.find(r"\balways fail\b"):
        return Failure("status", 500, None)
    match = request.find(r"\b(always )?(error ([45]\d\d)|empty|cut)\b(?:,? (once|twice|thrice|(\d{1,3}) times))?")
    if match is None:
        return None
    often = _OFTEN.get((match[4] or "").lower()) or int(match[5] or 1)
    times = None if match[1] else often
    if match[3]:
        return Failure("status", int(match[3]), times)
    return Failure(match[2].lower(), times=times)


def plan_reply(request: Request) -> Reply:
    """Decide what to say or which tools to call. Depends on nothing but the request."""
    if request.title:
        return Reply(_title(request))
    if request.building:
        return Reply(_built(request))
    if not request.tools and (read := demo_running.read_material(request.asked)):
        return Reply(read)
    if delegated := _delegated(request):
        if request.results:
            return Reply(_answer(request))
        call = ToolCall("run_sub_session", json.dumps({"prompt": delegated, "wait_for_result": 300}))
        return Reply("I will have somebody do that.", calls=(call,))
    reply = _tool_calls(request) or Reply(_answer(request))
    if demo_running.is_asked(request.asked):
        return reply
    if not reply.calls and (match := request.find(r"\bslow\b(?: (\d+))?")):
        seconds = max(1, min(int(match[1] or 12), 600))
        reply = Reply(_repeat(_SENTENCE, round(seconds * 500 / 12)), seconds=seconds)
    if request.find(r"\bthink\b") and not request.results:
        reply = replace(reply, reasoning=_repeat(_THOUGHT, 40))
    return reply


def _is_quoted(request: Request) -> bool:
    """Whether phrases are somebody else's: an agent's inputs, or what it gives to read."""
    return bool(demo_running.read_material(request.asked)) or demo_running.is_asked(request.asked)


def _delegated(request: Request) -> str:
    """The phrase that is not for this conversation; empty: there is none."""
    match = request.find(r"\bdelegate (\S[\s\S]*)") if "run_sub_session" in request.tools else None
    return match[1] if match else ""


def _tool_calls(request: Request) -> Reply | None:
    """The tool calls that the phrases ask for and that did not run yet."""
    if not request.tools:
        return None
    done = len(request.results)
    if call := demo_running.next_call(request.asked, request.results, request.tools):
        return Reply("I will see to it.", calls=(ToolCall(call[0], json.dumps(call[1], ensure_ascii=False)),))
    if demo_running.is_asked(request.asked):
        return None
    if (match := request.find(r"\bbuild an agent that (\S[\s\S]*)")) and "create_agent" in request.tools and done < 2:
        return _building(match[1], done)
    if match := request.find(r"\bsteps (\d+)"):
        return _step(request, done + 1) if done < min(int(match[1]), MAX_COUNT) else None
    if done:
        return None
    if request.find(r"\bbad json\b"):
        return Reply(calls=(ToolCall(request.tools[0], '{"url": "https://example.com'),))
    if request.find(r"\bunknown tool\b"):
        return Reply(calls=(ToolCall("no_such_tool", "{}"),))
    urls = _urls(request)
    if not urls or "web_fetch" not in request.tools:
        return None
    said = "I will read both pages." if len(urls) > 1 else "I will read that page."
    return Reply(said, calls=tuple(ToolCall("web_fetch", json.dumps({"url": url})) for url in urls))


def _building(wanted: str, done: int) -> Reply:
    """First the guide, without which nothing is built, then the agent."""
    if done == 0:
        return Reply("I will read how that is done.", calls=(ToolCall("get_agent_building_guide", "{}"),))
    return Reply("Now I have it built.", calls=(ToolCall("create_agent", json.dumps({"description": wanted.strip()})),))


def _built(request: Request) -> str:
    """A part of the work on an agent, which the request describes as JSON."""
    wanted = json.loads(request.asked)
    goal = str(wanted["goal"])
    if request.building == "plan":
        return json.dumps({"type": "instructions", "steps": [f"Take a topic, and answer about: {goal}"]})
    current = wanted.get("current_agent")
    agent = changed_agent(current, goal) if current else demo_agent(goal)
    return json.dumps(agent, ensure_ascii=False)


def _step(request: Request, number: int) -> Reply:
    """The n-th harmless call. The addresses differ, so that no call looks like a repetition."""
    said = f"Step {number}."
    if "get_current_time" in request.tools:
        return Reply(said, calls=(ToolCall("get_current_time", "{}"),))
    if "web_fetch" in request.tools:
        return Reply(said, calls=(ToolCall("web_fetch", json.dumps({"url": f"{EXAMPLE_URL}?step={number}"})),))
    return Reply(said, calls=(ToolCall(request.tools[0], "{}"),))


def _urls(request: Request) -> list[str]:
    match = request.find(rf"\bcompare ({_URL}),? (?:and|with|to) ({_URL})") or request.find(
        rf"\b(?:fetch|read) ({_URL})"
    )
    found = [url.rstrip(".,;:!?)'\"") for url in match.groups()] if match else []
    return [url if url.lower().startswith("http") else f"https://{url}" for url in found]


def _title(request: Request) -> str:
    """The first words of the user, who is quoted up to an empty line."""
    said = request.asked.partition("\n\n")[0].removeprefix("User:")
    words = re.findall(r"[\w'’-]+", said)[:6]
    return " ".join(words)[:1].upper() + " ".join(words)[1:] if words else "A chat"


def _answer(request: Request) -> str:
    if request.results:
        one = request.find(r"\bbuild an agent that ") or demo_running.is_asked(request.asked)
        last = request.results[-1:] if one else request.results[-2:]
        said = " ".join(_summary(result) for result in last)
        steps = len(request.results)
        return f"{said} That took {steps} tool call{'' if steps == 1 else 's'}, and now I am done."
    if match := request.find(r"\bcount to (\d+)"):
        return ", ".join(str(number) for number in range(1, min(int(match[1]), MAX_COUNT) + 1)) + "."
    if request.find(r"\blong\b"):
        return _LONG * 3
    if request.find(r"\bhelp\b"):
        return _help()
    if not request.tools and request.find(r"\b(steps \d+|fetch|read|compare|bad json|unknown tool)\b"):
        return "I have no tools right now, so I answer with what I have: nothing new."
    asked = " ".join(request.asked.split())[:120]
    return f"Hello! I am Parley's demo model. You said: “{asked}”. Type `help` to see what I can show you."


def _help() -> str:
    phrases = re.findall(r"^    ([a-z].*?)(?:  +|\n +)(.+(?:\n {10,}.+)*)$", str(__doc__), re.MULTILINE)
    listed = "\n".join(f"- `{phrase}`: {' '.join(what.split())}" for phrase, what in phrases)
    return f"I am Parley's demo model: no key, no intelligence, but real streaming. Say one of these:\n\n{listed}\n"


def _summary(result: str) -> str:
    """Say in a sentence what a tool answered, whatever its shape."""
    try:
        value = json.loads(result)
    except ValueError:
        value = result
    fields = value if isinstance(value, dict) else {"text": str(value)}
    if fields.get("type") == "error" or fields.get("error"):
        reason = fields.get("message") or fields.get("error")
        said = _cut(str(reason).strip(), 200)
        return f"The tool could not do that: {said if said.endswith(('.', '…')) else said + '.'}"
    if told := demo_running.told(fields):
        return told
    words = next((fields[key] for key in ("response", "text", "content", "message") if fields.get(key)), result)
    short = _cut(" ".join(str(words).split()), 160)
    return f"**{fields['title']}** says: “{short}”" if fields.get("title") else f"The tool says: “{short}”"


def _cut(text: str, length: int) -> str:
    """Its whole words up to this length, so no part of a link; of one that is all a longer word, its beginning."""
    if len(text) <= length:
        return text
    whole = re.match(rf".{{1,{length}}}(?=\s)", text, re.DOTALL)
    return f"{(whole[0] if whole else text[:length]).rstrip()} …"


def _repeat(sentence: str, words: int) -> str:
    source = sentence.split()
    return " ".join(source[i % len(source)] for i in range(words))
