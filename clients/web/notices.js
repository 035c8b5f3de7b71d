// What the user is told of a `notify` frame in words. Pure.

const RESTS = {
  ended: 'its end has come',
  tick_was_late: 'its only time was missed',
  device_was_away: 'its only time was missed, because its device was away',
};

/** Empty: the lists and pages that are read again say it. */
export function noticeOf(frame) {
  if (frame.kind !== 'schedule-paused') return '';
  return `The schedule “${frame.name}” fires no more: ${RESTS[frame.reason] ?? (frame.error || frame.reason)}`;
}
