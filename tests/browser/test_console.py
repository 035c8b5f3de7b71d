"""The console as a person uses it: headless Chromium on the deployed page, with whatever model answers text.

Two tests say phrases of the demo model (`slow`, `unknown tool`); see `local/demo_phrases.py`.
"""

import json
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.console import ask, console_address, say, sign_in_link
from tests.browser.devtools import Browser, Page
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

LAST = "[...document.querySelectorAll('.message.assistant')].at(-1)"
DONE = f"{LAST}?.dataset.status === 'done'"
TEXT = f"[...({LAST}?.querySelectorAll('.text') ?? [])].map((e) => e.textContent).join(' ')"
WORDS = f"{TEXT}.trim().split(/\\s+/).filter(Boolean).length"
RUNNING = "!document.querySelector('#stop').hidden"


def test_a_message_is_answered(ada: Page, region: dict[str, Any]) -> None:
    """Typing and Enter bring the message, the answer, a chat in the list, and no error in the console."""
    say(ada, "Good morning")

    ada.until(DONE, "the answer is complete")
    assert ada.evaluate("document.querySelector('.message.user .bubble').textContent") == "Good morning"
    assert ada.evaluate(TEXT).strip()
    ada.until("document.querySelector('#chats [aria-current]')", "the chat is in the list")
    assert ada.evaluate("document.querySelector('#message').value") == ""
    ada.until(f"!({RUNNING})", "nothing is left to stop")
    assert ada.errors == []


def test_the_token_leaves_the_address(ada: Page) -> None:
    """The sign-in link's token is taken out of the address bar and survives a reload."""
    assert "token" not in ada.evaluate("location.href")

    ada.reload()

    ada.until("document.querySelector('#connection').dataset.state === 'connected'", "still signed in")
    assert ada.evaluate("document.querySelector('#sign-in').hidden") is True
    assert ada.errors == []


def test_sign_in_by_hand(page: Page, region: dict[str, Any]) -> None:
    """Without a link there is a form that takes the token, and signing out leads back to it."""
    page.open(console_address(region))
    page.until("!document.querySelector('#sign-in').hidden", "the form is shown")

    page.type("#token", region["tokens"]["grace"])
    page.press("Enter")
    page.until("document.querySelector('#connection').dataset.state === 'connected'", "signed in")
    page.click("#sign-out")

    page.until("!document.querySelector('#sign-in').hidden", "the form is back")
    assert page.evaluate("Object.keys(localStorage).length") == 0
    assert page.errors == []


def test_shift_enter_is_a_new_line(ada: Page) -> None:
    """Shift and Enter start a new line; the message arrives with it."""
    ada.type("#message", "one")
    ada.press("Enter", shift=True)
    ada.type("#message", "two")
    assert ada.evaluate("document.querySelector('#message').value") == "one\ntwo"

    ada.press("Enter")

    ada.until("document.querySelector('.message.user .bubble')?.textContent === 'one\\ntwo'", "both lines are sent")
    ada.until(DONE, "the answer is complete")


def test_markup_stays_text(ada: Page) -> None:
    """HTML in a message or an answer is shown, never run."""
    say(ada, "<img src=x onerror=console.error(1)> <b>bold</b>")

    ada.until(DONE, "the answer is complete")
    assert "<b>bold</b>" in ada.evaluate("document.querySelector('#messages').textContent")
    assert ada.evaluate("document.querySelectorAll('#messages img, #messages b').length") == 0
    assert ada.errors == []


def test_a_tool_call_is_a_card(ada: Page) -> None:
    """A tool call shows its name, how it ended and, on demand, what came back; the answer follows."""
    say(ada, "unknown tool")

    ada.until(DONE, "the answer is complete")
    card = f"{LAST}?.querySelector('.tool')"
    assert ada.evaluate(f"{card}.querySelector('.tool-name').textContent") == "no_such_tool"
    assert ada.evaluate(f"{card}.dataset.state") == "failed"
    assert ada.evaluate(f"{card}.querySelector('details').open") is False
    ada.click(".message.assistant .tool summary")
    ada.until(f"{card}.querySelector('details').open", "the result opens")
    assert ada.evaluate(f"{card}.querySelector('.tool-output').textContent").strip()
    assert ada.evaluate(TEXT).strip()

    ada.reload()

    ada.until(f"{card}?.dataset.state === 'failed'", "the stored card looks the same")
    assert ada.errors == []


def test_stop(ada: Page) -> None:
    """Stop ends the answer, keeps what was said, and the next message works at once."""
    say(ada, "slow 120")
    ada.until(f"{WORDS} > 5 && {RUNNING}", "the answer has begun")

    ada.click("#stop")

    ada.until(f"{LAST}.dataset.status === 'stopped' && !({RUNNING})", "the answer has stopped")
    kept = ada.evaluate(WORDS)
    assert kept > 5
    say(ada, "Good morning")
    ada.until(f"document.querySelectorAll('.message.assistant').length === 2 && {DONE}", "the next one is answered")
    ada.reload()
    ada.until("document.querySelector('.message.assistant')?.dataset.status === 'stopped'", "a reload shows the same")
    assert ada.errors == []


def test_reload_resumes(ada: Page, region: dict[str, Any]) -> None:
    """A reload in the middle of an answer goes on with it, and no word is there twice."""
    say(ada, "slow 120")
    ada.until(f"{WORDS} > 20", "the answer has begun")

    ada.reload()

    ada.until(f"{LAST}?.dataset.status === 'streaming' && {WORDS} > 20", "the answer is shown again")
    before = ada.evaluate(WORDS)
    ada.until(f"{WORDS} > {before}", "the answer goes on")
    ada.click("#stop")
    ada.until(f"{LAST}.dataset.status === 'stopped'", "the answer has stopped")
    chat = ada.evaluate("location.hash").removeprefix("#chat=")
    stored = ask(region, "GET", f"chat/sessions/{chat}")["messages"][-1]["content"]
    assert ada.evaluate(TEXT).split() == stored.split()
    assert ada.evaluate("document.querySelectorAll('.message').length") == 2
    assert ada.errors == []


def test_a_message_during_an_answer_waits(ada: Page) -> None:
    """What is sent during an answer is shown as queued and answered afterwards, in the right order."""
    say(ada, "slow 20")
    ada.until(f"{WORDS} > 5", "the answer has begun")

    say(ada, "Good morning")

    ada.until("document.querySelector('.message.user[data-state=queued]')", "it waits")
    ada.until(f"document.querySelectorAll('.message.assistant').length === 2 && {DONE}", "both are answered")
    order = "[...document.querySelectorAll('.message')].map((e) => e.classList.contains('user'))"
    assert ada.evaluate(order) == [True, False, True, False]
    assert ada.evaluate("document.querySelectorAll('[data-state=queued]').length") == 0
    assert ada.errors == []


def test_two_windows_show_the_same(ada: Page, chromium: Browser, region: dict[str, Any]) -> None:
    """A second window on the same chat joins the running answer and ends with the same text."""
    say(ada, "slow 5")
    ada.until(f"{WORDS} > 5", "the answer has begun")
    chat = ada.evaluate("location.hash.slice(1)")

    with chromium.page() as other:
        other.open(f"{sign_in_link(region, 'ada')}&{chat}")
        other.until(DONE, "the other window has the answer")
        ada.until(DONE, "the first window has it too")
        assert other.evaluate(TEXT) == ada.evaluate(TEXT)
        assert other.errors == []


def test_a_refused_message_stays_in_the_composer(ada: Page) -> None:
    """A message that is too long is refused with words, and nothing of it is lost."""
    say(ada, "x" * 64_001)

    ada.until("!document.querySelector('#problem').hidden", "the problem is shown")
    assert ada.evaluate("document.querySelector('#problem-text').textContent").strip()
    assert ada.evaluate("document.querySelector('#message').value.length") == 64_001
    ada.until("document.querySelectorAll('.message').length === 0", "nothing looks as if it had been sent")


def test_a_foreign_chat_shows_nothing(ada: Page, chromium: Browser, region: dict[str, Any]) -> None:
    """Somebody else who opens the link of a chat sees that there is none."""
    say(ada, "Good morning")
    ada.until(DONE, "the answer is complete")
    chat = ada.evaluate("location.hash.slice(1)")

    with chromium.page() as other:
        other.open(f"{sign_in_link(region, 'grace')}&{chat}")
        other.until("!document.querySelector('#problem').hidden", "the problem is shown")
        assert other.evaluate("document.querySelectorAll('.message').length") == 0


def test_nothing_from_elsewhere(ada: Page, region: dict[str, Any]) -> None:
    """Every request goes to this deployment's own addresses."""
    say(ada, "Good morning")
    ada.until(DONE, "the answer is complete")

    allowed = {urlsplit(region[key]).netloc for key in ("console_url", "http_url", "ws_url") if key in region}
    asked = {urlsplit(url).netloc for url in ada.requests if not url.startswith(("about:", "data:"))}
    assert asked <= allowed
    assert ada.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_how_it_looks(ada: Page, tmp_path: Path, width: int, height: int, dark: bool) -> None:
    """Desktop or phone, light or dark: nothing is wider than the window; a screenshot says how it looks."""
    ada.look(width=width, height=height, dark=dark)
    say(ada, "think, then unknown tool")
    ada.until(DONE, "the answer is complete")

    ada.screenshot(tmp_path / "console.png")

    assert ada.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert ada.evaluate("document.querySelector('#send').getBoundingClientRect().right <= innerWidth")
    assert (tmp_path / "console.png").stat().st_size > 10_000
    assert ada.errors == [], json.dumps(ada.errors)


@pytest.mark.parametrize(("answer", "state"), [("Approve", "done"), ("Deny", "denied")])
def test_the_user_is_asked(ada: Page, region: dict[str, Any], answer: str, state: str) -> None:
    """A call that needs approval shows two buttons, also after a reload; the answer goes on in the same message."""
    tools = ["get_current_time", "web_fetch", "list_workspace_files", "search_docs"]
    session = new_session(region, {"permissions": {"needs_approval": tools}})
    ada.open(f"{console_address(region)}#chat={session}")
    ada.until("document.querySelector('#connection').dataset.state === 'connected'", "the socket connects")
    say(ada, "steps 1")
    ada.until(f"{LAST}?.querySelector('.tool')?.dataset.state === 'approval'", "the user is asked")
    ada.reload()
    ada.until(f"{LAST}?.querySelector('.tool')?.dataset.state === 'approval'", "the user is still asked")

    buttons = f"[...{LAST}.querySelectorAll('.tool-answers button')]"
    ada.evaluate(f"{buttons}.find((button) => button.textContent === '{answer}').click()")

    ada.until(f"{LAST}?.querySelector('.tool')?.dataset.state === '{state}'", "the card says so")
    ada.until(f"{DONE} && ({TEXT}).includes('now I am done')", "the answer is complete")
    assert ada.evaluate("document.querySelectorAll('.message.assistant').length") == 1
    assert ada.evaluate(f"{LAST}.querySelector('.tool-answers').hidden") is True
    assert ada.errors == []


CURRENT = "document.querySelector('#chats li:has([aria-current])')"


def chat_with_an_answer(page: Page, text: str) -> None:
    """A chat in the list; what is read at the end of a turn has come."""
    say(page, text)
    page.until(f"{DONE} && {CURRENT}", "the answer is complete, and the chat is in the list")
    page.until(r"/\d/.test(document.querySelector('#totals').textContent)", "its tokens are shown")


def test_a_chat_gets_another_title_by_keyboard(ada: Page, region: dict[str, Any]) -> None:
    """Enter keeps the new title, here and after a reload; Escape keeps the old one."""
    chat_with_an_answer(ada, "Good morning")
    ada.evaluate(f"{CURRENT}.querySelector('.rename').focus()")
    ada.press("Enter")
    ada.until("document.activeElement.matches('.chat-rename')", "the title can be typed")
    ada.type("#chats .chat-rename:not([hidden])", "  Tea & <biscuits>  ")
    ada.press("Enter")

    ada.until("document.querySelector('#chat-title').textContent === 'Tea & <biscuits>'", "the title is shown")
    assert ada.evaluate("document.activeElement.matches('.rename')")
    ada.press("Enter")
    ada.type("#chats .chat-rename:not([hidden])", "Something else")
    ada.press("Escape")
    assert ada.evaluate(f"{CURRENT}.querySelector('.chat-name').textContent") == "Tea & <biscuits>"
    chat = f"chat/sessions/{ada.evaluate('location.hash').removeprefix('#chat=')}"
    eventually(lambda: ask(region, "GET", chat)["title"] == "Tea & <biscuits>", "the server has it")

    ada.reload()

    ada.until("document.querySelector('#chat-title').textContent === 'Tea & <biscuits>'", "the title is stored")
    assert ada.errors == []


LATE_LISTS = """
(() => {
  const ask = window.fetch;
  window.fetch = async (address, options) => {
    const answer = await ask(address, options);
    if (options?.method !== 'GET' || !String(address).includes('/api/chat/sessions?')) return answer;
    const list = await answer.json();
    for (const session of list.sessions) session.title = null;
    window.lateLists = (window.lateLists ?? 0) + 1;
    return new Response(JSON.stringify(list), { status: 200, headers: answer.headers });
  };
})()
"""


def test_a_list_that_was_read_before_takes_no_title_away(ada: Page) -> None:
    """A list may arrive that was read before the first message was accepted, or before the chat got another title."""
    name = f"{CURRENT}.querySelector('.chat-name').textContent"
    ada.evaluate(LATE_LISTS)
    chat_with_an_answer(ada, "Good morning")
    ada.until("window.lateLists > 0", "a list has come that has no title")
    ada.evaluate("new Promise(requestAnimationFrame)")
    assert ada.evaluate(name) == "Good morning"

    ada.evaluate(f"{CURRENT}.querySelector('.rename').click()")
    ada.type("#chats .chat-rename:not([hidden])", "Tea")
    ada.press("Enter")
    ada.until(f"{name} === 'Tea'", "the title is shown")
    before = ada.evaluate("window.lateLists")
    say(ada, "Good evening")
    ada.until(f"{DONE} && window.lateLists > {before}", "another list has come that has no title")
    ada.evaluate("new Promise(requestAnimationFrame)")

    assert ada.evaluate(name) == "Tea"
    assert ada.errors == []


def test_a_list_that_changes_leaves_the_focus_where_it_is(ada: Page, region: dict[str, Any]) -> None:
    """Another chat comes before the one whose button somebody has reached by keyboard."""
    chat_with_an_answer(ada, "Good morning")
    ada.evaluate(f"{CURRENT}.querySelector('.rename').focus()")
    other = new_session(region, {"title": "Something else"})

    ada.evaluate("dispatchEvent(new Event('focus'))")

    ada.until(f"document.querySelector('#chats a[href=\"#chat={other}\"]')", "the other one is listed")
    assert ada.evaluate(f"document.activeElement === {CURRENT}.querySelector('.rename')")


def test_a_chat_is_deleted_after_a_question(ada: Page, chromium: Browser, region: dict[str, Any]) -> None:
    """Escape keeps it; Delete takes it out of the list, leads to a new chat, and nobody finds it again."""
    chat_with_an_answer(ada, "Good morning")
    chat = ada.evaluate("location.hash.slice(1)")
    link = f"#chats a[href='#{chat}']"
    for end in ("Escape", "Delete"):
        ada.evaluate(f"{CURRENT}.querySelector('.delete').focus()")
        ada.press("Enter")
        ada.until("document.querySelector('dialog[open]')", "the user is asked")
        assert ada.evaluate("document.activeElement.value") == "keep"
        assert "“Good morning”" in ada.evaluate("document.querySelector('dialog[open]').textContent")
        if end == "Escape":
            ada.press("Escape")
            ada.until("!document.querySelector('dialog[open]')", "the question is gone")
            assert ada.evaluate(f'Boolean(document.querySelector("{link}"))')
    ada.click("dialog[open] .danger")

    ada.until(f'!document.querySelector("{link}")', "the chat is gone")
    assert ada.evaluate("location.hash") == ""
    assert ada.evaluate("document.querySelector('#chat-title').textContent") == "New chat"
    assert ada.evaluate("document.querySelectorAll('.message').length") == 0
    assert ada.errors == []
    with chromium.page() as other:
        other.open(f"{sign_in_link(region, 'ada')}&{chat}")
        other.until("!document.querySelector('#problem').hidden", "there is no such chat")


def test_a_question_that_is_asked_again_at_once_has_an_answer_of_its_own(ada: Page) -> None:
    """Browsers tell late that a dialog was closed: that must not answer the next question."""
    chat_with_an_answer(ada, "Good morning")
    delete = f"{CURRENT}.querySelector('.delete')"
    ada.evaluate(f"{delete}.click(), document.querySelector('dialog[open]').close(), {delete}.click()")

    ada.click("dialog[open] .danger")

    ada.until("location.hash === ''", "the chat is gone")
    assert ada.errors == []


def test_titles_are_searched(ada: Page, region: dict[str, Any]) -> None:
    """In whatever case, among all chats; Escape brings the list back, and what is not there is said."""
    word = f"Zebra{uuid.uuid4().hex[:8]}"
    wanted = new_session(region, {"title": f"Über {word}"})
    other = new_session(region, {"title": "Something else"})
    names = "[...document.querySelectorAll('#chats a')].map((one) => one.getAttribute('href').slice(6))"

    ada.type("#search", f"über {word.upper()}")
    ada.until(f"{names}.join() === '{wanted}'", "it is found, alone")
    ada.press("Escape")
    ada.until(f"{names}.includes('{other}')", "the whole list is back")
    assert ada.evaluate("document.querySelector('#search').value") == ""
    ada.type("#search", f"{word} is not there")
    ada.until(
        f"{names}.length === 0 && document.querySelector('#found').textContent.startsWith('No title')", "it says so"
    )
    assert ada.errors == []


def test_what_was_used_is_shown(ada: Page) -> None:
    """Of the chat beside its title, of the day and the week in the sidebar, after each answer."""
    used = "Number(document.querySelector('#totals').textContent.replace(/\\D/g, ''))"
    chat_with_an_answer(ada, "Good morning")
    ada.until(f"{used} > 0", "the chat's tokens are shown")
    first = ada.evaluate(used)
    labels = "[...document.querySelectorAll('#usage dt')].map((one) => one.textContent).join()"
    ada.until(f"{labels} === 'Today,This week'", "the user's are shown")

    say(ada, "Good evening")

    ada.until(f"{DONE} && {used} > {first}", "there are more now")
    assert ada.errors == []


def test_what_a_schedule_says_is_shown_in_the_open_chat(ada: Page, region: dict[str, Any]) -> None:
    """By itself: the socket tells that a turn has begun there."""
    chat_with_an_answer(ada, "Good morning")
    chat = ada.evaluate("location.hash").removeprefix("#chat=")
    target = {"type": "message", "message": "count to 3", "session_id": chat}
    made = ask(region, "POST", "schedules", {"name": "Counting", "cron": "0 0 29 2 *", "target": target})
    ask(region, "POST", f"schedules/{made['id']}/run")

    ada.until(f"document.querySelectorAll('.message.assistant').length === 2 && {DONE}", "it is shown, and answered")
    assert ada.evaluate("[...document.querySelectorAll('.message.user .bubble')].at(-1).textContent") == "count to 3"
    assert ada.evaluate(TEXT).strip() == "1, 2, 3."
    ask(region, "DELETE", f"schedules/{made['id']}")
    assert ada.errors == []


def new_session(region: dict[str, Any], body: dict[str, Any]) -> str:
    """A session of Ada's, made over HTTP."""
    session: str = ask(region, "POST", "chat/sessions", body)["id"]
    return session
