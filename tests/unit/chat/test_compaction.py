"""The rules of compaction, without a turn around them."""

import pytest

from shared.chat.compaction import context_of, cut, material, plan
from shared.chat.transcript import Compaction, Message, ToolCall, for_model
from tests.support.grammar import check_request

WINDOW = 1_000


def user(seq: int, task: str, text: str = "asks") -> Message:
    return Message(seq, "user", text, task, 0, id=f"m{seq}")


def step(seq: int, task: str, output: str, tokens: int = 0) -> list[Message]:
    call = ToolCall(f"c{seq}", "echo", '{"text":"' + output + '"}')
    return [
        Message(seq, "assistant", "", task, 0, tool_calls=(call,), tokens=tokens),
        Message(seq + 1, "tool", output, task, 0, tool_call_id=call.id, tool_name="echo"),
    ]


def compaction(seq: int, task: str, kept_from: int, cut_to: int = 0) -> list[Message]:
    call = ToolCall(f"compaction_{seq}", "context_compaction", "{}")
    return [
        Message(seq, "assistant", "", task, 0, tool_calls=(call,), compaction=Compaction("Then.", kept_from, cut_to)),
        Message(seq + 1, "tool", "{}", task, 0, tool_call_id=call.id, tool_name="context_compaction"),
    ]


LONG = "x" * 3_000


@pytest.mark.parametrize(("tokens", "due"), [(749, False), (750, True)])
def test_three_quarters_of_the_window_are_full(tokens: int, due: bool) -> None:
    """By the provider's count of the last call."""
    rows = [user(0, "t"), *step(1, "t", LONG, 10), *step(3, "t", "short", tokens)]
    assert (plan(rows, ["t"], WINDOW, refused=False) is not None) is due


def test_what_frees_little_is_not_done() -> None:
    """A window that instructions and tools fill is not emptied by summaries."""
    rows = [user(0, "t"), *step(1, "t", "short", 10), *step(3, "t", LONG, 5_000)]
    assert plan(rows, ["t"], WINDOW, refused=False) is None


def test_the_count_from_before_a_compaction_says_nothing() -> None:
    """It takes another answer of the model to know how full the window is now."""
    rows = [user(0, "t"), *step(1, "t", LONG, 10), *step(3, "t", LONG, 5_000), *compaction(5, "t", 3)]
    assert plan(rows, ["t"], WINDOW, refused=False) is None


def test_many_short_rows_are_summarized_without_any_count() -> None:
    """What a turn reads at its start has an end also where the provider counts no tokens."""
    rows = [Message(n, "user" if n % 2 == 0 else "assistant", "hi", f"t{n // 2}", 0) for n in range(1_002)]
    wanted = plan([*rows, user(1_002, "now")], ["now"], 128_000, refused=False)
    assert wanted is not None
    assert wanted.kept_from == 1_001


def test_a_turn_compacted_in_its_middle_keeps_its_question_and_a_later_one_does_not() -> None:
    """The summary has told the later turn of it."""
    rows = [user(0, "t", "question"), *step(1, "t", "old"), *step(3, "t", "last"), *compaction(5, "t", 3)]
    now = context_of(rows, ["t"])
    assert [row.seq for row in now.rows] == [0, 3, 4]
    assert now.summary == "Then."
    later = context_of([*rows, Message(7, "assistant", "Done", "t", 0), user(8, "u")], ["u"])
    assert [row.seq for row in later.rows] == [3, 4, 7, 8]
    for context in (now, later):
        check_request([{"role": "system", "content": "-"}, *for_model(context.rows)])


def test_a_model_may_call_what_it_has_never_seen() -> None:
    """A call of `context_compaction` that a model makes up is its own, and has its result."""
    call = ToolCall("c1", "context_compaction", "{}")
    rows = [
        user(0, "t"),
        Message(1, "assistant", "", "t", 0, tool_calls=(call,)),
        Message(2, "tool", "unknown", "t", 0, tool_call_id="c1", tool_name="context_compaction", is_error=True),
    ]
    assert list(context_of(rows, ["t"]).rows) == rows


def test_texts_of_the_last_step_shrink_while_the_prompt_is_refused() -> None:
    """2,000 characters, then 200, then nothing is left to try; the user's words stay."""
    rows = [user(0, "t", LONG), *step(1, "t", LONG)]
    sizes = []
    for cut_to in (2_000, 200):
        wanted = plan(rows, ["t"], WINDOW, refused=True)
        assert wanted is not None
        assert (wanted.cut_to, wanted.folded) == (cut_to, ())
        rows = [*rows, *compaction(rows[-1].seq + 1, "t", wanted.kept_from, cut_to)]
        asked, called, answered = context_of(rows, ["t"]).rows
        assert asked.content == LONG
        sizes.append((len(answered.content), len(called.tool_calls[0].arguments)))
        check_request([{"role": "system", "content": "-"}, *for_model([asked, called, answered])])
    assert sizes[0] > sizes[1]
    assert max(sizes[1]) < 300
    assert plan(rows, ["t"], WINDOW, refused=True) is None


def test_material_has_all_that_was_said_and_no_thought() -> None:
    """What the user's program sent along, too, because the model was given it."""
    rows = [
        Message(0, "user", "asks", "t", 0, context="a page"),
        Message(1, "assistant", "says", "t", 0, reasoning="thinks"),
        *step(2, "t", "brings"),
        Message(4, "assistant", "ends", "t", 0),
        user(5, "now"),
    ]
    wanted = plan([*rows[:-1], user(5, "now", "y")], ["now"], WINDOW, refused=True)
    assert wanted is not None
    text = material(wanted, 10_000)
    for said in ("a page", "asks", "says", "brings", "echo"):
        assert said in text
    assert "thinks" not in text
    assert len(material(wanted, 100)) <= 100


def test_a_cut_text_keeps_beginning_and_end() -> None:
    """And says how much is missing."""
    short = cut("a" * 500 + "b" * 500, 200)
    assert len(short) <= 200
    assert short.startswith("aaa")
    assert short.endswith("bbb")
    assert "characters are left out" in short
