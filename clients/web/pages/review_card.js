// One review: what is asked, and the answer of whoever is asked.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { showValue } from '../values.js';
import { attempt, badge, dotted, labelled, time } from './elements.js';
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
  #options;
  #loading;
  #content = make('div');
  #wrong = make('p.field-problem', { role: 'alert' });
  #status = '';

  /** `options`: decided(), called after an answer, and of, the run on whose page this is. */
  constructor(api, id, options) {
    this.#api = api;
    this.#id = id;
    this.#options = options;
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
    this.#content.replaceChildren(
      make('header', {}, make('h3', {}, review.name), state.element),
      make('p.note', {}, ...this.#facts(review)),
      ...(review.instructions ? [make('p.about', {}, review.instructions)] : []),
      review.status === 'pending' ? this.#form(review) : this.#verdict(review),
    );
  }

  #facts({ name, block_name: block, run_id: run, session_id: chat, status, created_at: asked, expires_at: expires, decided_at: decided }) {
    return dotted([
      block !== name && [block],
      run && run !== this.#options.of && [make('a', { href: hrefOf('run', run) }, 'Its run')],
      chat && [make('a', { href: hrefOf('chat', chat) }, 'Its chat')],
      ['asked ', time(asked)],
      status === 'pending' ? ['until ', time(expires)] : decided && ['decided ', time(decided)],
    ]);
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
    await this.#options.decided();
  }

  #focus() {
    this.element.tabIndex = -1;
    this.element.focus();
  }
}
