// The list of chats: links, so that they open in a new tab and the browser's history works.

import { arrange, setText } from './dom.js';

const UNTITLED = 'Untitled chat';
const MAX_TITLE = 60;

export class SessionList {
  #list;
  #template;
  #events;
  #shown = new Map();

  /** `events`: rename(id, title), remove(id, title), changed(). */
  constructor(list, template, events) {
    this.#list = list;
    this.#template = template;
    this.#events = events;
  }

  show(sessions, currentId) {
    const items = sessions.map((session) => {
      const item = this.#shown.get(session.id) ?? this.#newItem(session.id);
      item.update(session, session.id === currentId);
      return [session.id, item];
    });
    if ([...this.#shown.values()].some((item) => item.editing)) return; // nothing moves below somebody's hands
    this.#shown = new Map(items);
    arrange(this.#list, items.map(([, item]) => item.element));
  }

  #newItem(id) {
    return new Item(id, this.#template.content.firstElementChild.cloneNode(true), this.#events);
  }
}

class Item {
  element;
  editing = false;
  #id;
  #title = '';
  #parts;
  #events;

  constructor(id, element, events) {
    const [anchor, name, running, time, input, rename, remove] = [
      'a', '.chat-name', '.running', 'time', '.chat-rename', '.rename', '.delete',
    ].map((selector) => element.querySelector(selector));
    this.element = element;
    this.#id = id;
    this.#events = events;
    this.#parts = { anchor, name, running, time, input, rename, remove };
    anchor.href = `#chat=${encodeURIComponent(id)}`;
    rename.addEventListener('click', () => this.#edit());
    remove.addEventListener('click', () => events.remove(id, this.#title || UNTITLED));
    input.addEventListener('blur', () => this.#leave(true));
    input.addEventListener('keydown', (event) => this.#typed(event));
  }

  update(session, current) {
    const { anchor, name, running, time, rename, remove } = this.#parts;
    this.#title = session.title ?? '';
    const title = this.#title || UNTITLED;
    setText(name, title);
    rename.setAttribute('aria-label', `Rename “${title}”`);
    remove.setAttribute('aria-label', `Delete “${title}”`);
    time.dateTime = session.updated_at;
    setText(time, timeOf(session.updated_at));
    running.hidden = !session.is_processing;
    if (current) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }

  #edit() {
    const { input } = this.#parts;
    input.value = this.#title;
    this.#showEditor(true);
    input.select();
    input.focus();
  }

  #typed(event) {
    if (event.isComposing || (event.key !== 'Enter' && event.key !== 'Escape')) return;
    event.preventDefault();
    event.stopPropagation(); // Escape ends this alone
    this.#leave(event.key === 'Enter');
    this.#parts.rename.focus();
  }

  #leave(keep) {
    if (!this.editing) return;
    const title = this.#parts.input.value.trim();
    this.#showEditor(false);
    if (keep && title && title !== this.#title) this.#events.rename(this.#id, title);
    else this.#events.changed();
  }

  #showEditor(editing) {
    this.editing = editing;
    this.#parts.input.hidden = !editing;
    this.#parts.anchor.hidden = editing;
  }
}

/** The first words, until the list comes with the server's own title. */
export function titleFrom(text) {
  const words = text.trim().replace(/\s+/g, ' ');
  return words.length <= MAX_TITLE ? words : `${words.slice(0, MAX_TITLE).replace(/\s\S*$/, '')}…`;
}

/** The hour for today, the day for anything older. */
function timeOf(value) {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return '';
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
}
