"""The console's pages about agents as a person uses them: headless Chromium on the deployed page.

Two tests say phrases of the demo model (`run …`, `build an agent …`); see `local/demo_phrases.py`.
"""

import json
import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.browser.console import ask, console_address, say
from tests.browser.devtools import Browser, Page

pytestmark = pytest.mark.browser

AGENT_INPUT = "1983e0a3-2039-4c14-8101-681e09432f9e"
AGENT_OUTPUT = "a8548793-4063-4560-b1fd-49c6900fd30c"
HUMAN_REVIEW = "cc56cc7d-7625-4dea-bf74-c86a5e9b3602"
JSON_QUERY = "a700e4bc-2f12-4d88-906b-0024010db8ee"
SEND_WEBHOOK = "390ab99e-2fbd-4653-b8e0-a031b64d2281"
TEXT_TEMPLATE = "b08fc3a1-5286-4e07-b08c-0f4d93ad6d6c"
WAIT = "8d5ca69d-e268-4190-98bc-7439d3ff3206"
MOOD = "document.querySelector('.run-head .badge')?.dataset.mood"
SAID = "document.querySelector('#page').textContent"
LAST = "[...document.querySelectorAll('.message.assistant')].at(-1)"


def node(node_id: str, block: str, **given: Any) -> dict[str, Any]:
    return {"id": node_id, "block_id": block, "input_default": given}


def link(source: str, output: str, sink: str, name: str) -> dict[str, Any]:
    return {"source_id": source, "source_name": output, "sink_id": sink, "sink_name": name}


def greeting(name: str, *, reviewed: bool = False) -> dict[str, Any]:
    """A graph that greets somebody; with a review of a list of the words before they are said."""
    nodes = [
        node("who", AGENT_INPUT, name="who", description="Whom to greet.", value_schema={"type": "string"}),
        node("often", AGENT_INPUT, name="often", value_schema={"type": "integer"}, default=1),
        node("words", TEXT_TEMPLATE, template="Hello, {{ who }}! {{ often }}"),
        node("said", AGENT_OUTPUT, name="greeting"),
    ]
    links = [link(one, "value", "words", f"values.{one}") for one in ("who", "often")]
    if reviewed:
        nodes.append(node("ask", HUMAN_REVIEW, name=f"Say it? {name}", instructions="Is it polite?"))
        nodes.append(node("listed", JSON_QUERY, query="[@]"))
        links += [link("words", "text", "listed", "document"), link("listed", "result", "ask", "payload")]
        links.append(link("ask", "approved_data", "said", "value"))
        nodes.append(node("unsaid", AGENT_OUTPUT, name="unsaid"))
        links.append(link("ask", "review_message", "unsaid", "value"))
    else:
        links.append(link("words", "text", "said", "value"))
    return {"name": name, "description": "Greets <b>somebody</b>.", "nodes": nodes, "links": links}


def new_agent(region: dict[str, Any], graph: dict[str, Any]) -> str:
    """An agent of Ada's."""
    agent: str = ask(region, "POST", "agents", {"graph": graph})["id"]
    return agent


def name_of(what: str) -> str:
    return f"{what} {uuid.uuid4().hex[:8]}"


def go(page: Page, fragment: str) -> None:
    page.evaluate(f"location.hash = {json.dumps(fragment)}")


def press_button(page: Page, words: str, within: str = "#page") -> None:
    """Click what a button or link within something says."""
    found = f"[...document.querySelectorAll({json.dumps(f'{within} :is(button, a)')})]"
    usable = "one.offsetParent && one.ariaBusy !== 'true'"
    wanted = f"{found}.find((one) => {usable} && one.textContent.trim() === {json.dumps(words)})"
    page.until(f"Boolean({wanted})", f"there is {words}")
    page.evaluate(f"{wanted}.click()")


def run_with_review(page: Page, region: dict[str, Any]) -> str:
    """A run that asks, shown on its page; the name of its agent."""
    name = name_of("Polite greeting")
    agent = new_agent(region, greeting(name, reviewed=True))
    run = ask(region, "POST", "runs", {"library_agent_id": agent, "inputs": {"who": "Grace"}})
    go(page, f"#run={run['id']}")
    page.until("document.querySelector('.review form textarea')", "the user is asked")
    return name


def test_an_agent_is_run_and_its_output_shown(ada: Page, region: dict[str, Any]) -> None:
    """Found by its name, run with what was typed by keyboard; the run's page gets to its output by itself."""
    name = name_of("Greeting")
    agent = new_agent(region, greeting(name))
    ada.click("#pages a[href='#agents']")
    ada.until("document.querySelector('#page input[type=search]')", "the library is shown")
    ada.type("#page input[type=search]", name.upper())
    ada.until(f"document.querySelector('.rows .row-title')?.textContent === '{name}'", "it is found")
    press_button(ada, name)
    ada.until("document.querySelector('.run-form') && document.querySelectorAll('.step').length === 4", "its page")
    assert ada.evaluate("location.hash") == f"#agent={agent}"
    ada.until(f"document.querySelector('#chat-title').textContent === '{name}'", "its name is drawn")
    assert ada.evaluate("document.querySelector('[name=often]').value") == "1"
    assert ada.evaluate("document.querySelectorAll('#page b').length") == 0

    ada.click(".run-form .primary")
    ada.until("document.activeElement.name === 'who'", "what is needed and missing has the focus")
    assert ada.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    ada.type("[name=who]", "Grace")
    ada.evaluate("document.querySelector('.run-form .primary').focus()")
    ada.press("Enter")

    ada.until(f"location.hash.startsWith('#run=') && {MOOD} === 'good'", "the run completes")
    ada.until("document.querySelectorAll('.node').length === 4", "its nodes are shown")
    assert "Hello, Grace! 1" in ada.evaluate("document.querySelector('.values').textContent")
    assert ada.errors == []
    ada.reload()
    ada.until(f"{MOOD} === 'good'", "the link leads there again")
    press_button(ada, name)
    ada.until("document.querySelector('.row .badge')?.dataset.mood === 'good'", "the agent's page has the run")


def test_a_run_is_stopped(ada: Page, region: dict[str, Any]) -> None:
    """While it waits, Stop ends it; the page says so."""
    graph = greeting(name_of("Slow greeting"))
    graph["nodes"].append(node("wait", WAIT, seconds=600))
    graph["links"] = [
        *graph["links"][:-1],
        link("words", "text", "wait", "value"),
        link("wait", "value", "said", "value"),
    ]
    agent = new_agent(region, graph)
    run = ask(region, "POST", "runs", {"library_agent_id": agent, "inputs": {"who": "Grace"}})
    go(ada, f"#run={run['id']}")
    ada.until(f"{MOOD} === 'busy' && document.querySelectorAll('.node').length > 2", "it works")

    press_button(ada, "Stop")

    ada.until(f"{MOOD} === 'bad'", "it has stopped")
    assert ada.evaluate("document.querySelector('.run-head .badge').textContent") == "Stopped"
    assert ada.errors == []


def test_a_review_is_approved_with_other_data(ada: Page, region: dict[str, Any]) -> None:
    """The sidebar counts it; what was typed in its place goes on, and what is no JSON is refused before."""
    run_with_review(ada, region)
    ada.until("!document.querySelector('#pending-reviews').hidden", "the sidebar says that one waits")
    assert ada.evaluate("document.querySelector('.review [name=data]').value") == '[\n  "Hello, Grace! 1"\n]'
    ada.evaluate("document.querySelector('.review [name=data]').value = ''")
    ada.type(".review [name=data]", "Good day, Grace")
    press_button(ada, "Approve")
    ada.until(f"{SAID}.includes('This is not JSON.')", "it is refused")
    ada.evaluate("document.querySelector('.review [name=data]').value = ''")
    ada.type(".review [name=data]", '["Good day, Grace"]')
    ada.press("Tab")
    press_button(ada, "Approve")

    ada.until(f"{MOOD} === 'good'", "the run completes")
    assert "Good day, Grace" in ada.evaluate("document.querySelector('.values').textContent")
    assert ada.errors == []


def test_a_review_is_rejected_with_words(ada: Page, region: dict[str, Any]) -> None:
    """From the list of reviews; the run hears the words."""
    name = run_with_review(ada, region)
    run = ada.evaluate("location.hash")
    ada.click("#pages a[href='#reviews']")
    card = f"[...document.querySelectorAll('.review')].find((one) => one.ariaLabel?.includes('{name}'))"
    ada.until(f"{card}?.querySelector('form')", "it is in the list")
    ada.evaluate(f"{card}.querySelector('[name=message]').value = 'Too short'")
    ada.evaluate(f"{card}.querySelector('form .plain').click()")
    ada.until(f"!{card} || {card}.querySelector('.badge').textContent === 'Rejected'", "it is rejected")

    go(ada, run)

    ada.until(f"{MOOD} === 'good' && {SAID}.includes('Too short')", "the run has heard")
    assert ada.errors == []


def test_a_review_says_which_data_do_not_fit(ada: Page, region: dict[str, Any]) -> None:
    """In its own card, with the focus where it was, and nothing at the top of the page."""
    name = name_of("Teller")
    given = {"provider": "webhook_signing", "title": name, "key": "cmVhbGx5IGEgc2VjcmV0IG9mIDI0IGJ5dGVz"}
    account = ask(region, "POST", "credentials", {**given, "hosts": [f"{uuid.uuid4().hex}.example"]})["id"]
    graph = greeting(name)
    graph["nodes"].append(node("tell", SEND_WEBHOOK, url="https://hooks.example.com/done"))
    graph["links"].append(link("words", "text", "tell", "payload"))
    run = ask(region, "POST", "runs", {"library_agent_id": new_agent(region, graph), "inputs": {"who": "Grace"}})
    go(ada, f"#run={run['id']}")
    ada.until("document.querySelector('.review form')", "the user is asked")
    note = ada.evaluate("document.querySelector('.review .note').textContent")
    assert "Its run" not in note
    assert "Send webhook" not in note  # it is the heading
    ada.evaluate("document.querySelector('.review [name=data]').value = '{\"url\": 7, \"payload\": 1}'")
    ada.evaluate("document.querySelector('.review .primary').focus()")
    press_button(ada, "Approve")

    ada.until("document.querySelector('.review .field-problem').textContent.startsWith('url: ')", "it says why")
    assert ada.evaluate("document.activeElement.textContent") == "Approve"
    assert ada.evaluate("document.querySelector('#page > .page-problem').hidden") is True
    assert all("422" in error for error in ada.errors)
    ada.errors.clear()
    press_button(ada, "Reject", ".review")
    ada.until("document.querySelector('.review .badge').textContent === 'Rejected'", "it may still be answered")
    ask(region, "DELETE", f"credentials/{account}")
    assert ada.errors == []


def test_another_version_is_used(ada: Page, region: dict[str, Any]) -> None:
    """Its row says so, and has the focus that its button had."""
    graph = greeting(name_of("Greeting"))
    agent = new_agent(region, graph)
    ask(region, "PUT", f"agents/{agent}/graph", {"graph": {**graph, "description": "Formal."}, "version": 1})
    go(ada, f"#agent={agent}")
    offered = "one.offsetParent && one.textContent === 'Use this version'"
    choice = f"[...document.querySelectorAll('.row button')].find((one) => {offered})"
    ada.until(f"Boolean({choice})", "another version is offered")
    row = ada.evaluate(f"{choice}.closest('.row').querySelector('.row-title').textContent")
    ada.evaluate(f"{choice}.focus()")
    ada.press("Enter")

    ada.until("document.activeElement.matches('.row')", "its row has the focus")
    said = ada.evaluate("document.activeElement.textContent")
    assert row in said
    assert "In use" in said
    assert ada.errors == []


def test_a_published_agent_is_added(ada: Page) -> None:
    """From the marketplace to the library, once, whatever is clicked again."""
    for _ in range(2):
        go(ada, "#store=parley/compare-two-texts")
        press_button(ada, "Add to library")
        ada.until("document.querySelector('.run-form')", "it is an agent of one's own now")
        named = "document.querySelector('#chat-title').textContent === 'Compare two texts'"
        ada.until(named, "its name is drawn, with the next frame")
    go(ada, "#agents")
    ada.until("document.querySelector('#page a[href^=\"#agent=\"]')", "the library is shown")
    ada.type("#page input[type=search]", "Compare two texts")
    own = "document.querySelectorAll('#page .block:first-of-type a')"
    ada.until(f"[...{own}].filter((one) => one.textContent === 'Compare two texts').length === 1", "it is there once")
    assert ada.errors == []


CHOOSE = """
(() => {
  const files = new DataTransfer();
  files.items.add(new File([%s], 'agent.json'));
  const input = document.querySelector('#page input[type=file]');
  input.files = files.files;
  input.dispatchEvent(new Event('change'));
})()
"""


def test_an_agent_is_imported_from_a_file(ada: Page) -> None:
    """What is no agent is refused with words, and the next file is taken."""
    name = name_of("From elsewhere")
    go(ada, "#agents")
    ada.until("document.querySelector('#page input[type=file]')", "a file can be chosen")
    ada.evaluate(CHOOSE % json.dumps('{"name": "Nothing"}'))
    ada.until("document.querySelector('#page .page-problem').textContent.includes('node')", "what is wrong is said")
    ada.evaluate(CHOOSE % json.dumps(json.dumps({"format": "parley.agent", "version": 1, "graph": greeting(name)})))
    ada.until(f"document.querySelector('#chat-title').textContent === {json.dumps(name)}", "its page is open")
    ada.errors.clear()  # the browser's own line about the answer that refused


def test_an_agent_is_taken_along_and_deleted(ada: Page, region: dict[str, Any]) -> None:
    """Its JSON is offered as a file; after a question it is gone, and its link says so."""
    name = name_of("Short-lived")
    agent = new_agent(region, greeting(name))
    go(ada, f"#agent={agent}")
    press_button(ada, "Export")
    ada.until("!document.querySelector('#page [aria-busy=true]')", "it is exported")
    press_button(ada, "Delete")
    ada.until("document.activeElement.value === 'keep'", "the user is asked")
    ada.press("Escape")
    ada.until("!document.querySelector('dialog[open]')", "the question is gone")
    press_button(ada, "Delete")
    ada.until("document.querySelector('dialog[open]')", "the user is asked")
    assert ada.errors == []

    ada.click("dialog[open] .danger")

    ada.until("location.hash === '#agents'", "the library is shown")
    go(ada, f"#agent={agent}")
    ada.until(f"{SAID}.includes('no such agent')", "it is gone")


def test_a_schedule_rests_and_goes_on(ada: Page, region: dict[str, Any]) -> None:
    """Its next time is on the user's clocks; paused it has none; run now leads to a run; deleted it is gone."""
    name, agent = name_of("Each morning"), new_agent(region, greeting(name_of("Greeting")))
    target = {"type": "agent", "library_agent_id": agent, "inputs": {"who": "Ada"}}
    hour = (datetime.now(ZoneInfo("Asia/Tokyo")).hour + 12) % 24  # not while this test looks
    cron = f"30 {hour} * * *"
    ask(region, "POST", "schedules", {"name": name, "cron": cron, "timezone": "Asia/Tokyo", "target": target})
    go(ada, "#schedules")
    card = f"[...document.querySelectorAll('.schedule')].find((one) => one.textContent.includes('{name}'))"
    ada.until(f"{card}?.textContent.includes('Next:')", "it is listed")
    assert ":30" in ada.evaluate(f"{card}.textContent")
    assert f"{cron} in Asia/Tokyo" in ada.evaluate(f"{card}.textContent")
    button = f"(words) => [...{card}.querySelectorAll('button')].find((one) => one.textContent === words)"

    ada.evaluate(f"({button})('Pause').focus()")
    ada.evaluate(f"({button})('Pause').click()")
    ada.until(f"{card}.querySelector('.badge').textContent === 'Paused'", "it rests")
    assert "Next:" not in ada.evaluate(f"{card}.textContent")
    assert ada.evaluate("document.activeElement.textContent") == "Resume"
    ada.evaluate(f"({button})('Resume').click()")
    ada.until(f"{card}.querySelector('.badge').textContent === 'Active'", "it goes on")
    assert ada.evaluate("document.activeElement.textContent") == "Pause"
    ada.evaluate(f"{card}.querySelector('summary').click()")
    ada.until(f"{card}.textContent.includes('It has not fired yet.')", "its history is shown")
    ada.evaluate(f"({button})('Run now').click()")
    ada.until(f"location.hash.startsWith('#run=') && {MOOD} === 'good'", "it runs")
    go(ada, "#schedules")
    ada.until(f"Boolean({card})", "it is listed")
    ada.evaluate(f"{card}.querySelector('summary').click()")
    ada.until(f"{card}.querySelector('.row a[href^=\"#run=\"]')", "its history leads to the run")
    ada.evaluate(f"({button})('Delete').focus()")
    ada.evaluate(f"({button})('Delete').click()")
    ada.until("document.querySelector('dialog[open]')", "the user is asked")
    ada.click("dialog[open] .danger")

    ada.until(f"!{card}", "it is gone")
    assert ada.evaluate("document.activeElement.matches('#page li, #page .note')")
    assert ada.errors == []


def test_an_account_is_connected_and_its_secret_never_shown(ada: Page) -> None:
    """The link of a card leads to its form; afterwards neither the page nor the storage of the browser has it."""
    title, secret = name_of("Rivers"), f"s3cret-{uuid.uuid4().hex}"
    go(ada, "#connect=http_bearer")
    ada.until("document.querySelector('#page form input[type=password]')", "the form asks for a token")
    assert ada.evaluate("document.querySelector('#page select').value") == "http_bearer"
    fields = "[...document.querySelectorAll('#page form input')]"
    for at, text in enumerate((secret, "not a host", title)):
        ada.evaluate(f"{fields}[{at}].focus()")
        ada.type(f"#{ada.evaluate(f'{fields}[{at}].id')}", text)
    ada.errors.clear()
    press_button(ada, "Connect", "#page form")
    ada.until("document.querySelector('#page .field-problem').textContent.includes('hosts, no. 2: ')", "it says why")
    assert all("422" in error for error in ada.errors)
    ada.errors.clear()
    ada.evaluate(f"{fields}[1].value = ''")
    ada.type(f"#{ada.evaluate(f'{fields}[1].id')}", "API.rivers.example")
    press_button(ada, "Connect", "#page form")

    row = f"[...document.querySelectorAll('.row')].find((one) => one.textContent.includes('{title}'))"
    ada.until(f"{row}?.textContent.includes('api.rivers.example')", "it is listed")
    assert ada.evaluate(f"document.activeElement === {row}")
    assert secret not in ada.evaluate("document.documentElement.outerHTML")
    assert ada.evaluate("document.querySelector('#page form input[type=password]').value") == ""
    ada.reload()
    ada.until(f"Boolean({row})", "it is kept")
    assert secret not in ada.evaluate("document.documentElement.outerHTML + JSON.stringify(localStorage)")
    ada.evaluate(f"{row}.querySelector('button').click()")
    ada.until("document.querySelector('dialog[open]')", "the user is asked")
    ada.click("dialog[open] .danger")
    ada.until(f"!{row}", "it is gone")
    assert ada.errors == []


def test_a_chat_leads_to_the_run(ada: Page, region: dict[str, Any]) -> None:
    """The card of `run_agent` has links to the run and the agent; back leads to the chat."""
    name = name_of("Greeter")
    new_agent(region, greeting(name))
    say(ada, f"run {name} with who=Grace and wait 60")
    ada.until(f"{LAST}?.querySelector('.tool-links a[href^=\"#run=\"]')", "the card links to the run")
    ada.until(f"{LAST}.querySelector('.tool-links a[href^=\"#agent=\"]')", "and to the agent")
    chat = ada.evaluate("location.hash")

    ada.evaluate(f"{LAST}.querySelector('.tool-links a[href^=\"#run=\"]').click()")

    ada.until(f"{MOOD} === 'good' && {SAID}.includes('Hello, Grace! 1')", "the run is shown")
    assert ada.evaluate("document.querySelector('#dock').hidden") is True
    ada.evaluate("history.back()")
    ada.until(f"location.hash === '{chat}' && {LAST}?.querySelector('.tool')", "the chat is shown again")
    assert ada.evaluate("document.querySelector('#page').hidden") is True
    assert ada.errors == []


def test_what_is_somebody_elses_is_not_there(ada: Page, chromium: Browser, region: dict[str, Any]) -> None:
    """Grace, who opens Ada's links, sees that there is nothing."""
    agent = new_agent(region, greeting(name_of("Private")))
    run = ask(region, "POST", "runs", {"library_agent_id": agent, "inputs": {"who": "Ada"}})["id"]
    for fragment, words in ((f"agent={agent}", "no such agent"), (f"run={run}", "no such run")):
        with chromium.page() as other:
            other.open(f"{console_address(region)}#token={region['tokens']['grace']}&{fragment}")
            other.until(f"{SAID}.includes('{words}')", "nothing is there")
            assert other.evaluate("document.querySelectorAll('#page form').length") == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 780)], ids=["desktop", "phone"])
def test_nothing_is_wider_than_the_window(
    ada: Page, region: dict[str, Any], width: int, height: int, dark: bool
) -> None:
    """Each page, desktop or phone, light or dark; with words that nothing breaks."""
    ada.look(width=width, height=height, dark=dark)
    graph = greeting(f"{'Long' * 12} {uuid.uuid4().hex}", reviewed=True)
    agent = new_agent(region, graph)
    run = ask(region, "POST", "runs", {"library_agent_id": agent, "inputs": {"who": "Grace" * 60}})["id"]
    shown = {
        "#agents": "document.querySelectorAll('#page .row').length > 5",
        f"#agent={agent}": "document.querySelector('.run-form') && document.querySelectorAll('.step').length === 7",
        f"#run={run}": "document.querySelector('.review form')",
        "#reviews": "document.querySelector('.review form')",
        "#schedules": "document.querySelector('#page .loading > div:not([hidden])')",
        "#accounts": "document.querySelector('#page form')",
    }
    for fragment, there in shown.items():
        go(ada, fragment)
        ada.until(f"location.hash === '{fragment}' && {there}", f"{fragment} is shown")
        place = "document.querySelector('#page')"
        assert ada.evaluate(f"{place}.scrollWidth <= {place}.clientWidth"), fragment
        assert ada.evaluate("document.documentElement.scrollWidth <= innerWidth"), fragment
    assert ada.errors == []
