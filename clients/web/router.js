// What the part of an address behind `#` means. Pure: no DOM, no network.

const WITH_ID = new Set(['chat', 'agent', 'run', 'store', 'connect', 'connected', 'connect_error']);
const ALONE = new Set(['agents', 'reviews', 'schedules', 'accounts']);
const MAX_LINK = 300;
const WRITTEN = String.raw`\/#(?:chat|agent|run|store|connect)=[\w~/%-]+(?:[.:][\w~/%-]+)*`;

/** A link of ours as answers write it, `/#run=…`, wherever it stands in a text; not the end of another address. */
export const OWN_LINK = String.raw`(?<![\w/.:?&=#-])${WRITTEN}`;
const WHOLE = new RegExp(`^${WRITTEN}$`);
const WITHIN = new RegExp(OWN_LINK, 'g');

/** `{page, id}` of a fragment; whatever is not known is a new chat: `{page: 'chat', id: null}`. */
export function routeOf(fragment) {
  for (const [name, value] of new URLSearchParams(fragment.replace(/^#/, ''))) {
    if (WITH_ID.has(name) && value) return { page: name, id: value };
    if (ALONE.has(name)) return { page: name, id: null };
  }
  return { page: 'chat', id: null };
}

/** The address of a page of ours. */
export function hrefOf(page, id = null) {
  return id === null ? `#${page}` : `#${page}=${encodeURIComponent(id).replaceAll('%2F', '/')}`;
}

/** Where a link of ours leads, as `{page, id, href}`; null if it is something else. */
export function ownLink(value) {
  if (typeof value !== 'string' || value.length > MAX_LINK || !WHOLE.test(value)) return null;
  const { page, id } = routeOf(value.slice(1));
  return { page, id, href: hrefOf(page, id) };
}

/** A text cut at the links of ours in it: strings, and objects as `ownLink` gives them with the `text` that was there. */
export function withOwnLinks(text) {
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(WITHIN)) {
    const link = ownLink(match[0]);
    if (!link) continue;
    pieces.push(text.slice(end, match.index), { ...link, text: match[0] });
    end = match.index + match[0].length;
  }
  pieces.push(text.slice(end));
  return pieces.filter((piece) => piece !== '');
}
