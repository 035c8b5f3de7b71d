"""When buffered parts are stored."""

import pytest

from shared.stream import parts as wire
from shared.stream.buffer import FLUSH_BYTES, PartBuffer
from shared.stream.replay import MAX_DELTA_CHARACTERS
from tests.support.time import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_first_visible_part_of_a_step_is_due_at_once(clock: FakeClock) -> None:
    """A reader waits for it; what follows may be collected."""
    buffer = PartBuffer(clock)
    buffer.new_step()
    buffer.add(wire.block("text", "start", "a"))
    assert buffer.due_at(watched=True) == clock.now() + 0.2
    buffer.add(wire.delta("text", "a", "x"))
    assert buffer.due_at(watched=False) == clock.now()
    buffer.take()
    buffer.add(wire.delta("text", "a", "y"))
    assert buffer.due_at(watched=True) == clock.now() + 0.2
    assert buffer.due_at(watched=False) == clock.now() + 1.0
    buffer.take()
    buffer.new_step()
    buffer.add(wire.delta("reasoning", "b", "z"))
    assert buffer.due_at(watched=True) == clock.now()


def test_the_time_counts_from_the_first_part(clock: FakeClock) -> None:
    """A steady trickle does not put it off."""
    buffer = PartBuffer(clock)
    buffer.add(wire.tool_input_delta("c", "1"))
    began = clock.now()
    clock.advance(0.15)
    buffer.add(wire.tool_input_delta("c", "2"))
    assert buffer.due_at(watched=True) == began + 0.2


def test_sixteen_kilobytes_are_due_at_once(clock: FakeClock) -> None:
    """Whatever they consist of."""
    buffer = PartBuffer(clock)
    buffer.add(wire.tool_input_delta("c", "x" * (FLUSH_BYTES - 1)))
    assert buffer.due_at(watched=True) != clock.now()
    assert not buffer.full
    buffer.add(wire.tool_input_delta("c", "x"))
    assert buffer.due_at(watched=True) == clock.now()
    assert buffer.full


def test_neighbouring_deltas_of_one_block_are_joined(clock: FakeClock) -> None:
    """Others are not, and none grows beyond what a frame holds."""
    buffer = PartBuffer(clock)
    for part in (
        wire.delta("text", "a", "1"), wire.delta("text", "a", "2"), wire.delta("text", "b", "3"),
        wire.delta("reasoning", "b", "4"), wire.finish_step(), wire.delta("text", "b", "5"),
        wire.delta("text", "b", "x" * MAX_DELTA_CHARACTERS),
    ):  # fmt: skip
        buffer.add(part)
    assert [part.get("delta", "")[:3] for part in buffer.take()] == ["12", "3", "4", "", "5", "xxx"]
    assert buffer.due_at(watched=True) is None
    assert buffer.take() == []
