// One maker for each kind of part: `PARTS[type]()` gives {element, update(part, messageStatus)}.

import { link, make, setText } from './dom.js';
import { showMarkdown } from './markdown.js';

const MAX_SHOWN = 20_000; // characters of one value; more would only make the page slow
const STATES = {
  writing: 'Preparing',
  running: 'Running',
  approval: 'Needs approval',
  done: 'Done',
  failed: 'Failed',
  denied: 'Denied',
  stopped: 'Stopped',
};

export const PARTS = { text, reasoning, tool, source, file: source, data };

function text() {
  const element = make('div.text');
  return {
    element,
    update(part) {
      element.hidden = !part.text;
      element.classList.toggle('open', part.open);
      showMarkdown(element, part.text);
    },
  };
}

/** Open while it is being thought, closed afterwards, unless the reader has decided otherwise. */
function reasoning() {
  const summary = make('summary');
  const body = make('div.thought');
  const element = make('details.reasoning', {}, summary, body);
  let decided = false;
  summary.addEventListener('click', () => {
    decided = true;
  });
  return {
    element,
    update(part) {
      element.hidden = !part.text && !part.open;
      setText(summary, part.open ? 'Thinking…' : 'Thoughts');
      if (!decided) element.open = part.open;
      showMarkdown(body, part.text);
    },
  };
}

function tool() {
  const name = make('span.tool-name');
  const state = make('span.tool-state');
  const input = make('div.tool-input');
  const output = make('div.tool-output');
  const summary = make('summary', {}, 'Result');
  const details = make('details.tool-result', {}, summary, output);
  const answers = make('div.tool-answers');
  const element = make('section.tool', {}, make('header', {}, name, state), input, answers, details);
  return {
    element,
    update(part, status) {
      const shown = toolState(part, status);
      element.dataset.state = shown;
      element.setAttribute('aria-label', `Tool ${part.name}: ${STATES[shown]}`);
      setText(name, part.name || 'tool');
      setText(state, STATES[shown]);
      showAnswers(answers, shown === 'approval' ? part.approvalId : null);
      showValue(input, part.state === 'writing' || part.input == null ? part.inputText : part.input);
      const result = part.error ?? part.output;
      details.hidden = result === undefined;
      setText(summary, part.error === undefined ? 'Result' : 'What went wrong');
      showValue(output, result);
    },
  };
}

/** The two answers to a request for approval; whoever listens to `approval` events sends the one that is chosen. */
function showAnswers(element, approvalId) {
  element.hidden = !approvalId;
  if (element.dataset.approval === approvalId) return;
  element.dataset.approval = approvalId ?? '';
  const button = (words, approved) => {
    const made = make('button', { type: 'button' }, words);
    made.addEventListener('click', () => {
      for (const other of element.children) other.disabled = true;
      const detail = { id: approvalId, approved };
      element.dispatchEvent(new CustomEvent('approval', { bubbles: true, detail }));
    });
    return made;
  };
  element.replaceChildren(...(approvalId ? [button('Approve', true), button('Deny', false)] : []));
}

/** A call that never ended in a message that did was stopped; a tool may also answer politely that it failed. */
function toolState(part, status) {
  if (part.state === 'done' && part.output?.type === 'error') return 'failed';
  const open = part.state === 'writing' || part.state === 'running';
  return open && status !== 'streaming' ? 'stopped' : part.state;
}

function source() {
  const element = make('p.source');
  return {
    element,
    update(part) {
      const title = part.title ?? part.url ?? 'Source';
      element.replaceChildren(part.url ? link(part.url, title) : title);
    },
  };
}

/** Of the data parts only what the user said during the turn is shown; the others are for programs. */
function data() {
  const element = make('div.said');
  return {
    element,
    update(part) {
      const said = part.name === 'pending-drained' ? part.data.messages : [];
      element.hidden = said.length === 0;
      element.replaceChildren(...said.map((one) => make('div.bubble', {}, make('span.sr-only', {}, 'You:'), one.text)));
    },
  };
}

/** An object as a list of its fields, everything else as text. */
function showValue(element, value) {
  const key = JSON.stringify(value) ?? '';
  if (element.shownValue === key) return;
  element.shownValue = key;
  const isRecord = value !== null && typeof value === 'object' && !Array.isArray(value);
  const fields = isRecord ? Object.entries(value).filter(([, field]) => field !== '' && field !== null) : [];
  if (!isRecord) element.replaceChildren(...(value == null || value === '' ? [] : [make('pre', {}, printed(value))]));
  else if (fields.length === 0) element.replaceChildren();
  else element.replaceChildren(make('dl', {}, ...fields.flatMap(([name, field]) => [make('dt', {}, name), make('dd', {}, printed(field))])));
}

function printed(value) {
  const words = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
  return words.length <= MAX_SHOWN ? words : `${words.slice(0, MAX_SHOWN)}… (${words.length - MAX_SHOWN} more characters)`;
}
