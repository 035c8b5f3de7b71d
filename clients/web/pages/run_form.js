// Asks for an agent's inputs and starts a run.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { attempt } from './elements.js';
import { InputFields } from './inputs.js';
import { inputLines } from './problems.js';

export class RunForm {
  element;
  #api;
  #agent;
  #fields;
  #dry = make('input', { type: 'checkbox' });
  #wrong = make('p.field-problem', { role: 'alert' });
  #asked = null; // {id, text}: what may or may not have arrived; sent again, it is the same run

  constructor(api, agent) {
    this.#api = api;
    this.#agent = agent;
    this.#fields = new InputFields(agent.input_schema);
    if (!agent.execution_modes.includes('manual')) {
      this.element = make('p.note', {}, 'Requests from outside start this agent.');
      return;
    }
    const dry = make('label.switch', {}, this.#dry, 'Dry run: nothing outside Parley is changed');
    const run = make('button.primary', { type: 'submit' }, 'Run');
    this.element = make('form.run-form', { noValidate: true }, this.#fields.element, dry, this.#wrong, run);
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      attempt(this.element, () => this.#run());
    });
  }

  async #run() {
    setText(this.#wrong, '');
    const inputs = this.#fields.read();
    if (!inputs) return;
    const text = JSON.stringify([inputs, this.#dry.checked]);
    if (this.#asked?.text !== text) this.#asked = { id: crypto.randomUUID(), text };
    try {
      const run = await this.#api.startRun(this.#agent.id, inputs, this.#asked.id, this.#dry.checked);
      this.#asked = null;
      location.hash = hrefOf('run', run.id);
    } catch (error) {
      if (error.status >= 400 && error.status < 500) this.#asked = null;
      if (error.code !== 'invalid_inputs') throw error;
      setText(this.#wrong, inputLines(error).join('\n') || error.message);
    }
  }
}
