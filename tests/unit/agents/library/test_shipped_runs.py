"""The agents that come with Parley really run: added from the marketplace, worked on by the run worker."""

from dataclasses import dataclass, replace

import pytest

from shared.agents.blocks.contract import BlockServices
from shared.agents.reviews.gate import InputReviews
from shared.agents.reviews.reviews import Reviews, Verdict
from shared.agents.running import RunView
from shared.aws.objects import S3Objects
from shared.tools.workspace.store import Workspace
from tests.support.aws import aws_client
from tests.support.credentials import SIGNING, Safe, open_safe
from tests.support.model import says
from tests.support.region import Parley
from tests.support.runs import Agents
from tests.unit.tools.loopback import Web, html, page

URL = "https://news.example.com/rivers?day=1"


@dataclass
class Shipped(Agents):
    """Runs with a bucket, a small web, somebody who reviews, and an account for one webhook."""

    safe: Safe | None = None

    @property
    def services(self) -> BlockServices:
        reviews, vault = Reviews(self.parley.database, self.parley.clock), self.safe.vault if self.safe else None
        return replace(super().services, reviews=reviews, credentials=vault)

    def run_shipped(self, slug: str, **inputs: object) -> RunView:
        """Add it, and run it as far as it goes."""
        run_id = self.start(self.library.add_published("ada", f"parley/{slug}"), inputs)
        self.until_quiet()
        return self.look(run_id)


@pytest.fixture
def agents(parley: Parley, web: Web) -> Shipped:
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="workspace", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    files = Workspace(parley.database, S3Objects(lambda: s3, "workspace"), parley.clock, 1_000_000)
    gate = InputReviews(Reviews(parley.database, parley.clock), parley.clock)
    return Shipped(parley, files, web.network(), gate, safe=open_safe(parley.database, parley.clock))


def test_two_texts_are_compared(agents: Shipped, parley: Parley) -> None:
    parley.scripted(says("They differ in a name."))
    run = agents.run_shipped("compare-two-texts", first_text="I am Ada.", second_text="I am Bob.")
    assert (run.status, run.outputs) == ("completed", {"comparison": ["They differ in a name."]})
    asked = str(parley.model.requests[0])
    assert "I am Ada." in asked
    assert "I am Bob." in asked
    assert "Look at: meaning" in asked


def test_a_page_is_summarised(agents: Shipped, parley: Parley, web: Web) -> None:
    """One that the server refuses is said to be so."""
    web.server.answers(html("<h1>Rivers</h1><script>bad()</script>"), page(b"gone", status="404 Not Found"))
    parley.scripted(says("It is about rivers."))
    run = agents.run_shipped("summarise-a-page", url=URL)
    assert run.outputs == {"summary": ["It is about rivers."], "source": [URL]}
    assert "# Rivers" in str(parley.model.requests[0])
    assert "bad()" not in str(parley.model.requests[0])
    refused = agents.run_shipped("summarise-a-page", url=URL)
    assert (refused.status, refused.outputs) == ("completed", {"failed_with_status": [404], "source": [URL]})


def test_a_page_is_watched_from_run_to_run(agents: Shipped, parley: Parley, web: Web) -> None:
    """The first look is kept; then it says whether, and what, has changed; the change is told once."""
    before, after = html("<p>One boat</p>"), html("<p>Two boats</p>")
    web.server.answers(before, before, after, after)
    parley.scripted(says("There is a second boat."))
    outputs = [agents.run_shipped("watch-a-page", url=URL).outputs for _ in range(4)]
    assert list(outputs[0]) == ["first_look"]
    assert outputs[1:] == [
        {"unchanged": ["The page is as it was."]},
        {"changes": ["There is a second boat."]},
        {"unchanged": ["The page is as it was."]},
    ]
    assert "One boat" in str(parley.model.requests[0])
    assert "Two boats" in str(parley.model.requests[0])


def test_a_change_that_could_not_be_told_is_told_the_next_time(agents: Shipped, parley: Parley, web: Web) -> None:
    """What was seen last is replaced after the model has answered."""
    web.server.answers(html("<p>One boat</p>"), html("<p>Two boats</p>"), html("<p>Two boats</p>"))
    agents.run_shipped("watch-a-page", url=URL)
    parley.scripted()
    assert agents.run_shipped("watch-a-page", url=URL).status == "failed"
    parley.scripted(says("There is a second boat."))
    assert agents.run_shipped("watch-a-page", url=URL).outputs == {"changes": ["There is a second boat."]}


def test_a_question_is_researched_in_a_sub_session(agents: Shipped, parley: Parley) -> None:
    parley.scripted(says("The Rhine (https://example.com)."), says("Rivers"))
    run = agents.run_shipped("research-a-question", question="Which river?")
    assert run.status == "completed"
    assert run.outputs["answer"] == ["The Rhine (https://example.com)."]
    assert "Which river?" in str(parley.model.requests[0])


def test_a_message_is_posted_as_it_was_approved(agents: Shipped, parley: Parley, web: Web) -> None:
    """The user is asked once, sees where it goes too, and may change it; nothing is sent earlier."""
    assert agents.safe is not None
    agents.safe.connect(SIGNING)
    web.server.answers(page(b"ok", "Content-Type: text/plain"))
    reviews = Reviews(parley.database, parley.clock)
    run = agents.run_shipped("review-then-post", message="Helo", url="https://hooks.example.com/x")
    assert (run.status, len(run.reviews), web.server.requests) == ("review", 1, [])
    asked = reviews.get("ada", run.reviews[0]).value
    assert asked == {"payload": "Helo", "url": "https://hooks.example.com/x"}
    reviews.decide("ada", run.reviews[0], Verdict("approved", {**asked, "payload": "Hello"}, edited=True))
    agents.until_quiet()
    ended = agents.look(run.id)
    assert (ended.status, ended.outputs) == ("completed", {"status": [200], "posted": ["Hello"]})
    assert b'"Hello"' in web.server.requests[0]


def test_a_message_that_was_rejected_is_not_posted(agents: Shipped, parley: Parley, web: Web) -> None:
    """And the run says why, with what the user wrote."""
    assert agents.safe is not None
    agents.safe.connect(SIGNING)
    run = agents.run_shipped("review-then-post", message="Helo", url="https://hooks.example.com/x")
    Reviews(parley.database, parley.clock).decide("ada", run.reviews[0], Verdict("rejected", message="Too loud."))
    agents.until_quiet()
    ended = agents.look(run.id)
    assert ended.status == "completed"
    assert list(ended.outputs) == ["not_posted"]
    assert "Too loud." in ended.outputs["not_posted"][0]
    assert web.server.requests == []
