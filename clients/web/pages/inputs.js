// The form of an agent's inputs, made of their JSON Schema.

import { make, setText } from '../dom.js';
import { kindOf, shownDefault, valueOf } from './input_values.js';

export class InputFields {
  element = make('div.fields');
  #fields;

  constructor(schema) {
    const required = new Set(schema.required ?? []);
    this.#fields = Object.entries(schema.properties ?? {}).map(([name, one]) => newField(name, one, required.has(name)));
    this.element.append(...this.#fields.map((field) => field.element));
  }

  /** The inputs as they were typed; null if some are wrong, which is said, and the first of them has the focus. */
  read() {
    const inputs = {};
    let first = null;
    for (const field of this.#fields) {
      const { value, absent, problem } = field.read();
      field.say(problem ?? '');
      if (problem) first ??= field;
      else if (!absent) inputs[field.name] = value;
    }
    first?.control.focus();
    return first ? null : inputs;
  }
}

function newField(name, schema, required) {
  const kind = kindOf(schema);
  const id = `input-${crypto.randomUUID()}`;
  const control = CONTROLS[kind](schema);
  const note = make('p.note', { id: `${id}-note` }, noteOf(schema, kind));
  const problem = make('p.field-problem', { id: `${id}-problem` });
  const mark = required ? make('span.required', {}, ' (required)') : null;
  control.id = id;
  control.name = name;
  control.ariaRequired = String(required);
  control.setAttribute('aria-describedby', `${note.id} ${problem.id}`);
  const label = make('label', { htmlFor: id }, name, mark);
  const parts = kind === 'switch' ? [make('div.switch', {}, control, label), note] : [label, note, control];
  return {
    name,
    control,
    element: make('div.field', {}, ...parts, problem),
    read: () => valueOf(schema, kind === 'switch' ? control.checked : control.value, required),
    say(words) {
      setText(problem, words);
      control.ariaInvalid = String(Boolean(words));
    },
  };
}

const CONTROLS = {
  choice: (schema) => {
    const options = schema.enum.map((one) => make('option', { value: JSON.stringify(one) }, String(one)));
    const select = make('select', {}, make('option', { value: '' }, '—'), ...options);
    select.value = schema.default === undefined ? '' : JSON.stringify(schema.default);
    return select;
  },
  switch: (schema) => make('input', { type: 'checkbox', checked: schema.default === true }),
  number: (schema) => line(schema, { inputMode: 'decimal' }),
  secret: (schema) => line(schema, { type: 'password', autocomplete: 'new-password' }),
  line: (schema) => line(schema, {}),
  text: (schema) => make('textarea', { rows: 2, value: shownDefault(schema) }),
  json: (schema) => make('textarea.code', { rows: 3, spellcheck: false, value: shownDefault(schema) }),
};

function line(schema, properties) {
  return make('input', { type: 'text', autocomplete: 'off', spellcheck: false, ...properties, value: shownDefault(schema) });
}

function noteOf(schema, kind) {
  const form = kind === 'json' ? { array: 'A list, as JSON.', object: 'An object, as JSON.' }[schema.type] ?? 'JSON, or plain words.' : '';
  return [schema.description, form].filter(Boolean).join(' ');
}
