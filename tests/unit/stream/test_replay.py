"""What a newcomer is shown: short, and without what was withdrawn."""

import random

from shared.stream import parts as wire
from shared.stream.closing import OpenStream, shown_text
from shared.stream.replay import MAX_DELTA_CHARACTERS, joined, replay, without_withdrawn
from tests.support.grammar import check_stream
from tests.support.sockets import shown_text as text_of

HEAD = [wire.start("m"), wire.start_step()]


def text(block: str, *pieces: str) -> list[wire.Part]:
    return [
        wire.block("text", "start", block),
        *(wire.delta("text", block, piece) for piece in pieces),
        wire.block("text", "end", block),
    ]


def test_withdrawn_parts_are_left_out() -> None:
    """All since the step began, also twice, and never what an earlier step has said."""
    parts = [*HEAD, *text("a", "kept"), wire.finish_step(), wire.start_step(), *text("b", "gone"), wire.reset_step()]
    parts += [wire.reset_step(), *text("c", "kept"), wire.finish_step(), wire.finish("stop")]
    shown = replay(parts)
    check_stream(parts)
    check_stream(shown)
    assert "gone" not in str(shown)
    assert text_of(parts) == text_of(shown) == "keptkept"
    assert shown_text(parts) == ("keptkept", "")


def test_deltas_are_joined_to_bounded_pieces() -> None:
    """Nothing is lost, and no piece outgrows a frame."""
    parts = text("a", *["x" * 700] * 60)
    shown = joined(parts)
    assert text_of(shown) == "x" * 42_000
    assert max(len(part.get("delta", "")) for part in shown) <= MAX_DELTA_CHARACTERS
    assert len(shown) == 5


def test_any_prefix_can_be_closed() -> None:
    """Wherever a legal stream is cut, the closers make it a legal stream that has ended."""
    draw = random.Random(3)  # noqa: S311 - reproducible, no secret
    for _ in range(200):
        parts = _random_stream(draw)
        for cut in range(1, len(parts)):
            prefix = parts[:cut]
            closing = OpenStream.after(prefix).closers("Stopped.")
            check_stream([*prefix, *closing, wire.finish("other")])
            check_stream([*without_withdrawn(prefix), *closing, wire.finish("other")])
            assert text_of(replay(prefix)) == text_of(prefix)


def _random_stream(draw: random.Random) -> list[wire.Part]:
    parts, step = [wire.start("m")], 0
    for step in range(draw.randint(1, 3)):
        parts.append(wire.start_step())
        if draw.random() < 0.4:
            parts += [*text(f"w{step}", "with", "drawn")[: draw.randint(1, 4)], wire.reset_step()]
        parts += text(f"t{step}", "some ", f"text {step} ")
        for call in range(draw.randint(0, 2)):
            name = f"c{step}{call}"
            parts += [wire.tool_input_start(name, "echo"), wire.tool_input_delta(name, "{}")]
            parts += [wire.tool_input_available(name, "echo", {}), wire.tool_output(name, {"a": 1})]
        parts.append(wire.finish_step())
    return parts
