"""Credits: granted once, charged once, never below zero."""

import threading

import pytest
from moto import mock_aws

from shared.accounts.credits import Credits
from shared.kernel.errors import Retryable
from tests.support.logs import logged
from tests.support.region import Parley, build_parley


def ledger(parley: Parley) -> Credits:
    return Credits(parley.database, parley.clock)


def test_a_grant_is_added_once(parley: Parley) -> None:
    """Whoever repeats it (a payment's webhook) adds nothing."""
    credits = ledger(parley)
    assert credits.balance("ada") == 0
    assert credits.grant("ada", 100, "invoice-1")
    assert not credits.grant("ada", 100, "invoice-1")
    assert credits.grant("ada", 20, "invoice-2")
    assert credits.balance("ada") == 120
    with pytest.raises(ValueError, match="at least"):
        credits.grant("ada", 0, "invoice-3")


def test_a_call_is_charged_once(parley: Parley) -> None:
    """However often it is repeated."""
    credits = ledger(parley)
    credits.grant("ada", 10, "g")
    assert [credits.charge("ada", "t1#c1", 4, "paint") for _ in range(3)] == ["charged", "repeated", "repeated"]
    assert credits.charge("ada", "t1#c2", 4, "paint") == "charged"
    assert credits.balance("ada") == 2


def test_a_drained_balance_is_a_leak_that_is_told_once(parley: Parley) -> None:
    """The output is given; the balance stays, and a later grant doesn't pay for it."""
    credits = ledger(parley)
    credits.grant("ada", 3, "g")
    with logged() as log:
        assert [credits.charge("ada", "t1#c1", 4, "paint") for _ in range(2)] == ["leaked", "repeated"]
    entry = log.one("credits.leaked")
    assert (entry["credits"], entry["tool"], entry["user_id"]) == (4, "paint", "ada")
    credits.grant("ada", 10, "g2")
    assert credits.charge("ada", "t1#c1", 4, "paint") == "repeated"
    assert credits.balance("ada") == 13


def test_a_charge_whose_answer_was_lost_counts_once(parley: Parley) -> None:
    """It may have taken effect: the repetition finds out."""
    credits = ledger(parley)
    credits.grant("ada", 10, "g")
    for fault in ("error_after", "error_before"):
        parley.watch.reset(0, fault)
        with pytest.raises(Retryable):
            credits.charge("ada", f"t1#{fault}", 4, "paint")
        credits.charge("ada", f"t1#{fault}", 4, "paint")
    assert credits.balance("ada") == 2


def test_many_calls_at_once_never_draw_a_balance_below_zero() -> None:
    """Ten fit, the others leak."""
    with mock_aws():
        parley = build_parley()
        credits = ledger(parley)
        credits.grant("ada", 10, "g")
        outcomes: list[str] = []

        def charge(number: int) -> None:
            outcomes.append(credits.charge("ada", f"t1#c{number}", 1, "paint"))

        threads = [threading.Thread(target=charge, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (outcomes.count("charged"), outcomes.count("leaked")) == (10, 10)
        assert credits.balance("ada") == 0
