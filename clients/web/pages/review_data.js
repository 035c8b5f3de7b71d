// What a review is about, as it is shown for changing, and back. Words are shown as they are, all else as JSON. Pure.

/** The payload as text, with the line ends that a field of a form gives back. */
export function shownData(payload) {
  return typeof payload === 'string' ? payload.replace(/\r\n?/g, '\n') : JSON.stringify(payload, null, 2);
}

/** `{}` if nothing was changed, `{data}` for what was made of it, null if that is no JSON. */
export function changedData(payload, typed) {
  if (typed === shownData(payload)) return {};
  if (typeof payload === 'string') return { data: typed };
  try {
    return { data: JSON.parse(typed) };
  } catch {
    return null;
  }
}
