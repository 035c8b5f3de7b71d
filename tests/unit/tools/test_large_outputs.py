"""Tool outputs that no row could hold: kept in the bucket, with a preview in the transcript and the stream."""

import json
from dataclasses import replace

import pytest

from shared.tools.workspace.outputs import MAX_KEPT_BYTES, ToolOutputs
from tests.support.model import calls, says
from tests.support.region import Parley
from tests.support.tools import Echo
from tests.support.workspace import BUCKET, Desk, build_desk

LONG = "Zeile für Zeile\n" * 5_000


@pytest.fixture
def desk(parley: Parley) -> Desk:
    """The file tools of the same deployment."""
    return build_desk(parley.database, parley.clock, parley.watch)


class Large(Echo):
    """Answers with far more than it is asked."""

    def run(self, context, arguments):  # type: ignore[no-untyped-def]
        answer = super().run(context, arguments)
        return answer.model_copy(update={"text": LONG})


def run_large(parley: Parley, desk: Desk) -> dict[str, object]:
    """A turn whose tool answers at length; what the stream shows of it."""
    parley.engine = replace(parley.engine, spill=desk.outputs)
    parley.with_tools(Large())
    session = parley.new_session()
    parley.scripted(calls(("call_9", "echo", '{"text": "all"}')), says("Done"))
    accepted = parley.send(session)
    parley.drain_queue()
    assert parley.task(accepted.task.id).status == "completed"
    output = next(p["output"] for p in parley.parts(accepted.task.id) if p["type"] == "tool-output-available")
    row = next(row for row in parley.transcript(session) if row.role == "tool")
    assert json.loads(row.content) == output
    assert isinstance(output, dict)
    return {**output, "session": session.id}


def test_a_large_output_is_kept_and_can_be_read(parley: Parley, desk: Desk) -> None:
    """Transcript and stream have a preview and a reference, with which the file tools give the whole in ranges."""
    output = run_large(parley, desk)

    assert output["type"] == "output_too_large"
    assert output["reference"] == "workspace://tool-outputs/call_9.json"
    assert len(str(output["preview"])) == 15_000
    context = desk.call(session=str(output["session"]))
    pieces: list[str] = []
    offset: int | None = 0
    while offset is not None:
        read = desk.read(str(output["reference"]), context, offset=offset)
        pieces.append(read.content or "")
        offset = read.next_offset
    assert json.loads("".join(pieces))["text"] == LONG
    assert desk.read(str(output["reference"]), context).preview == str(output["preview"])[:500]


def test_a_bucket_that_fails_costs_only_the_rest(parley: Parley, desk: Desk) -> None:
    """The turn goes on with the preview, which says that there is no more."""
    desk.s3.delete_bucket(Bucket=BUCKET)

    output = run_large(parley, desk)

    assert output["reference"] is None
    assert "not kept" in str(output["message"])
    assert str(output["preview"]).startswith('{"type":"echo"')


def test_another_turn_does_not_replace_an_output(desk: Desk) -> None:
    """A call that is repeated keeps its place; the same id in another turn gets another."""
    first, other = desk.call(call_id="call_0", task="T1"), desk.call(call_id="call_0", task="T2")

    references = [desk.outputs.keep(call, body) for call, body in ((first, b"1"), (other, b"2"), (first, b"1"))]

    assert references[0] == references[2] != references[1]
    assert [desk.read(str(reference)).content for reference in references] == ["1", "2", "1"]


def test_an_output_is_its_sessions(desk: Desk) -> None:
    """Another session can't read it, and an odd call id can't leave the place."""
    reference = desk.outputs.keep(desk.call(call_id="../../../x"), b"{}")

    assert reference is not None
    assert desk.read(reference).content == "{}"
    assert desk.outputs.find("ada", "S2", reference.removeprefix("workspace://")) is None
    assert all(key.startswith("users/ada/sessions/S1/tool-outputs/") for key in desk.object_keys())


def test_there_is_an_end_to_what_is_kept(desk: Desk) -> None:
    """Over 10 MB only the preview stays."""
    assert ToolOutputs(desk.objects).keep(desk.call(), b"x" * (MAX_KEPT_BYTES + 1)) is None
    assert desk.object_keys() == []


def test_kept_outputs_are_tagged_for_the_lifecycle_rule(desk: Desk) -> None:
    """They expire after some days; files don't."""
    desk.outputs.keep(desk.call(call_id="c"), b"{}")

    tags = desk.s3.get_object_tagging(Bucket=BUCKET, Key=desk.object_keys()[0])["TagSet"]

    assert tags == [{"Key": "kind", "Value": "tool-output"}]
