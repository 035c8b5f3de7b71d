"""Where credentials are kept."""

from dataclasses import replace
from datetime import UTC, datetime

from shared.accounts.credentials.records import (
    RECORD_VERSION,
    Credential,
    count_key,
    vault_pk,
)
from shared.aws.database import ConditionFailed, Database, TransactionFailed
from shared.aws.writes import Delete, Put, Update, Write
from shared.kernel.clock import Clock
from shared.kernel.errors import LimitReached, NotFound, Retryable

MOST_CREDENTIALS = 50
"""Of one user."""


class CredentialStore:
    """The records alone; nothing here is opened."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def of(self, user_id: str, provider: str = "") -> list[Credential]:
        """The user's, of one provider or of all, the newest first."""
        if provider:
            condition, values = "#pk = :pk AND begins_with(#sk, :provider)", {"provider": f"{provider}#"}
        else:
            condition, values = "#pk = :pk", {}
        items = self._database.query(condition, {"pk": vault_pk(user_id), **values})
        found = [Credential.from_item(item) for item in items if item["sk"] != "#COUNT"]
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)

    def get(self, user_id: str, credential_id: str) -> Credential:
        """One of the user's.

        Raises:
            NotFound: they have none of this id.
        """
        found = next((one for one in self.of(user_id) if one.id == credential_id), None)
        if found is None:
            raise _no_such()
        return found

    def read_again(self, credential: Credential) -> Credential | None:
        """As it is now; None if it is gone."""
        item = self._database.get(credential.key)
        return Credential.from_item(item) if item else None

    def put(self, credential: Credential, *also: Write) -> None:
        """Keep a new one, in one transaction with what else belongs to it.

        Raises:
            LimitReached: the user has as many as they may.
            TransactionFailed: a condition of `also` did not hold.
        """
        counted = Update(
            count_key(credential.user_id),
            "SET #v = :v ADD #credentials :one",
            condition="attribute_not_exists(#credentials) OR #credentials < :most",
            values={"v": RECORD_VERSION, "one": 1, "most": MOST_CREDENTIALS},
        )
        put = Put(credential.to_item(), condition="attribute_not_exists(#pk)")
        try:
            self._database.transact([counted, put, *also])
        except TransactionFailed as failure:
            if 0 not in failure.failed:
                raise
            raise LimitReached(
                f"{MOST_CREDENTIALS} accounts are connected already; delete one first.",
                code="TOO_MANY_CREDENTIALS",
                details={"limit": MOST_CREDENTIALS},
            ) from None

    def rename(self, credential: Credential, title: str) -> Credential:
        """Give it another title.

        Raises:
            NotFound: it has just been deleted.
        """
        write = Update(credential.key, "SET #title = :title", "attribute_exists(#pk)", {"title": title})
        try:
            return Credential.from_item(self._database.write(write))
        except ConditionFailed:
            raise _no_such() from None

    def delete(self, credential: Credential) -> None:
        """Forget it, with its secret.

        Raises:
            NotFound: it has just been deleted.
        """
        counted = Update(count_key(credential.user_id), "ADD #credentials :less", values={"less": -1})
        gone = Delete(credential.key, condition="attribute_exists(#pk)")
        try:
            self._database.transact([gone, counted])
        except TransactionFailed:
            raise _no_such() from None

    def note_use(self, credential: Credential) -> None:
        """Remember the day on which it was used; a use is no worse if that fails."""
        today = datetime.fromtimestamp(self._clock.now(), UTC).date().isoformat()
        if credential.used_on == today:
            return
        write = Update(credential.key, "SET #used_on = :today", "attribute_exists(#pk)", {"today": today})
        try:
            self._database.write(write)
        except (ConditionFailed, Retryable):
            return

    # -- one at a time refreshes -----------------------------------------------------------------

    def claim_refresh(self, credential: Credential, owner: str, now: int, until: int) -> bool:
        """Be the one who refreshes it, until then; False: somebody else is, or has."""
        write = Update(
            credential.key,
            "SET #refreshing = :claim",
            condition="#revision = :seen AND (attribute_not_exists(#refreshing) OR #refreshing.#until < :now)",
            values={"claim": {"owner": owner, "until": until}, "seen": credential.revision, "now": now},
        )
        try:
            self._database.write(write)
        except ConditionFailed:
            return False
        return True

    def write_back(self, credential: Credential, owner: str) -> Credential:
        """Keep what its refresh has brought, if `owner` still is the one; else what is there now."""
        kept = replace(credential, revision=credential.revision + 1)
        write = Update(
            credential.key,
            "SET #sealed = :sealed, #state = :state, #token_expires_at = :ends, #scopes = :scopes, "
            "#revision = :revision REMOVE #refreshing",
            condition="#refreshing.#owner = :owner",
            values={
                "sealed": kept.sealed.to_item(),
                "state": kept.state,
                "ends": kept.token_expires_at,
                "scopes": list(kept.scopes),
                "revision": kept.revision,
                "owner": owner,
            },
        )
        try:
            return Credential.from_item(self._database.write(write))
        except ConditionFailed:
            return self.read_again(credential) or kept

    def release_refresh(self, credential: Credential, owner: str) -> None:
        """Let others try."""
        write = Update(credential.key, "REMOVE #refreshing", "#refreshing.#owner = :owner", {"owner": owner})
        try:
            self._database.write(write)
        except (ConditionFailed, Retryable):
            return


def _no_such() -> NotFound:
    return NotFound("There is no such credential.", code="CREDENTIAL_NOT_FOUND")
