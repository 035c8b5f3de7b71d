"""What users have told about themselves."""

import pytest

from shared.accounts.profile import MAX_FACTS, News, Profile, Profiles
from shared.kernel.errors import Invalid, Retryable
from tests.support.region import Parley


@pytest.fixture
def profiles(parley: Parley) -> Profiles:
    return Profiles(parley.database, parley.clock)


def test_before_anything_is_said_a_profile_is_empty(profiles: Profiles) -> None:
    """It is no error to have none."""
    assert profiles.load("ada").empty


def test_a_profile_is_replaced_as_a_whole(profiles: Profiles) -> None:
    """What is saved is what is read, for its user alone."""
    profiles.save("ada", Profile("Ada", "Europe/London", "Be brief.", {"job": "analyst"}))
    profiles.save("ada", Profile("Countess", understanding={"town": "London"}))
    saved = profiles.load("ada")
    assert (saved.name, saved.timezone, saved.instructions) == ("Countess", None, "")
    assert saved.understanding == {"town": "London"}
    assert profiles.load("grace").empty


def test_news_are_merged_and_what_changed_is_named(profiles: Profiles) -> None:
    """Fields that are not mentioned stay; an empty fact takes that fact out; saying it twice changes nothing."""
    profiles.merge("ada", News(name="Ada", facts={"job": "analyst", "town": "London"}), "t/1")
    profile, changed = profiles.merge("ada", News(timezone="Europe/London", facts={"job": "", "pet": "cat"}), "t/2")
    assert changed == ["timezone", "understanding.job", "understanding.pet"]
    assert (profile.name, profile.understanding) == ("Ada", {"town": "London", "pet": "cat"})
    assert profiles.merge("ada", News(name="Ada", facts={"pet": "cat", "job": ""}), "t/3")[1] == []


def test_a_call_that_is_repeated_after_a_kill_gets_its_answer_again(profiles: Profiles) -> None:
    """It says what it changed, and changes nothing twice."""
    news = News(name="Ada")
    first = profiles.merge("ada", news, "t/1")
    assert profiles.merge("ada", news, "t/1") == first


def test_two_who_add_at_once_are_both_heard(parley: Parley, profiles: Profiles) -> None:
    """The slower one reads again, and merges into what the quicker one left."""

    def meanwhile(name: str, number: int) -> None:
        if name == "UpdateItem":
            parley.watch.on_call = None
            profiles.merge("ada", News(facts={"town": "London"}), "t/2")

    parley.watch.on_call = meanwhile
    profiles.merge("ada", News(facts={"job": "analyst"}), "t/1")
    assert profiles.load("ada").understanding == {"job": "analyst", "town": "London"}


def test_who_is_always_too_late_gives_up(parley: Parley, profiles: Profiles) -> None:
    """With an error that says to try again."""
    busy = False

    def meanwhile(name: str, number: int) -> None:
        nonlocal busy
        if name == "UpdateItem" and not busy:
            busy = True
            profiles.save("ada", Profile(name=f"Ada {number}"))
            busy = False

    parley.watch.on_call = meanwhile
    with pytest.raises(Retryable):
        profiles.merge("ada", News(facts={"job": "analyst"}), "t/1")


def test_a_profile_does_not_grow_without_end(profiles: Profiles) -> None:
    """Forty facts; one more is refused and nothing is kept of it."""
    profiles.merge("ada", News(facts={f"fact {n}": "x" for n in range(MAX_FACTS)}), "t/1")
    with pytest.raises(Invalid) as caught:
        profiles.merge("ada", News(facts={"one more": "x"}), "t/2")
    assert caught.value.code == "too_many_facts"
    assert len(profiles.load("ada").understanding) == MAX_FACTS
