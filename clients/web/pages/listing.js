// A list that is read from the server in pages. A row keeps its element, and so its focus, as long as it is listed;
// the focus of one that goes is passed to the next.

import { arrange, make } from '../dom.js';
import { button } from './elements.js';
import { Loading } from './loading.js';

export class Listing {
  element;
  #list;
  #empty;
  #more;
  #loading;
  #options;
  #rows = new Map();
  #pages = 1;

  /**
   * `read(cursor)` resolves to {items, next}; `key(item)` tells rows apart; `row(item)` gives {element, update(item)}
   * for a new one. `label` says what is listed, `empty` that there is nothing.
   */
  constructor(options) {
    this.#options = options;
    this.#list = make(`${options.ordered ? 'ol' : 'ul'}.rows`, { 'aria-label': options.label });
    this.#empty = make('p.note', {}, options.empty);
    this.#more = button('Show more', () => this.#readMore(), 'quiet');
    const content = make('div', {}, this.#list, this.#empty, this.#more);
    this.#loading = new Loading(content, () => this.#read(), (found) => this.#show(found));
    this.element = this.#loading.element;
  }

  /** Read all that is shown again. */
  refresh() {
    return this.#loading.refresh();
  }

  /** Begin with the first page again, such as for another search. */
  restart() {
    this.#pages = 1;
    return this.refresh();
  }

  /** Put the focus on the row of that key; false if there is none. */
  focus(key) {
    const row = this.#rows.get(key);
    if (row) focusOn(row.element);
    return Boolean(row);
  }

  #readMore() {
    this.#pages += 1;
    return this.refresh();
  }

  async #read() {
    const items = [];
    let next = null;
    for (let page = 0; page < this.#pages && (page === 0 || next); page += 1) {
      const answer = await this.#options.read(next);
      items.push(...answer.items);
      next = answer.next;
    }
    return { items, more: Boolean(next) };
  }

  #show({ items, more }) {
    const { key, row } = this.#options;
    const focused = [...this.#list.children].findIndex((one) => one.contains(document.activeElement));
    const rows = new Map(items.map((item) => [key(item), this.#rows.get(key(item)) ?? row(item)]));
    for (const item of items) rows.get(key(item)).update(item);
    arrange(this.#list, [...rows.values()].map(({ element }) => element));
    this.#rows = rows;
    this.#empty.hidden = items.length > 0;
    this.#list.hidden = items.length === 0;
    this.#more.hidden = !more;
    const lost = focused >= 0 && !document.activeElement?.offsetParent; // what had it is gone or hidden
    if (lost) focusOn(this.#list.children[Math.min(focused, items.length - 1)] ?? this.#empty);
  }
}

/** Put the focus on what is no control, to go on from there. */
function focusOn(element) {
  element.tabIndex = -1;
  element.focus();
}
