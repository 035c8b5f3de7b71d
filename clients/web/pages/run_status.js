// How runs and their nodes stand, in words and moods. Pure.

const WORDS = {
  queued: ['Queued', 'rests'],
  running: ['Running', 'busy'],
  waiting: ['Waiting', 'busy'],
  review: ['Asks you', 'asks'],
  completed: ['Completed', 'good'],
  failed: ['Failed', 'bad'],
  terminated: ['Stopped', 'bad'],
};

export function wordOf(status) {
  return WORDS[status]?.[0] ?? status;
}

export function moodOf(status) {
  return WORDS[status]?.[1] ?? 'rests';
}

const ORIGINS = { chat: 'from a chat', api: 'over the API', schedule: 'by a schedule', agent: 'by another agent' };

/** Who began a run. */
export function originOf({ origin }) {
  return ORIGINS[origin] ?? origin;
}

/** Whether something can still change. */
export function isOpen({ status }) {
  return !['completed', 'failed', 'terminated'].includes(status);
}
