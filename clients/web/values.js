// Values that came from elsewhere, shown as text: JSON, with links of ours as links.

import { make } from './dom.js';
import { ownLink, withOwnLinks } from './router.js';

const MAX_SHOWN = 20_000; // characters of one value; more would only make the page slow
const MAX_LINKS = 8;
const MAX_LOOKED_AT = 2_000; // values in one output
const NAMES = ['name', 'agent_name', 'graph_name', 'title'];

/** An object as a list of its fields, everything else as text. */
export function showValue(element, value) {
  const key = JSON.stringify(value) ?? '';
  if (element.shownValue === key) return;
  element.shownValue = key;
  const isRecord = value !== null && typeof value === 'object' && !Array.isArray(value);
  const fields = isRecord ? Object.entries(value).filter(([, field]) => field !== '' && field !== null) : [];
  if (!isRecord) element.replaceChildren(...(value == null || value === '' ? [] : [make('pre', {}, ...printed(value))]));
  else if (fields.length === 0) element.replaceChildren();
  else element.replaceChildren(make('dl', {}, ...fields.flatMap(([name, field]) => [make('dt', {}, name), make('dd', {}, ...printed(field))])));
}

function printed(value) {
  const words = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  const shown = words.length <= MAX_SHOWN ? words : `${words.slice(0, MAX_SHOWN)}… (${words.length - MAX_SHOWN} more characters)`;
  return withOwnLinks(shown).map((piece) => (typeof piece === 'string' ? piece : make('a', { href: piece.href }, piece.text)));
}

/** The links of ours in a value, each once, with the name of what they stand beside: `[{page, id, href, name}]`. */
export function linksIn(value) {
  const found = new Map();
  const open = [[value, '']];
  for (let looked = 0; open.length > 0 && looked < MAX_LOOKED_AT && found.size < MAX_LINKS; looked += 1) {
    const [one, name] = open.shift();
    const link = ownLink(one);
    if (link && !found.has(link.href)) found.set(link.href, { ...link, name });
    if (one === null || typeof one !== 'object') continue;
    const named = NAMES.map((field) => one[field]).find((words) => typeof words === 'string' && words) ?? '';
    for (const inner of Object.values(one)) open.push([inner, named || (Array.isArray(one) ? name : '')]);
  }
  return [...found.values()];
}
