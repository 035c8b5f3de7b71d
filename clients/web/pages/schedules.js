// The user's schedules: when they fire next, what became of their fires; pause, resume, run now, delete.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { confirmed } from '../confirm.js';
import { whyItRests, whyNothingStarted } from '../schedule_reasons.js';
import { badge, button } from './elements.js';
import { Listing } from './listing.js';
import { onItsClocks } from './local_time.js';

const STATES = { active: ['Active', 'good'], paused: ['Paused', 'asks'], disabled: ['Off', 'rests'] };
const OUTCOMES = { started: ['Started', 'good'], skipped: ['Left out', 'rests'], missed: ['Missed', 'rests'], failed: ['Failed', 'bad'] };
const RESULTS = { completed: ['Completed', 'good'], failed: ['Failed', 'bad'], cancelled: ['Stopped', 'bad'] };

export function schedulesPage({ api, title, announce }) {
  title('Schedules');
  const list = new Listing({
    label: 'Schedules',
    empty: 'There are none. Say in a chat what shall be done, and when.',
    read: async () => ({ items: (await api.schedules()).schedules, next: null }),
    key: (schedule) => schedule.id,
    row: (schedule) => scheduleRow(api, schedule, announce, () => list.refresh()),
  });
  return { element: make('div.page-body', {}, list.element), refresh: () => list.refresh() };
}

function scheduleRow(api, { id }, announce, changed) {
  const name = make('h3');
  const state = badge();
  const when = make('p.row-about');
  const next = make('p.row-about');
  const target = make('p.note');
  const problem = make('p.field-problem');
  const history = historyOf(api, id);
  let shown = null;
  const change = async (how, words) => {
    await api.changeSchedule(id, how);
    announce(`${shown.name} ${words}.`);
    await changed();
  };
  const buttons = {
    now: button('Run now', () => runNow(api, shown)),
    pause: button('Pause', () => change('pause', 'is paused')),
    resume: button('Resume', () => change('resume', 'goes on')),
    remove: button('Delete', async () => {
      if (!(await confirmed('Delete this schedule?', `“${shown.name}” goes; what it has started goes on.`, 'Delete'))) return;
      await api.deleteSchedule(id);
      announce('The schedule is deleted.');
      await changed();
    }),
  };
  const head = make('header', {}, name, state.element);
  return {
    element: make('li.card.schedule', {}, head, when, next, target, problem, make('div.actions', {}, ...Object.values(buttons)), history.element),
    update(schedule) {
      shown = schedule;
      setText(name, schedule.name);
      state.show(...(STATES[schedule.status] ?? [schedule.status, 'rests']));
      setText(when, schedule.cron ? `${schedule.cron} in ${schedule.timezone}${schedule.once ? ', once' : ''}` : `Once, in ${schedule.timezone}`);
      setText(next, schedule.next_fire_local ? `Next: ${onItsClocks(schedule.next_fire_local)}` : '');
      target.replaceChildren(...targetOf(schedule));
      setText(problem, problemOf(schedule));
      const [offered, other] = schedule.status === 'active' ? [buttons.pause, buttons.resume] : [buttons.resume, buttons.pause];
      const focused = document.activeElement === other;
      offered.hidden = false;
      if (focused) offered.focus();
      other.hidden = true;
      for (const one of Object.values(buttons)) one.ariaLabel = `${one.textContent}: ${schedule.name}`;
      history.refresh();
    },
  };
}

/** What its last run has failed with, or why it rests. */
function problemOf({ status, reason, last_error: error }) {
  if (status === 'active') return error ?? '';
  const words = whyItRests(reason, error);
  return words && `${words[0].toUpperCase()}${words.slice(1)}`;
}

function targetOf({ target, last_session_id: last }) {
  if (target.type === 'agent') return [make('a', { href: hrefOf('agent', target.library_agent_id) }, 'Its agent')];
  const words = `Says “${target.message}”`;
  if (target.session_id) return [make('a', { href: hrefOf('chat', target.session_id) }, words)];
  return last ? [words, ' · ', make('a', { href: hrefOf('chat', last) }, 'Its last chat')] : [words];
}

/** Start it at once, as a fire of its own, and show what that has begun. */
async function runNow(api, { id, target }) {
  const fire = await api.fireNow(id);
  location.hash = target.type === 'agent' ? hrefOf('run', fire.task_id) : hrefOf('chat', fire.session_id);
}

/** It is read when it is opened, and by `refresh()` while it is open. */
function historyOf(api, id) {
  const list = new Listing({
    label: 'History',
    empty: 'It has not fired yet.',
    read: async () => ({ items: (await api.fires(id)).fires, next: null }),
    key: (fire) => `${fire.fire} ${fire.at}`,
    row: fireRow,
  });
  const details = make('details', {}, make('summary', {}, 'History'), list.element);
  const refresh = () => details.open && list.refresh();
  details.addEventListener('toggle', refresh);
  return { element: details, refresh };
}

function fireRow(fire) {
  const state = badge();
  const started = startedBy(fire);
  const when = started ? make('a', { href: started }) : make('span');
  const note = make('span.note');
  return {
    element: make('li.row', {}, make('div.row-main', {}, when, note), state.element),
    update(fire) {
      setText(when, onItsClocks(fire.fire_local));
      state.show(...(RESULTS[fire.result] ?? OUTCOMES[fire.outcome] ?? [fire.outcome, 'rests']));
      setText(note, [whyNothingStarted(fire.reason), fire.error].filter(Boolean).map((words) => ` · ${words}`).join(''));
    },
  };
}

/** Where to see what a fire has started: a chat or a run; empty if it was nothing. */
function startedBy({ session_id: chat, task_id: run }) {
  if (chat) return hrefOf('chat', chat);
  return run ? hrefOf('run', run) : '';
}
