// The agents of one's library, and those of the marketplace.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { button, labelled, section, time } from './elements.js';
import { Listing } from './listing.js';

const TYPING_PAUSE_MS = 250;

export function agentsPage({ api, title, announce }) {
  title('Agents');
  const search = make('input', { type: 'search', autocomplete: 'off', maxLength: 200 });
  const query = () => search.value.trim();
  const own = new Listing({
    label: 'Your agents',
    empty: 'None found. Say in a chat what an agent shall do, or add one of the marketplace.',
    read: async (cursor) => {
      const { agents, next_cursor: next } = await api.agents(query(), cursor);
      return { items: agents, next };
    },
    key: (agent) => agent.id,
    row: (agent) => row(hrefOf('agent', agent.id)),
  });
  const store = new Listing({
    label: 'The marketplace',
    empty: 'Nothing found.',
    read: async (cursor) => {
      const { agents, next_cursor: next } = await api.published(query(), cursor);
      return { items: agents, next };
    },
    key: (agent) => agent.slug,
    row: (agent) => row(hrefOf('store', agent.slug), () => addToLibrary(api, announce, agent)),
  });
  let typing = null;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => Promise.all([own.restart(), store.restart()]), TYPING_PAUSE_MS);
  });
  return {
    element: make(
      'div.page-body',
      {},
      labelled('Search', search),
      section('Your agents', own.element),
      section('Marketplace', store.element),
    ),
    refresh: () => Promise.all([own.refresh(), store.refresh()]),
    dispose: () => clearTimeout(typing),
  };
}

/** Add a published agent, and go to the one that is in the library now. */
export async function addToLibrary(api, announce, { slug, name }) {
  const { id } = await api.addPublished(slug);
  announce(`${name} is in your library.`);
  location.hash = hrefOf('agent', id);
}

function row(href, add = null) {
  const anchor = make('a.row-title', { href });
  const about = make('p.row-about');
  const facts = make('p.note');
  const adding = add && button('Add to library', add);
  return {
    element: make('li.row', {}, make('div.row-main', {}, anchor, about, facts), adding),
    update({ name, description, slug, updated_at: updated }) {
      setText(anchor, name);
      setText(about, description);
      facts.replaceChildren(slug ? `${slug} · ` : '', time(updated));
      if (adding) adding.ariaLabel = `Add ${name} to your library`;
    },
  };
}
