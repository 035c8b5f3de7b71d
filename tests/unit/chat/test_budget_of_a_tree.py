"""Thirty sub-sessions at once under the budget of their tree, turn by turn, in orders that seeds decide."""

import json
from dataclasses import replace
from functools import partial

import pytest
from moto import mock_aws

from shared.accounts.budgets.meters import tree_meter
from shared.chat.model import ModelRequest
from shared.chat.sub_sessions import SubSessionTurns
from shared.tasks.records import Task
from shared.tools.run_sub_session import RunSubSession
from tests.support.actors import ActorClock
from tests.support.model import Script, calls, prompt_tokens, says
from tests.support.region import build_parley
from tests.support.tools import Echo

LIMIT = 60_000
CHILDREN = 30
LONGEST_ANSWER = 600


class Tree:
    """A turn that starts thirty others, each of which calls the model three times and answers as long as it may."""

    def __init__(self, seed: int) -> None:
        self.clock = ActorClock(seed)
        self.parley = build_parley(self.clock)
        self.parley.watch.on_call = lambda name, _: self._look(name)
        self.parley.engine = replace(self.parley.engine, max_output_tokens=LONGEST_ANSWER)
        self.parley.with_limits(tree_max_tokens=LIMIT)
        self.parley.with_turns(5, 15, tree=CHILDREN)
        self.parley.with_tools(RunSubSession(SubSessionTurns(self.parley.services), self.clock), Echo())
        self.parley.model.choose = self._answer
        self.charged = 0
        """Tokens that the provider has counted."""
        self.tasks: set[str] = set()
        self.most_at_once = 0
        """Calls of the model that were under way together."""
        self.root = ""

    def run(self) -> None:
        """Until every turn has ended."""
        self.root = self.parley.send(self.parley.new_session(), "Go").task.id
        self.clock.spawn("queue", self._consume)
        self.clock.run()

    def ended(self) -> list[Task]:
        """The thirty-one, as they are stored."""
        with self.parley.watch.paused():
            return [self.parley.task(task_id) for task_id in sorted(self.tasks)]

    def claimed(self) -> int:
        """What is spent and reserved of the tree's budget."""
        with self.parley.watch.paused():
            meter = tree_meter(self.root)
            return meter.claimed(self.parley.database.get(meter.key)).tokens

    def _look(self, name: str) -> None:
        if name == "TransactWriteItems":
            self.clock.step_aside()

    def _answer(self, request: ModelRequest) -> Script:
        assert self.claimed() <= LIMIT
        self.most_at_once = max(self.most_at_once, 1 + sum(not call.closed for call in self.parley.model.calls[:-1]))
        tokens = (prompt_tokens(request), request.max_output_tokens or 0)
        self.charged += sum(tokens)
        done = sum(message["role"] == "tool" for message in request.messages)
        if any(message["content"] == "Go" for message in request.messages):
            many = [(f"c{n}", "run_sub_session", _assignment(n)) for n in range(CHILDREN)]
            return says("done", tokens=tokens) if done else calls(*many, tokens=tokens)
        if done < 2:
            return [3.0, *calls((f"e{done}", "echo", '{"text":"x"}'), tokens=tokens)]
        return [3.0, *says("Counted", tokens=tokens)]

    def _consume(self) -> None:
        while True:
            with self.parley.watch.paused():
                waiting = self.parley.messages_waiting()
            for task_id in waiting:
                self.tasks.add(task_id)
                self.clock.spawn(f"worker {task_id}", partial(self.parley.work, task_id))
            self.clock.sleep(0.1)
            if not waiting and self.clock.others == 0:
                return


def _assignment(number: int) -> str:
    return json.dumps({"prompt": f"Count {number}", "wait_for_result": 0})


@pytest.mark.parametrize("seed", range(2))
def test_thirty_sub_sessions_never_spend_more_than_their_tree_may(seed: int) -> None:
    """Some get done, the others end with the budget's name; nothing stays reserved, and each token is counted once."""
    with mock_aws():
        tree = Tree(seed)
        tree.run()
        ended = tree.ended()
        assert len(ended) == CHILDREN + 1
        assert {(task.error or {}).get("code", task.status.value) for task in ended} == {"completed", "tree_budget"}
        assert LIMIT * 0.9 < tree.charged <= LIMIT
        assert tree.most_at_once > 10
        meter = tree_meter(tree.root)
        item = tree.parley.database.get(meter.key)
        assert meter.spent(item).tokens == tree.charged == sum(task.spend.tokens for task in ended)
        assert meter.reserved(item).tokens == 0
