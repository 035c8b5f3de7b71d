// One maker for each kind of part: `PARTS[type]()` gives {element, update(part, messageStatus)}.

import { link, make, setText } from './dom.js';
import { showMarkdown } from './markdown.js';
import { linksIn, showValue } from './values.js';

const LINKS = { agent: 'Agent', run: 'Run', store: 'Marketplace', chat: 'Chat', connect: 'Connect' };
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
  const links = make('p.tool-links');
  const element = make('section.tool', {}, make('header', {}, name, state), input, answers, links, details);
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
      showLinks(links, linksIn(result));
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

/** Where the result leads, without opening it. */
function showLinks(element, found) {
  element.hidden = found.length === 0;
  const words = ({ page, id, name }) => `${LINKS[page]}${page === 'connect' ? ` ${id}` : name && `: ${name}`}`;
  element.replaceChildren(...found.map((one) => make('a', { href: one.href }, words(one))));
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
