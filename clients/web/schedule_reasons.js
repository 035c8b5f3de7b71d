// Why a schedule rests, and why a fire has started nothing, in words. Pure; the codes are those of docs/schedules.md.

const FIRES = {
  still_running: 'what it had started before still ran',
  tick_was_late: 'nothing looked at it in time',
  device_was_away: 'its device was away',
  agent_deleted: 'its agent was deleted',
  agent_invalid: 'its agent was changed, and can’t run with these inputs',
  session_deleted: 'its chat was deleted',
  invalid_times: 'its times make no sense any more',
  turn_running: 'another turn ran in its chat',
  approval_open: 'its chat waited for an answer',
  too_many_runs: 'too many runs were at work',
  too_many_turns: 'too many turns were at work',
  rate_limited: 'too many messages were sent at once',
  daily_budget: 'the budget of the day was used up',
  weekly_budget: 'the budget of the week was used up',
};

const RESTS = {
  user: '',
  ended: 'its end has come',
  still_running: 'at its only time, what it had started before still ran',
  tick_was_late: 'its only time was missed',
  device_was_away: 'its only time was missed, because its device was away',
};

/** Why it fires no more; empty: its user has paused it. `error` tells more than a code, where there is one. */
export function whyItRests(reason, error) {
  return RESTS[reason] ?? (error || whyNothingStarted(reason));
}

/** Why a fire has started nothing; empty: it has. */
export function whyNothingStarted(reason) {
  return FIRES[reason] ?? reason ?? '';
}
