// Turns the parts of a stream into a message, one part after the other.
//
// `reduce(message, chunk)` is pure: it never changes what it is given, and what a chunk does not touch stays the
// same object, so that a view can skip it. It is lenient where the protocol's own client throws: a page should show
// what it has. Part shapes of ours:
//
//   { type: 'step' }                                                  a step begins
//   { type: 'text' | 'reasoning', id, text, open }
//   { type: 'tool', id, name, state, inputText, input, output, error }  state: see TOOL_STATES
//   { type: 'source', id, url, title } | { type: 'file', url, mediaType, title }
//   { type: 'data', name, id, data }
//
// https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol

export const TOOL_STATES = ['writing', 'running', 'approval', 'done', 'failed', 'denied'];

/** An assistant message before its first part. `status` is streaming, done, stopped or failed. */
export function emptyMessage(id = '') {
  return { id, role: 'assistant', parts: [], status: 'streaming', finishReason: null, error: null };
}

/** The message after one more chunk; the same object if the chunk says nothing to it. */
export function reduce(message, chunk) {
  if (chunk.type?.startsWith('data-')) return data(message, chunk);
  const rule = RULES[chunk.type];
  return rule ? rule(message, chunk) : message;
}

/** What a frame's `sequence` means after `last`: 'next', 'repeated' or 'gap'. */
export function order(last, sequence) {
  if (sequence <= last) return 'repeated';
  return sequence === last + 1 ? 'next' : 'gap';
}

const RULES = {
  start: (message, chunk) => (chunk.messageId ? { ...message, id: chunk.messageId } : message),
  'start-step': (message) => append(message, { type: 'step' }),
  'reset-step': (message) => {
    const step = message.parts.findLastIndex((part) => part.type === 'step');
    return { ...message, parts: message.parts.slice(0, step + 1) };
  },
  'text-start': (message, chunk) => append(message, block('text', chunk.id)),
  'text-delta': (message, chunk) => grow(message, 'text', chunk),
  'text-end': (message, chunk) => close(message, 'text', chunk.id),
  'reasoning-start': (message, chunk) => append(message, block('reasoning', chunk.id)),
  'reasoning-delta': (message, chunk) => grow(message, 'reasoning', chunk),
  'reasoning-end': (message, chunk) => close(message, 'reasoning', chunk.id),
  'tool-input-start': (message, chunk) => tool(message, chunk, { state: 'writing', inputText: '' }),
  'tool-input-delta': (message, chunk) =>
    tool(message, chunk, (part) => ({ inputText: part.inputText + chunk.inputTextDelta })),
  'tool-input-available': (message, chunk) => tool(message, chunk, { state: 'running', input: chunk.input }),
  'tool-input-error': (message, chunk) =>
    tool(message, chunk, { state: 'failed', input: chunk.input, error: chunk.errorText }),
  'tool-approval-request': (message, chunk) =>
    tool(message, chunk, { state: 'approval', approvalId: chunk.approvalId }),
  'tool-output-available': (message, chunk) =>
    tool(message, chunk, { state: chunk.preliminary ? 'running' : 'done', output: chunk.output }),
  'tool-output-error': (message, chunk) => tool(message, chunk, { state: 'failed', error: chunk.errorText }),
  'tool-output-denied': (message, chunk) => tool(message, chunk, { state: 'denied' }),
  'source-url': (message, chunk) =>
    append(message, { type: 'source', id: chunk.sourceId, url: chunk.url, title: chunk.title ?? chunk.url }),
  'source-document': (message, chunk) =>
    append(message, { type: 'source', id: chunk.sourceId, url: null, title: chunk.title }),
  file: (message, chunk) =>
    append(message, { type: 'file', url: chunk.url, mediaType: chunk.mediaType, title: chunk.mediaType }),
  error: (message, chunk) => ({ ...settled(message), status: 'failed', error: chunk.errorText }),
  abort: (message) => ({ ...settled(message), status: 'stopped' }),
  finish: (message, chunk) => ({
    ...settled(message),
    status: message.status === 'streaming' ? 'done' : message.status,
    finishReason: chunk.finishReason ?? null,
  }),
};

function block(type, id) {
  return { type, id, text: '', open: true };
}

function append(message, part) {
  return { ...message, parts: [...message.parts, part] };
}

function replaceAt(message, index, part) {
  return { ...message, parts: message.parts.with(index, part) };
}

function openBlock(message, type, id) {
  return message.parts.findLastIndex((part) => part.type === type && part.id === id && part.open);
}

function grow(message, type, chunk) {
  const index = openBlock(message, type, chunk.id);
  if (index < 0) return append(message, { ...block(type, chunk.id), text: chunk.delta });
  const part = message.parts[index];
  return replaceAt(message, index, { ...part, text: part.text + chunk.delta });
}

function close(message, type, id) {
  const index = openBlock(message, type, id);
  return index < 0 ? message : replaceAt(message, index, { ...message.parts[index], open: false });
}

/** Change the call's part, or add it: an output may come for a call whose beginning was not seen. */
function tool(message, chunk, change) {
  const index = message.parts.findLastIndex((part) => part.type === 'tool' && part.id === chunk.toolCallId);
  const before =
    index >= 0
      ? message.parts[index]
      : { type: 'tool', id: chunk.toolCallId, name: '', state: 'writing', inputText: '' };
  const changed = { ...before, ...(typeof change === 'function' ? change(before) : change) };
  const part = chunk.toolName ? { ...changed, name: chunk.toolName } : changed;
  return index < 0 ? append(message, part) : replaceAt(message, index, part);
}

/** A data part with an id replaces the one of the same name and id; a transient one is not kept. */
function data(message, chunk) {
  if (chunk.transient) return message;
  const part = { type: 'data', name: chunk.type.slice('data-'.length), id: chunk.id ?? null, data: chunk.data };
  const index =
    part.id === null
      ? -1
      : message.parts.findLastIndex((old) => old.type === 'data' && old.name === part.name && old.id === part.id);
  const next = index < 0 ? append(message, part) : replaceAt(message, index, part);
  return part.name === 'status' && part.data?.status === 'cancelled' ? { ...next, status: 'stopped' } : next;
}

/** Nothing is open any more: an ended message must not look as if it went on. */
function settled(message) {
  if (!message.parts.some((part) => part.open)) return message;
  return { ...message, parts: message.parts.map((part) => (part.open ? { ...part, open: false } : part)) };
}
