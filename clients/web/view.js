// The conversation as DOM. Every message and every part keeps its element while it grows; what did not change since
// the last time (the same object) is not touched.

import { arrange, make, setText } from './dom.js';
import { PARTS } from './parts.js';

const NOTES = {
  stopped: 'Stopped.',
  failed: 'The turn failed.',
  length: 'The answer reached the model’s length limit.',
  'content-filter': 'The model’s content filter ended the answer.',
};
const USER_STATES = { sending: 'Sending…', queued: 'Queued: it will be read next.' };

export class Conversation {
  #list;
  #shown = new Map();

  constructor(list) {
    this.#list = list;
  }

  /** Show exactly these messages, in this order. */
  show(messages) {
    const wanted = new Set(messages.map((message) => message.id));
    for (const id of this.#shown.keys()) if (!wanted.has(id)) this.#shown.delete(id);
    arrange(this.#list, messages.map((message) => this.#bring(message).element));
  }

  #bring(message) {
    let entry = this.#shown.get(message.id);
    if (!entry) {
      entry = message.role === 'user' ? userEntry() : assistantEntry();
      this.#shown.set(message.id, entry);
    }
    if (entry.message !== message) {
      entry.message = message;
      entry.update(message);
    }
    return entry;
  }
}

function userEntry() {
  const text = make('div.bubble');
  const note = make('p.note');
  return {
    element: make('li.message.user', {}, make('span.sr-only', {}, 'You:'), text, note),
    update(message) {
      setText(text, message.text);
      setText(note, USER_STATES[message.state] ?? '');
      this.element.dataset.state = message.state;
    },
  };
}

function assistantEntry() {
  const body = make('div.parts');
  const note = make('p.note');
  const parts = [];
  return {
    element: make('li.message.assistant', {}, make('span.sr-only', {}, 'Parley:'), body, note),
    update(message) {
      showParts(body, parts, message);
      this.element.dataset.status = message.status;
      this.element.setAttribute('aria-busy', String(message.status === 'streaming'));
      setText(note, noteOf(message));
    },
  };
}

/** Parts are compared one by one; a step boundary has no element, only an effect on what follows. */
function showParts(body, shown, message) {
  const parts = message.parts.filter((part) => part.type in PARTS);
  parts.forEach((part, index) => {
    const old = shown[index];
    if (old?.part === part && old.status === message.status) return;
    if (old?.part.type === part.type && old.part.id === part.id) old.update(part, message.status);
    else {
      const fresh = PARTS[part.type]();
      fresh.update(part, message.status);
      if (old) old.element.replaceWith(fresh.element);
      else body.append(fresh.element);
      shown[index] = fresh;
    }
    shown[index].part = part;
    shown[index].status = message.status;
  });
  for (const entry of shown.splice(parts.length)) entry.element.remove();
}

function noteOf(message) {
  if (message.status === 'failed') return message.error ? `${NOTES.failed} ${message.error}` : NOTES.failed;
  return NOTES[message.status] ?? NOTES[message.finishReason] ?? '';
}
