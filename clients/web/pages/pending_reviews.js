// How many reviews wait for the user, beside the link to them.

import { setText } from '../dom.js';

const MOST = 99;

export class PendingReviews {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** Count again. `api` is an AgentApi; null: nobody is signed in. */
  async refresh(api) {
    let count = 0;
    try {
      const answer = await api?.reviews('pending', null, MOST + 1);
      count = answer?.reviews.length ?? 0;
    } catch {
      return; // a display is no reason to trouble anybody
    }
    this.#element.hidden = count === 0;
    setText(this.#element, count > MOST ? `${MOST}+` : String(count));
    this.#element.ariaLabel = `${count} waiting for you`;
  }
}
