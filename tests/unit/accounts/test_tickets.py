"""Tickets that open a WebSocket."""

from shared.accounts.tickets import TICKET_SECONDS, redeem_ticket
from tests.support.region import Parley


def test_a_ticket_admits_its_user_once(parley: Parley) -> None:
    """The second use of a ticket is refused."""
    ticket = parley.ticket("ada")
    assert redeem_ticket(parley.database, parley.clock, ticket) == "ada"
    assert redeem_ticket(parley.database, parley.clock, ticket) is None


def test_a_ticket_is_good_for_thirty_seconds(parley: Parley) -> None:
    """After that it admits nobody, though its row may still be there."""
    ticket = parley.ticket("ada")
    parley.clock.advance(TICKET_SECONDS + 1)
    assert redeem_ticket(parley.database, parley.clock, ticket) is None


def test_what_was_never_issued_admits_nobody(parley: Parley) -> None:
    """Guesses, nothing at all, and too much are refused alike."""
    for guess in ("", "guess", "x" * 5_000):
        assert redeem_ticket(parley.database, parley.clock, guess) is None


def test_the_ticket_itself_is_not_stored(parley: Parley) -> None:
    """Who reads the table can't connect with what it finds."""
    ticket = parley.ticket("ada")
    items = parley.database._client.scan(TableName="state")["Items"]
    assert ticket not in str(items)
