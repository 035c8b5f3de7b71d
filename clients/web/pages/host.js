// Shows one page at a time in place of the conversation.

import { make, setText } from '../dom.js';
import { accountsPage } from './accounts.js';
import { agentPage } from './agent.js';
import { agentsPage } from './agents.js';
import { publishedPage } from './published.js';
import { reviewsPage } from './reviews.js';
import { runPage } from './run.js';
import { schedulesPage } from './schedules.js';

const PAGES = {
  agents: agentsPage,
  agent: agentPage,
  store: publishedPage,
  run: runPage,
  reviews: reviewsPage,
  schedules: schedulesPage,
  accounts: accountsPage,
  connect: accountsPage,
  connected: accountsPage,
  connect_error: accountsPage,
};

const ENTRIES = { connect: 'accounts', connected: 'accounts', connect_error: 'accounts' };

export class Pages {
  title = '';
  #place;
  #events;
  #problem = make('p.page-problem', { role: 'alert', hidden: true });
  #shown = null; // {route, page}

  /** `place` is the element to show pages in; `events`: changed(), announce(text), reviewed(). */
  constructor(place, events) {
    this.#place = place;
    this.#events = events;
    place.addEventListener('problem', ({ detail }) => this.#say(detail));
  }

  /** Whether a page is shown, and not a conversation. */
  get open() {
    return this.#shown !== null;
  }

  /** The address of the entry in the sidebar that is shown, or empty. */
  get current() {
    return this.#shown ? `#${ENTRIES[this.#shown.route.page] ?? this.#shown.route.page}` : '';
  }

  /** Show the page of a route; without one for it, none. `api` is an AgentApi. */
  show(route, api) {
    if (this.#shown && this.#shown.route.page === route.page && this.#shown.route.id === route.id) return;
    this.hide();
    const open = PAGES[route.page];
    if (!open) return;
    const shown = (this.#shown = { route, page: null });
    const page = open({
      api,
      route,
      title: (words) => this.#shown === shown && this.#entitle(words), // an answer may come after the page is left
      announce: this.#events.announce,
      reviewed: this.#events.reviewed,
    });
    shown.page = page;
    this.#place.replaceChildren(this.#problem, page.element);
    this.#place.hidden = false;
    this.#place.scrollTop = 0;
    this.#place.focus({ preventScroll: true });
    page.refresh();
  }

  hide() {
    this.#shown?.page?.dispose?.();
    this.#shown = null;
    this.title = '';
    this.#say(null);
    this.#place.replaceChildren();
    this.#place.hidden = true;
  }

  /** Something has changed elsewhere: read again what is shown. */
  refresh() {
    this.#shown?.page?.refresh();
  }

  #entitle(words) {
    this.title = words;
    this.#events.changed();
  }

  #say(error) {
    const said = error && error.status !== 401; // signed out: the sign-in form says why
    this.#problem.hidden = !said;
    setText(this.#problem, said ? error.message : '');
  }
}
