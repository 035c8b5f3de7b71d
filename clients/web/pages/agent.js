// One agent of the library: run it, see its runs and versions, how it is made, take it along, delete it.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { agentFacts } from './agent_facts.js';
import { confirmed } from '../confirm.js';
import { badge, button, counted, section, time } from './elements.js';
import { graphPicture } from './graph.js';
import { Listing } from './listing.js';
import { Loading } from './loading.js';
import { RunForm } from './run_form.js';
import { isOpen, moodOf, originOf, wordOf } from './run_status.js';

const POLL_MS = 3_000;

export function agentPage({ api, route, title, announce }) {
  title('Agent');
  const { id } = route;
  const facts = make('div');
  const running = make('div');
  const picture = make('div');
  let shown = null;
  let timer = null;
  const runs = new Listing({
    label: 'Recent runs',
    empty: 'It has not run yet.',
    read: async (cursor) => {
      const answer = await api.runs(id, cursor);
      clearTimeout(timer);
      if (answer.runs.some(isOpen)) timer = setTimeout(() => runs.refresh(), POLL_MS);
      return { items: answer.runs, next: answer.next_cursor };
    },
    key: (run) => run.id,
    row: runRow,
  });
  const versions = new Listing({
    label: 'Versions',
    empty: 'None.',
    read: async (cursor) => {
      const answer = await api.versions(id, cursor);
      return { items: answer.versions, next: answer.next_cursor };
    },
    key: (version) => version.version,
    row: ({ version }) =>
      versionRow(async () => {
        await api.chooseVersion(id, version);
        announce(`Version ${version} is in use from now on.`);
        await loading.refresh();
      }),
  });
  const actions = make(
    'div.actions',
    {},
    button('Export', async () => download(`${fileName(shown.name)}.json`, await api.exported(id))),
    button('Delete', () => remove(), 'plain'),
  );
  const content = make(
    'div',
    {},
    facts,
    section('Run', running),
    section('Recent runs', runs.element),
    section('What it does', picture),
    section('Versions', versions.element),
    actions,
  );
  const loading = new Loading(content, () => Promise.all([api.agent(id), api.blocks()]), ([agent, blocks]) => {
    title(agent.name);
    runs.refresh();
    versions.refresh();
    if (JSON.stringify(agent) === JSON.stringify(shown)) return; // what was typed stays
    shown = agent;
    facts.replaceChildren(...agentFacts(agent));
    running.replaceChildren(new RunForm(api, agent).element);
    picture.replaceChildren(graphPicture(agent.graph ?? {}, blocks));
  });

  async function remove() {
    if (!(await confirmed('Delete this agent?', `“${shown.name}” goes with its files, and its runs that are under way stop. Those that have ended stay readable.`, 'Delete'))) return;
    await api.deleteAgent(id);
    announce('The agent is deleted.');
    location.hash = hrefOf('agents');
  }

  return { element: make('div.page-body', {}, loading.element), refresh: () => loading.refresh(), dispose: () => clearTimeout(timer) };
}

function runRow(run) {
  const state = badge();
  const note = make('p.note');
  const anchor = make('a.row-title', { href: hrefOf('run', run.id) }, time(run.created_at));
  return {
    element: make('li.row', {}, make('div.row-main', {}, anchor, note), state.element),
    update({ status, origin, dry_run: dry, error }) {
      state.show(wordOf(status), moodOf(status));
      setText(note, [originOf({ origin }), dry && 'dry run', error?.message].filter(Boolean).join(' · '));
    },
  };
}

function versionRow(choose) {
  const name = make('span.row-title');
  const note = make('p.note');
  const state = badge();
  const chosen = button('Use this version', choose);
  state.show('In use', 'good');
  return {
    element: make('li.row', {}, make('div.row-main', {}, name, note), state.element, chosen),
    update({ version, nodes, created_at: created, runs }) {
      setText(name, `Version ${version}`);
      note.replaceChildren(`${counted(nodes, 'node')} · `, time(created));
      state.element.hidden = !runs;
      chosen.hidden = runs;
      chosen.ariaLabel = `Use this version: ${version}`;
    },
  };
}

function download(name, value) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url));
}

function fileName(name) {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '') || 'agent';
}
