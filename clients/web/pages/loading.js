// What is read from the server: loading, then shown; or an error, with a way to try again.

import { make, setText } from '../dom.js';
import { button } from './elements.js';

export class Loading {
  element;
  #content;
  #note = make('p.note', { role: 'status' }, 'Loading…');
  #problem = make('p.page-problem', { role: 'alert', hidden: true });
  #again;
  #read;
  #show;
  #turn = 0;

  /** `read()` resolves to a value, `show(value)` brings `content` up to date with it. */
  constructor(content, read, show) {
    this.#content = content;
    this.#read = read;
    this.#show = show;
    this.#again = button('Try again', () => this.refresh());
    this.#again.hidden = true;
    content.hidden = true;
    this.element = make('div.loading', {}, this.#note, this.#problem, this.#again, content);
  }

  /** Read and show. What was shown stays meanwhile, and if that fails; an answer that was overtaken is dropped. */
  async refresh() {
    const turn = (this.#turn += 1);
    let value;
    try {
      value = await this.#read();
    } catch (error) {
      if (turn === this.#turn) this.#say(error);
      return;
    }
    if (turn !== this.#turn) return;
    this.#say(null);
    this.#content.hidden = false;
    this.#show(value);
  }

  #say(error) {
    this.#note.hidden = true;
    this.#problem.hidden = this.#again.hidden = !error;
    setText(this.#problem, error?.message ?? '');
  }
}
