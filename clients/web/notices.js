// What the user is told of a `notify` frame in words. Pure.

import { whyItRests } from './schedule_reasons.js';

/** Empty: the lists and pages that are read again say it. */
export function noticeOf(frame) {
  if (frame.kind !== 'schedule-paused') return '';
  return `The schedule “${frame.name}” fires no more: ${whyItRests(frame.reason, frame.error)}`;
}
