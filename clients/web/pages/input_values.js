// What people type for a JSON Schema, as JSON values. Pure: no DOM.

const NUMBERS = new Set(['number', 'integer']);

/** How an input is asked for: choice, switch, number, secret, line, text or json. */
export function kindOf(schema) {
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return 'choice';
  if (schema.type === 'boolean') return 'switch';
  if (NUMBERS.has(schema.type)) return 'number';
  if (schema.type !== 'string') return 'json';
  if (schema.format === 'password') return 'secret';
  return schema.format || schema.maxLength <= 100 ? 'line' : 'text';
}

/** What a field shows before anybody has typed: the default, as text. */
export function shownDefault(schema) {
  if (schema.default === undefined || schema.default === null) return '';
  return typeof schema.default === 'string' && kindOf(schema) !== 'json' ? schema.default : JSON.stringify(schema.default, null, 2);
}

/** `{value}`, `{absent: true}` for what is left out, or `{problem}` in words. `typed` is text; of a switch a boolean. */
export function valueOf(schema, typed, required) {
  const kind = kindOf(schema);
  if (kind === 'switch') return { value: typed };
  const blank = typed.trim() === '';
  if (blank && !(typeof schema.default === 'string' && schema.default && kind !== 'choice')) {
    return required ? { problem: 'This is needed.' } : { absent: true };
  }
  if (kind === 'number') return numberOf(schema, typed);
  if (kind === 'choice') return { value: JSON.parse(typed) };
  return kind === 'json' ? jsonOf(schema, typed) : { value: typed };
}

function numberOf(schema, typed) {
  const value = Number(typed.replace(',', '.'));
  if (!Number.isFinite(value)) return { problem: 'This is not a number.' };
  return schema.type === 'integer' && !Number.isInteger(value) ? { problem: 'This is not a whole number.' } : { value };
}

function jsonOf(schema, typed) {
  let value;
  try {
    value = JSON.parse(typed);
  } catch {
    if (schema.type === undefined || schema.type?.includes?.('string')) return { value: typed }; // anything fits: plain words
    const example = schema.type === 'array' ? '["one", "two"]' : '{"name": "value"}';
    return { problem: `This is not JSON, such as ${example}.` };
  }
  if (schema.type === 'array' && !Array.isArray(value)) return { problem: 'This is not a list, such as ["one", "two"].' };
  const isObject = value !== null && typeof value === 'object' && !Array.isArray(value);
  return schema.type === 'object' && !isObject ? { problem: 'This is not an object, such as {"name": "value"}.' } : { value };
}
