"""From where a run is to whether a tool waits on: until it has ended, waits for its user, or the time is over."""

from collections.abc import Mapping
from typing import Any

from shared.agents.running import AgentRuns, RunView
from shared.kernel.clock import Clock, to_millis
from shared.kernel.errors import ToolError
from shared.tasks.wait import Wait, pause_awaited, task_awaited


class FollowingRuns:
    """Follows runs for a tool."""

    def __init__(self, runs: AgentRuns, clock: Clock) -> None:
        self._runs = runs
        self._clock = clock

    def deadline(self, seconds: int) -> int:
        """So many seconds from now, in milliseconds since the epoch."""
        return to_millis(self._clock.now()) + seconds * 1000

    def wait(self, run: RunView, until: int) -> Wait | None:
        """What there is to wait for; None if there is nothing, or no time."""
        if run.ended or run.status == "review" or to_millis(self._clock.now()) >= until:
            return None
        note = {"until": until, "run": run.id}
        return Wait((task_awaited(run.id), pause_awaited(run.id)), until, note=note)

    def woken(self, user_id: str, note: Mapping[str, Any]) -> RunView:
        """The run that was waited for.

        Raises:
            ToolError: it is gone.
        """
        run = self._runs.look(user_id, note["run"])
        if run is None:
            raise ToolError("The run is gone.", code="run_not_found")
        return run
