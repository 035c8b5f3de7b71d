// Connects an account: by a secret that is typed here, or by signing in at the provider.

import { make, setText } from '../dom.js';
import { attempt, labelled } from './elements.js';
import { lastName, problemLines } from './problems.js';

const FIELDS = {
  http_api_key: [['key', 'Key', 'secret'], ['header_name', 'Request header', 'text', 'X-API-Key']],
  http_bearer: [['token', 'Token', 'secret']],
  http_basic: [['username', 'User name', 'text'], ['password', 'Password', 'secret']],
  webhook_signing: [['key', 'Signing secret', 'secret']],
};

export class AccountForm {
  element;
  #api;
  #providers;
  #connected;
  #provider;
  #own = make('div.fields');
  #title = make('input', { type: 'text', maxLength: 100, autocomplete: 'off' });
  #hosts = make('input', { type: 'text', autocomplete: 'off', spellcheck: false, placeholder: 'api.example.com' });
  #wrong = make('p.field-problem', { role: 'alert' });
  #send = make('button.primary', { type: 'submit' });
  #general;
  #fields = [];

  /** `wanted` is the provider to begin with, or null; `connected(account)` hears of a new one. */
  constructor(api, providers, wanted, connected) {
    this.#api = api;
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
    this.#connected = connected;
    const options = providers.map(({ name, title }) => make('option', { value: name }, title));
    this.#provider = make('select', {}, ...options);
    if (this.#providers.has(wanted)) this.#provider.value = wanted;
    this.#general = make(
      'div.fields',
      {},
      labelled('Hosts', this.#hosts, 'Where the secret may be sent, over HTTPS: host names, with commas between them.'),
      labelled('Title (optional)', this.#title),
    );
    const choice = labelled('Kind of account', this.#provider);
    this.element = make('form', { noValidate: true, autocomplete: 'off' }, choice, this.#own, this.#general, this.#wrong, this.#send);
    this.#provider.addEventListener('change', () => this.#showFields());
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      attempt(this.element, () => (this.#signsIn ? this.#signIn() : this.#add()));
    });
    this.#showFields();
  }

  focus() {
    this.#provider.focus();
  }

  get #signsIn() {
    return this.#providers.get(this.#provider.value)?.kind === 'oauth2';
  }

  #showFields() {
    setText(this.#wrong, '');
    this.#fields = (FIELDS[this.#provider.value] ?? []).map(([name, words, kind, value = '']) => {
      const secret = kind === 'secret';
      const input = make('input', { type: secret ? 'password' : 'text', autocomplete: secret ? 'new-password' : 'off', spellcheck: false, value });
      return { name, input, element: labelled(words, input) };
    });
    this.#own.replaceChildren(...this.#fields.map((field) => field.element));
    this.#general.hidden = this.#signsIn;
    setText(this.#send, this.#signsIn ? 'Sign in there' : 'Connect');
  }

  async #signIn() {
    const { url } = await this.#api.startSignIn(this.#provider.value);
    if (new URL(url).protocol === 'https:') location.assign(url);
  }

  async #add() {
    setText(this.#wrong, '');
    const hosts = this.#hosts.value.split(/[\s,]+/).filter(Boolean);
    const own = Object.fromEntries(this.#fields.map(({ name, input }) => [name, input.value]));
    try {
      const account = await this.#api.addAccount({ provider: this.#provider.value, title: this.#title.value.trim(), hosts, ...own });
      this.#title.value = this.#hosts.value = '';
      this.#showFields();
      await this.#connected(account);
    } catch (error) {
      const lines = problemLines(error, (field) => lastName(field, hosts.length > 1));
      if (lines.length === 0) throw error;
      setText(this.#wrong, lines.join('\n'));
    }
  }
}
