"""What must hold of a turn's money when it is over."""

from shared.accounts.budgets.amounts import Amount
from shared.accounts.budgets.meters import day_of, tree_meter, user_meters
from shared.tasks.records import Task
from tests.support.region import Parley


def check_settled(parley: Parley, task: Task) -> None:
    """Nothing is reserved anywhere, and every counter has what the turn says that it has spent."""
    day, week = user_meters(task.user_id, day_of(parley.clock.now()))
    tree = tree_meter(task.tree)
    spent = Amount.of(task.spend)
    for meter in (day, week, tree):
        item = parley.database.get(meter.key)
        assert meter.reserved(item) == Amount(), meter
        assert meter.spent(item) == spent, meter
    assert Amount(task.claimed_tokens, task.claimed_micros) == spent
    left = parley.database.query("#pk = :pk AND begins_with(#sk, :sk)", {"pk": f"TASK#{task.id}", "sk": "RESERVED#"})
    assert list(left) == []
