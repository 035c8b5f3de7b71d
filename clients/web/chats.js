// The chats in the sidebar: the last ones, or those whose titles were searched for. They are renamed and deleted there.

import { confirmed } from './confirm.js';
import { setText } from './dom.js';
import { Search } from './search.js';
import { SessionList } from './sessions.js';

const TYPING_PAUSE_MS = 250;

export class Chats {
  #elements;
  #events;
  #list;
  #api = null;
  #sessions = [];
  #cursor = null;
  #search = null; // of the titles of all chats; null: nothing is searched for
  #typing = null;
  #deleted = new Set(); // the server's list may have them for a moment
  #titled = new Map(); // by this window, which the server's list may not know for a moment: id → { older, now }
  #open = null; // the id of the chat that is open

  /**
   * `elements`: chats, item, search, found, more. `events`: changed() when `show` has something new to show,
   * problem(error), deleted(id).
   */
  constructor(elements, events) {
    this.#elements = elements;
    this.#events = events;
    this.#list = new SessionList(elements.chats, elements.item, {
      rename: (id, title) => this.#rename(id, title),
      remove: (id, title) => this.#remove(id, title),
      changed: events.changed,
    });
    elements.more.addEventListener('click', () => this.#loadMore());
    elements.search.addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#startSearch(), TYPING_PAUSE_MS);
    });
    elements.search.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !elements.search.value) return;
      event.preventDefault();
      event.stopPropagation(); // the sidebar stays open
      elements.search.value = '';
      this.#startSearch();
    });
  }

  /** Show the chats of whoever `api` is for; null: nobody's. */
  of(api) {
    this.#api = api;
    [this.#sessions, this.#cursor] = [[], null];
    this.#titled.clear();
    this.#elements.search.value = '';
    if (api) this.load();
    else {
      this.#startSearch();
      this.show(null, false);
    }
  }

  /** The title of a chat that is known; undefined if it is not. */
  titleOf(id) {
    return [...this.#sessions, ...(this.#search?.sessions ?? [])].find((session) => session.id === id)?.title;
  }

  /** A chat that was made just now; its first message is on its way and gives it this title. */
  add(session, title) {
    this.#entitle(session.id, session.title, title);
    this.#sessions = [this.#withTitle(session), ...this.#sessions];
  }

  /** Bring the list up to date; `open` is the id of the chat that is open, or null. */
  show(open, running) {
    this.#open = open;
    const search = this.#search;
    const listed = (search?.sessions ?? this.#sessions).filter((session) => !this.#deleted.has(session.id));
    this.#list.show(listed.map((session) => (session.id === open ? { ...session, is_processing: running } : session)), open);
    setText(this.#elements.found, search?.note ?? '');
    this.#elements.more.hidden = search ? search.reading || !search.cursor : !this.#cursor;
  }

  /** Read the first page again. */
  async load() {
    try {
      const answer = await this.#api?.sessions();
      if (!answer) return;
      const loaded = new Set(answer.sessions.map((session) => session.id));
      const rest = this.#sessions.filter((session) => !loaded.has(session.id));
      const fresh = rest.filter((session) => session.id === this.#open);
      const last = answer.sessions.at(-1)?.updated_at;
      const older = this.#cursor === null ? [] : rest.filter((session) => session.updated_at < last);
      this.#cursor ??= answer.next_cursor;
      const listed = answer.sessions.map((session) => this.#withTitle(session));
      this.#sessions = [...fresh, ...listed, ...older.filter((session) => !fresh.includes(session))];
      this.#events.changed();
    } catch (error) {
      this.#events.problem(error);
    }
  }

  /** Look how chats go on that work and are not open. */
  poll() {
    const elsewhere = this.#sessions.some((session) => session.is_processing && session.id !== this.#open);
    if (elsewhere) this.load();
  }

  async #loadMore() {
    try {
      if (this.#search) return await this.#search.more();
      const answer = await this.#api.sessions(this.#cursor);
      const loaded = new Set(this.#sessions.map((session) => session.id));
      const listed = answer.sessions.filter((session) => !loaded.has(session.id));
      this.#sessions = [...this.#sessions, ...listed.map((session) => this.#withTitle(session))];
      this.#cursor = answer.next_cursor ?? '';
      this.#events.changed();
    } catch (error) {
      this.#events.problem(error);
    }
  }

  #startSearch() {
    clearTimeout(this.#typing);
    this.#search?.stop();
    const text = this.#elements.search.value.trim();
    this.#search = text && this.#api ? new Search(text, this.#api, this.#events.changed) : null;
    this.#events.changed();
    if (this.#search) this.#search.more().catch(this.#events.problem);
    else if (this.#api) this.load();
  }

  /** Show a chat's new title at once, and the old one again if the server refuses it. */
  async #rename(id, title) {
    const known = this.titleOf(id) ?? null;
    this.#entitle(id, known, title);
    this.#retitle(id, title);
    try {
      const { title: kept } = await this.#api.rename(id, title);
      this.#entitle(id, title, kept);
      this.#retitle(id, kept);
    } catch (error) {
      this.#titled.delete(id);
      this.#retitle(id, known);
      this.#events.problem(error);
    }
  }

  #entitle(id, before, now) {
    const older = this.#titled.get(id)?.older ?? [];
    this.#titled.set(id, { older: [...older, before].filter((title) => title !== now), now });
  }

  /** A session as the server lists it, with the title it was given here as long as the list has one from before. */
  #withTitle(session) {
    const titled = this.#titled.get(session.id);
    if (!titled) return session;
    if (titled.older.includes(session.title)) return { ...session, title: titled.now };
    this.#titled.delete(session.id);
    return session;
  }

  #retitle(id, title) {
    const titled = (session) => (session.id === id ? { ...session, title } : session);
    this.#sessions = this.#sessions.map(titled);
    if (this.#search) this.#search.sessions = this.#search.sessions.map(titled);
    this.#events.changed();
  }

  async #remove(id, title) {
    const loss = `“${title}” goes with its files, for good. An answer that is being written is stopped.`;
    if (!(await confirmed('Delete this chat?', loss, 'Delete'))) return;
    try {
      await this.#api.remove(id);
    } catch (error) {
      if (error.status !== 404) return this.#events.problem(error);
    }
    this.#deleted.add(id);
    this.#sessions = this.#sessions.filter((session) => session.id !== id);
    this.#events.deleted(id);
    this.#events.changed();
  }
}
