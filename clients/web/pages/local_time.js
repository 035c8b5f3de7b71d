// Times on the clocks of another zone. Pure.

/** `2025-07-18T09:30:00+02:00` as its own clocks show it, with the offset. */
export function onItsClocks(iso, locales = []) {
  const [, wall, offset] = iso?.match(/^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:\d\d)$/) ?? [];
  if (!wall) return '';
  const words = new Date(`${wall}Z`).toLocaleString(locales, { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
  return `${words} (UTC${/^(Z|[+-]00:00)$/.test(offset) ? '' : offset})`;
}
