// One review: what is asked, and the answer of whoever is asked.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { showValue } from '../values.js';
import { attempt, badge, labelled, time } from './elements.js';
import { Loading } from './loading.js';
import { problemLines } from './problems.js';
import { changedData, shownData } from './review_data.js';

const STATES = {
  pending: ['Asks you', 'asks'],
  approved: ['Approved', 'good'],
  rejected: ['Rejected', 'bad'],
  expired: ['Expired', 'rests'],
  closed: ['Not needed any more', 'rests'],
};

export class ReviewCard {
  element;
  #api;
  #id;
  #events;
  #loading;
  #content = make('div');
  #wrong = make('p.field-problem', { role: 'alert' });
  #status = '';

  /** `events`: decided(review). */
  constructor(api, id, events) {
    this.#api = api;
    this.#id = id;
    this.#events = events;
    this.#loading = new Loading(this.#content, () => api.review(id), (review) => this.#show(review));
    this.element = make('article.review', { 'aria-label': 'Review' }, this.#loading.element);
  }

  refresh() {
    return this.#loading.refresh();
  }

  #show(review) {
    if (review.status === this.#status) return; // what was typed stays
    this.#status = review.status;
    this.element.ariaLabel = `Review: ${review.name}`;
    const state = badge();
    state.show(...(STATES[review.status] ?? [review.status, 'rests']));
    const asker = review.run_id
      ? make('a', { href: hrefOf('run', review.run_id) }, 'Its run')
      : make('a', { href: hrefOf('chat', review.session_id) }, 'Its chat');
    this.#content.replaceChildren(
      make('header', {}, make('h3', {}, review.name), state.element),
      make('p.note', {}, `${review.block_name} · `, asker, ' · asked ', time(review.created_at), ...until(review)),
      ...(review.instructions ? [make('p.about', {}, review.instructions)] : []),
      review.status === 'pending' ? this.#form(review) : this.#verdict(review),
    );
  }

  #verdict(review) {
    const data = make('div.values');
    showValue(data, review.data ?? review.payload);
    return make('div', {}, data, review.message && make('p.about', {}, `“${review.message}”`), this.#wrong);
  }

  #form(review) {
    const { payload, editable } = review;
    const isText = typeof payload === 'string';
    const data = make(`textarea${isText ? '' : '.code'}`, { rows: 3, name: 'data', spellcheck: isText, readOnly: !editable });
    data.value = shownData(payload);
    const message = make('textarea', { rows: 1, name: 'message', maxLength: 2_000 });
    const approve = make('button.primary', { type: 'submit' }, 'Approve');
    const reject = make('button.plain', { type: 'button' }, 'Reject');
    const form = make(
      'form',
      { noValidate: true },
      labelled('Data', data, editable ? `You may change it; it goes on as you approve it.${isText ? '' : ' JSON.'}` : 'This can’t be changed.'),
      this.#wrong,
      labelled('Message (optional)', message),
      make('div.actions', {}, approve, reject),
    );
    const said = () => (message.value.trim() ? { message: message.value.trim() } : {});
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const edited = changedData(payload, data.value);
      setText(this.#wrong, edited ? '' : 'This is not JSON.');
      if (edited) attempt(form, () => this.#decide('approve', { ...said(), ...edited }));
      else data.focus();
    });
    reject.addEventListener('click', () => attempt(form, () => this.#decide('reject', said())));
    return form;
  }

  async #decide(verdict, said) {
    setText(this.#wrong, '');
    try {
      this.#show(await this.#api.decide(this.#id, verdict, said));
    } catch (error) {
      if (error.status === 401) throw error;
      await this.refresh(); // somebody else may have been faster
      setText(this.#wrong, problemLines(error).join('\n') || error.message);
      if (this.#status !== 'pending') this.#focus();
      return;
    }
    this.#focus();
    await this.#events.decided();
  }

  #focus() {
    this.element.tabIndex = -1;
    this.element.focus();
  }
}

function until(review) {
  if (review.status === 'pending') return [' · until ', time(review.expires_at)];
  return review.decided_at ? [' · decided ', time(review.decided_at)] : [];
}
