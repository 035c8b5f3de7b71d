// The agents of one's library, and those of the marketplace.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { attempt, button, labelled, section, time } from './elements.js';
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
      section('Your agents', own.element, importing(api, announce)),
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

/** A button that takes in an exported agent from a file, and goes to it. */
function importing(api, announce) {
  const file = make('input', { type: 'file', accept: '.json,application/json', hidden: true, 'aria-label': 'An exported agent' });
  const choose = button('Import', () => file.click());
  const take = async () => {
    const [chosen] = file.files;
    const { id, name, fixes_applied: fixes } = await api.importAgent(parsed(await chosen.text())).catch(explain);
    announce([`${name} is in your library.`, ...fixes].join(' '));
    location.hash = hrefOf('agent', id);
  };
  file.addEventListener('change', async () => {
    await attempt(choose, take);
    file.value = ''; // the same file may be chosen again
  });
  return make('div.actions', {}, choose, file);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('The file is no exported agent: it is not JSON.');
  }
}

function explain(error) {
  const [problem] = error.details?.problems ?? [];
  if (problem) error.message += ` ${problem.message}`;
  throw error;
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
