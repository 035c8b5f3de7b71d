// One run: how it stands, what went in and came out, what its nodes have done, what it asks.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { showValue } from '../values.js';
import { badge, button, counted, dotted, section, time } from './elements.js';
import { Listing } from './listing.js';
import { Loading } from './loading.js';
import { ReviewCard } from './review_card.js';
import { isOpen, moodOf, originOf, wordOf } from './run_status.js';

const POLL_MS = { running: 1_000, rests: 5_000 }; // it rests while it waits for somebody, and while nobody looks
const MANY = 200; // executions: all of them are read for each look, so it is looked more seldom

export function runPage({ api, route, title, announce, reviewed }) {
  title('Run');
  const { id } = route;
  const state = badge();
  const facts = make('p.note');
  const problem = make('p.page-problem', { hidden: true });
  const asked = make('div');
  const inputs = make('div.values');
  const outputs = make('div.values');
  const stop = button('Stop', async () => {
    await api.stopRun(id);
    await loading.refresh();
  });
  const agent = make('a');
  const cards = new Map();
  let shown = null;
  let timer = null;
  let over = false;
  const nodes = new Listing({
    label: 'Nodes',
    empty: 'No node has begun.',
    ordered: true,
    read: async (cursor) => {
      const answer = await api.runNodes(id, cursor);
      return { items: answer.nodes, next: answer.next_cursor };
    },
    key: (node) => `${node.node_id} ${node.index}`,
    row: nodeRow,
  });
  const content = make(
    'div',
    {},
    make('div.run-head', {}, state.element, agent, stop),
    facts,
    problem,
    asked,
    section('Outputs', outputs),
    section('Inputs', inputs),
    section('Nodes', nodes.element),
  );
  const loading = new Loading(content, () => api.run(id), show);

  function show(run) {
    const ended = shown && isOpen(shown) && !isOpen(run);
    shown = run;
    title(run.agent_name);
    state.show(wordOf(run.status), moodOf(run.status));
    setText(agent, run.agent_name);
    agent.href = hrefOf('agent', run.library_agent_id);
    facts.replaceChildren(...factsOf(run));
    stop.hidden = !isOpen(run);
    problem.hidden = !run.error;
    setText(problem, run.error?.message ?? '');
    showOutputs(outputs, run);
    showFields(inputs, run.inputs, 'None.');
    showReviews(run.reviews);
    if (ended) announce(`The run has ended: ${wordOf(run.status)}.`);
    follow(run);
  }

  /** Look at its nodes, and again at all of it after a while. */
  async function follow(run) {
    await nodes.refresh();
    clearTimeout(timer);
    if (over || run !== shown || !isOpen(run)) return;
    const looked = document.visibilityState === 'visible' && ['queued', 'running'].includes(run.status) && run.nodes_done < MANY;
    timer = setTimeout(poll, looked ? POLL_MS.running : POLL_MS.rests);
  }

  function poll() {
    timer = setTimeout(poll, POLL_MS.rests); // stays if this one fails
    loading.refresh();
  }

  function showReviews(ids) {
    for (const review of ids) {
      if (cards.has(review)) continue;
      const card = new ReviewCard(api, review, {
        of: id,
        decided: () => {
          reviewed();
          return loading.refresh();
        },
      });
      cards.set(review, card);
      asked.append(card.element);
      card.refresh();
    }
    for (const [review, card] of cards) {
      if (ids.includes(review)) continue;
      card.element.remove();
      cards.delete(review);
    }
  }

  return {
    element: make('div.page-body', {}, loading.element),
    refresh: () => loading.refresh(),
    dispose() {
      over = true;
      clearTimeout(timer);
    },
  };
}

function factsOf(run) {
  return dotted([
    ['Asked for ', time(run.created_at)],
    run.started_at && ['began ', time(run.started_at)],
    run.ended_at && ['ended ', time(run.ended_at), ` after ${seconds(run)}`],
    [originOf(run)],
    run.dry_run && ['dry run: nothing outside was changed'],
    [`version ${run.version}`],
    [`${counted(run.nodes_done, 'execution')} of nodes`],
    run.credits > 0 && [`${run.credits} credits`],
    run.spend.tokens > 0 && [spent(run.spend)],
  ]);
}

/** What was used of the model. */
function spent({ tokens, cost_micros: micros }) {
  const money = micros > 0 ? ` ($${(micros / 1_000_000).toFixed(4)})` : '';
  return `${counted(tokens, 'token')}${money}`;
}

function seconds(run) {
  const taken = (new Date(run.ended_at) - new Date(run.started_at ?? run.created_at)) / 1000;
  return taken < 60 ? `${taken.toFixed(1)} s` : `${Math.floor(taken / 60)} min ${Math.round(taken % 60)} s`;
}

/** Most outputs have one value, which is shown by itself. */
function showOutputs(element, run) {
  const values = Object.entries(run.outputs).map(([name, list]) => [name, list.length === 1 ? list[0] : list]);
  showFields(element, Object.fromEntries(values), isOpen(run) ? 'When it has ended.' : 'None.');
}

function showFields(element, fields, otherwise) {
  const none = Object.keys(fields).length === 0;
  if (none) element.replaceChildren(make('p.note', {}, otherwise));
  else showValue(element, fields);
}

/** What went in and came out is on demand. */
function nodeRow() {
  const state = badge();
  const name = make('span.row-title');
  const note = make('span.note');
  const body = make('div.values');
  const details = make('details.node', {}, make('summary', {}, name, note, state.element), body);
  return {
    element: make('li', {}, details),
    update({ node_id: node, index, title, block_name: block, status, inputs, outputs, error, started_at: begun, ended_at: ended, spend }) {
      state.show(wordOf(status), moodOf(status));
      setText(name, title || block);
      const took = ended ? `${((new Date(ended) - new Date(begun)) / 1000).toFixed(1)} s` : '';
      setText(note, [` ${node}`, index > 0 && `no. ${index + 1}`, took, spend.tokens > 0 && spent(spend)].filter(Boolean).join(' · '));
      showValue(body, { ...(error ? { error } : {}), inputs, outputs });
    },
  };
}
