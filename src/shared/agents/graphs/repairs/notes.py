"""What has been repaired, in words."""

MOST_NOTES = 200
_MOST_CHARACTERS = 300


class Notes:
    """One sentence for each repair, in order."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._more = 0

    def add(self, sentence: str) -> None:
        """Say it, once."""
        sentence = sentence if len(sentence) <= _MOST_CHARACTERS else f"{sentence[: _MOST_CHARACTERS - 1]}…"
        if sentence in self._said:
            return
        if len(self._said) < MOST_NOTES:
            self._said.append(sentence)
        else:
            self._more += 1

    def all(self) -> list[str]:
        """The first two hundred, and how many more there are."""
        return [*self._said, f"{self._more} more repairs of these kinds."] if self._more else list(self._said)
