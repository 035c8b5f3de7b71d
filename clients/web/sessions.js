// The list of chats: links, so that they open in a new tab and the browser's history works.

import { make, setText } from './dom.js';

export class SessionList {
  #list;
  #shown = new Map();

  constructor(list) {
    this.#list = list;
  }

  show(sessions, currentId) {
    const items = sessions.map((session) => {
      const item = this.#shown.get(session.id) ?? sessionItem(session.id);
      item.update(session, session.id === currentId);
      return [session.id, item];
    });
    this.#shown = new Map(items);
    const elements = items.map(([, item]) => item.element);
    const same = elements.length === this.#list.children.length && elements.every((one, at) => one === this.#list.children[at]);
    if (!same) this.#list.replaceChildren(...elements);
  }
}

function sessionItem(id) {
  const title = make('span.chat-name');
  const time = make('time');
  const running = make('span.running', { title: 'An answer is being written' }, make('span.sr-only', {}, 'Running'));
  const anchor = make('a', { href: `#chat=${encodeURIComponent(id)}` }, title, running, time);
  return {
    element: make('li', {}, anchor),
    update(session, current) {
      setText(title, session.title ?? 'Untitled chat');
      time.dateTime = session.updated_at;
      setText(time, timeOf(session.updated_at));
      running.hidden = !session.is_processing;
      if (current) anchor.setAttribute('aria-current', 'page');
      else anchor.removeAttribute('aria-current');
    },
  };
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
