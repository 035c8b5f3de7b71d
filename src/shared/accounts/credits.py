"""Credits: prepaid, granted by the deployer, charged for what tools with a price bring back (1 credit = $0.01).

| record  | pk                | sk               | notes                                             |
|---------|-------------------|------------------|---------------------------------------------------|
| balance | `CREDITS#{user}`  | `BALANCE`        | never negative                                    |
| grant   | `CREDITS#{user}`  | `GRANT#{id}`     | one for each grant                                |
| charge  | `CREDITS#{user}`  | `CHARGE#{call}`  | one for each call; `leaked`: it could not be paid |

An entry and the balance change in one transaction, and an entry is made once: that is the whole idempotency.
"""

from typing import Literal

from shared.aws.database import Database, TransactionFailed
from shared.aws.writes import Item, Key, Put, Update
from shared.kernel.clock import Clock, to_millis
from shared.kernel.telemetry import log_event, log_problem

RECORD_VERSION = 1

Charged = Literal["charged", "repeated", "leaked"]
"""What became of a charge. `leaked`: the balance was drained meanwhile, and the output is given all the same."""


class Credits:
    """Users' balances and what changed them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def balance(self, user_id: str) -> int:
        """How many credits the user has."""
        found = self._database.get(_balance_key(user_id))
        return int(found["credits"]) if found else 0

    def grant(self, user_id: str, credits: int, grant_id: str) -> bool:
        """Add credits, once for each `grant_id`; False if that grant was made before."""
        if credits <= 0:
            raise ValueError("a grant is of one credit at least")
        added = Update(
            _balance_key(user_id), "SET #v = :v ADD #credits :credits", values={"v": RECORD_VERSION, "credits": credits}
        )
        try:
            self._database.transact([self._entry(user_id, f"GRANT#{grant_id}", credits), added])
        except TransactionFailed:
            return False
        log_event("credits.granted", user_id=user_id, credits=credits)
        return True

    def charge(self, user_id: str, call: str, price: int, tool: str) -> Charged:
        """Take the price of a call, once for each `call`.

        Raises:
            Retryable: it may or may not have been charged; charge it again.
        """
        taken = Update(
            _balance_key(user_id),
            "ADD #credits :less",
            condition="#credits >= :price",
            values={"less": -price, "price": price},
        )
        try:
            self._database.transact([self._entry(user_id, f"CHARGE#{call}", price, tool=tool), taken])
        except TransactionFailed as failure:
            return "repeated" if 0 in failure.failed else self._leak(user_id, call, price, tool)
        log_event("credits.charged", user_id=user_id, credits=price, tool=tool)
        return "charged"

    def _leak(self, user_id: str, call: str, price: int, tool: str) -> Charged:
        """Note down, once, that the call is not paid, so that no repetition charges it later."""
        try:
            self._database.transact([self._entry(user_id, f"CHARGE#{call}", price, tool=tool, leaked=True)])
        except TransactionFailed:
            return "repeated"
        log_problem("credits.leaked", user_id=user_id, credits=price, tool=tool)
        return "leaked"

    def _entry(self, user_id: str, sort_key: str, credits: int, **more: str | bool) -> Put:
        item: Item = {
            "pk": f"CREDITS#{user_id}",
            "sk": sort_key,
            "v": RECORD_VERSION,
            "credits": credits,
            "created_at": to_millis(self._clock.now()),
            **more,
        }
        return Put(item, condition="attribute_not_exists(#pk)")


def _balance_key(user_id: str) -> Key:
    return {"pk": f"CREDITS#{user_id}", "sk": "BALANCE"}
