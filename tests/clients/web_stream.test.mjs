// What the console makes of a stream and of stored rows. Needs nothing but Node: node --test tests/clients/web_stream.test.mjs

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { mergeRows, toMessages } from '../../clients/web/history.js';
import { parseBlocks } from '../../clients/web/markdown.js';
import { emptyMessage, order, reduce } from '../../clients/web/stream.js';

const freeze = (value) => {
  if (value && typeof value === 'object') Object.values(value).forEach(freeze);
  return Object.freeze(value);
};
/** The message after these chunks; every state on the way is frozen, so a change in place would throw. */
const play = (...chunks) => chunks.reduce((message, chunk) => freeze(reduce(message, chunk)), freeze(emptyMessage()));
const shown = (message) => message.parts.filter((part) => part.type !== 'step');

const START = { type: 'start', messageId: 'msg_1' };
const STEP = { type: 'start-step' };
const text = (id, ...deltas) => [
  { type: 'text-start', id },
  ...deltas.map((delta) => ({ type: 'text-delta', id, delta })),
  { type: 'text-end', id },
];
const available = { type: 'tool-input-available', toolCallId: 'c1', toolName: 'web_fetch', input: { url: 'https://a.example' } };

test('a plain answer: start names the message, deltas make one text, finish says how it ended', () => {
  const message = play(START, STEP, ...text('t', 'Hel', 'lo'), { type: 'finish-step' }, { type: 'finish', finishReason: 'stop' });

  assert.equal(message.id, 'msg_1');
  assert.deepEqual(shown(message), [{ type: 'text', id: 't', text: 'Hello', open: false }]);
  assert.deepEqual([message.status, message.finishReason], ['done', 'stop']);
});

test('text is open until its end', () => {
  const message = play(START, ...text('t', 'Hel').slice(0, -1));

  assert.equal(shown(message)[0].open, true);
  assert.equal(message.status, 'streaming');
});

test('a block whose id comes again in a later step is a block of its own', () => {
  const message = play(START, STEP, ...text('0', 'one'), STEP, ...text('0', 'two'));

  assert.deepEqual(shown(message).map((part) => part.text), ['one', 'two']);
});

test('interleaved blocks grow by their ids', () => {
  const [startA, deltaA, endA] = text('a', 'A');
  const [startB, deltaB, endB] = text('b', 'B');
  const message = play(startA, startB, deltaA, deltaB, deltaA, endB, endA);

  assert.deepEqual(shown(message).map((part) => part.text), ['AA', 'B']);
});

test('a delta without its beginning is shown all the same', () => {
  assert.equal(shown(play({ type: 'text-delta', id: 't', delta: 'late' }))[0].text, 'late');
});

test('reasoning is a part of its own, before the text', () => {
  const message = play(
    { type: 'reasoning-start', id: 'r' },
    { type: 'reasoning-delta', id: 'r', delta: 'Hmm' },
    { type: 'reasoning-end', id: 'r' },
    ...text('t', 'Yes'),
  );

  assert.deepEqual(shown(message).map((part) => [part.type, part.text, part.open]), [['reasoning', 'Hmm', false], ['text', 'Yes', false]]);
});

test('a tool call goes from writing to running to done, in one part', () => {
  const writing = play(
    { type: 'tool-input-start', toolCallId: 'c1', toolName: 'web_fetch' },
    { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '{"url":' },
    { type: 'tool-input-delta', toolCallId: 'c1', inputTextDelta: '"x"' },
  );
  assert.deepEqual([shown(writing)[0].state, shown(writing)[0].inputText], ['writing', '{"url":"x"']);

  const running = reduce(writing, available);
  assert.equal(shown(running)[0].state, 'running');
  assert.deepEqual(shown(running)[0].input, { url: 'https://a.example' });

  const done = reduce(running, { type: 'tool-output-available', toolCallId: 'c1', output: { title: 'A' } });
  assert.equal(shown(done).length, 1);
  assert.deepEqual([shown(done)[0].name, shown(done)[0].state, shown(done)[0].output], ['web_fetch', 'done', { title: 'A' }]);
});

test('complete arguments need no beginning', () => {
  assert.deepEqual([shown(play(available))[0].name, shown(play(available))[0].state], ['web_fetch', 'running']);
});

test('preliminary outputs replace each other and leave the call running', () => {
  const message = play(
    available,
    { type: 'tool-output-available', toolCallId: 'c1', output: 1, preliminary: true },
    { type: 'tool-output-available', toolCallId: 'c1', output: 2, preliminary: true },
  );

  assert.deepEqual([shown(message)[0].state, shown(message)[0].output], ['running', 2]);
});

for (const [chunk, state, error] of [
  [{ type: 'tool-output-error', toolCallId: 'c1', errorText: 'no' }, 'failed', 'no'],
  [{ type: 'tool-output-denied', toolCallId: 'c1' }, 'denied', undefined],
  [{ type: 'tool-approval-request', toolCallId: 'c1', approvalId: 'a' }, 'approval', undefined],
]) {
  test(`${chunk.type} leaves the call ${state}`, () => {
    const part = shown(play(available, chunk))[0];
    assert.deepEqual([part.state, part.error], [state, error]);
  });
}

test('arguments that could not be read are an error of the call', () => {
  const part = shown(play({ type: 'tool-input-error', toolCallId: 'c1', toolName: 'x', input: '{', errorText: 'bad' }))[0];
  assert.deepEqual([part.state, part.input, part.error], ['failed', '{', 'bad']);
});

test('parallel calls keep apart', () => {
  const message = play(
    available,
    { ...available, toolCallId: 'c2' },
    { type: 'tool-output-error', toolCallId: 'c2', errorText: 'no' },
    { type: 'tool-output-available', toolCallId: 'c1', output: 'yes' },
  );

  assert.deepEqual(shown(message).map((part) => [part.id, part.state]), [['c1', 'done'], ['c2', 'failed']]);
});

test('reset-step withdraws what the step has shown and nothing before it', () => {
  const message = play(START, STEP, ...text('a', 'keep'), STEP, ...text('b', 'withdraw'), available, { type: 'reset-step' }, ...text('b', 'again'));

  assert.deepEqual(shown(message).map((part) => part.text), ['keep', 'again']);
  assert.equal(message.id, 'msg_1');
});

test('reset-step before any step withdraws everything', () => {
  assert.deepEqual(play(START, ...text('a', 'x'), { type: 'reset-step' }).parts, []);
});

test('a data part is kept, one with an id replaces its earlier self, a transient one is not kept', () => {
  const message = play(
    { type: 'data-note', data: 1 },
    { type: 'data-progress', id: 'p', data: 1 },
    { type: 'data-progress', id: 'p', data: 2 },
    { type: 'data-notice', data: 3, transient: true },
  );

  assert.deepEqual(shown(message).map((part) => [part.name, part.data]), [['note', 1], ['progress', 2]]);
});

test('a cancelled turn is stopped, not failed, and keeps its text', () => {
  const message = play(START, ...text('t', 'half'), { type: 'data-status', data: { status: 'cancelled' } }, { type: 'finish', finishReason: 'other' });

  assert.equal(message.status, 'stopped');
  assert.equal(shown(message)[0].text, 'half');
});

test('abort marks the message as stopped and closes what is open', () => {
  const message = play(START, ...text('t', 'half').slice(0, -1), { type: 'abort' });

  assert.deepEqual([message.status, shown(message)[0].open], ['stopped', false]);
});

test('an error fails the message, keeps its parts, and the finish after it changes nothing about that', () => {
  const message = play(START, ...text('t', 'half'), { type: 'error', errorText: 'model_failed' }, { type: 'finish', finishReason: 'error' });

  assert.deepEqual([message.status, message.error, shown(message)[0].text], ['failed', 'model_failed', 'half']);
});

test('sources and files are parts', () => {
  const message = play(
    { type: 'source-url', sourceId: 's', url: 'https://a.example', title: 'A' },
    { type: 'source-document', sourceId: 'd', mediaType: 'application/pdf', title: 'D' },
    { type: 'file', url: 'https://a.example/f.png', mediaType: 'image/png' },
  );

  assert.deepEqual(shown(message).map((part) => [part.type, part.title]), [['source', 'A'], ['source', 'D'], ['file', 'image/png']]);
});

test('what is unknown or says nothing is left alone, and the message stays the same object', () => {
  const message = play(START);

  for (const type of ['finish-step', 'message-metadata', 'custom', 'something-new', undefined]) {
    assert.equal(reduce(message, { type }), message);
  }
});

test('parts that a chunk does not touch stay the same objects', () => {
  const before = play(...text('a', 'x'), { type: 'text-start', id: 'b' });
  const after = reduce(before, { type: 'text-delta', id: 'b', delta: 'y' });

  assert.equal(after.parts[0], before.parts[0]);
  assert.notEqual(after.parts[1], before.parts[1]);
});

test('frames are taken in order, once: a repeated one is ignored, a gap is seen', () => {
  assert.deepEqual([order(-1, 0), order(4, 5), order(4, 4), order(4, 0), order(4, 6)], ['next', 'next', 'repeated', 'repeated', 'gap']);
});

const row = (sequence, role, more = {}) => ({ sequence, role, id: `row${sequence}`, task_id: 'T', content: '', created_at: 'now', ...more });
const CALL = { id: 'c1', name: 'web_fetch', arguments: '{"url":"https://a.example"}' };

test('the rows of a turn become one message that looks like the streamed one', () => {
  const stored = toMessages([
    row(0, 'user', { content: 'hello', id: 'mine' }),
    row(1, 'assistant', { reasoning: 'Hmm', content: 'I look.', tool_calls: [CALL] }),
    row(2, 'tool', { tool_call_id: 'c1', tool_name: 'web_fetch', content: '{"title":"A"}' }),
    row(3, 'assistant', { content: 'Done.' }),
  ]);

  assert.deepEqual(stored.map((message) => [message.id, message.role]), [['mine', 'user'], ['msg_T', 'assistant']]);
  assert.deepEqual(shown(stored[1]).map((part) => part.type), ['reasoning', 'text', 'tool', 'text']);
  const call = shown(stored[1])[2];
  assert.deepEqual([call.state, call.input, call.output], ['done', { url: 'https://a.example' }, { title: 'A' }]);
});

test('failed calls, broken arguments and stopped turns keep what they are', () => {
  const stored = toMessages([
    row(0, 'assistant', { tool_calls: [{ ...CALL, arguments: '{"url' }] }),
    row(1, 'tool', { tool_call_id: 'c1', content: '{"type":"error","message":"not JSON"}', is_error: true }),
    row(2, 'assistant', { content: 'half', status: 'cancelled' }),
  ]);

  const call = shown(stored[0])[0];
  assert.deepEqual([call.state, call.input, call.error], ['failed', '{"url', 'not JSON']);
  assert.equal(stored[0].status, 'stopped');
});

test('a message that was read in the middle of a turn divides it, and both halves have ids of their own', () => {
  const stored = toMessages([row(0, 'assistant', { content: 'a' }), row(1, 'user', { content: 'and?' }), row(2, 'assistant', { content: 'b' })]);

  assert.deepEqual(stored.map((message) => message.id), ['msg_T', 'row1', 'msg_T~2']);
});

test('of the turn that is being streamed only the words that began it come from the rows', () => {
  const ids = (rows) => toMessages(rows, 'T').map((message) => message.id);
  const before = row(0, 'assistant', { task_id: 'S' });

  assert.deepEqual(ids([before, row(1, 'user'), row(2, 'user'), row(3, 'assistant'), row(4, 'user')]), ['msg_S', 'row1', 'row2']);
  assert.deepEqual(ids([before, row(1, 'user'), row(5, 'user')]), ['msg_S', 'row1'], 'the API leaves the rows between out');
});

test('a failed turn says why', () => {
  const [message] = toMessages([row(0, 'assistant', { status: 'failed', error: 'The model gave up.' })]);

  assert.deepEqual([message.status, message.error], ['failed', 'The model gave up.']);
});

test('pages of rows join by sequence, the fresh page wins, and there is never a hole', () => {
  const rows = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => row(from + at, 'user'));
  const sequences = (list) => list.map((item) => item.sequence);

  assert.deepEqual(sequences(mergeRows([], rows(3, 4))), [3, 4]);
  assert.deepEqual(sequences(mergeRows(rows(3, 4), rows(0, 2))), [0, 1, 2, 3, 4]);
  assert.deepEqual(sequences(mergeRows(rows(0, 3), rows(2, 5))), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(sequences(mergeRows(rows(0, 3), rows(9, 10))), [9, 10]);
  assert.deepEqual(sequences(mergeRows(rows(0, 3), [])), [0, 1, 2, 3]);
});

test('Markdown is cut into blocks; HTML stays text; an open fence reaches to the end', () => {
  const source = '# Title\n\nOne *two*\n<b>x</b>\n\n- a\n- b\n  more\n\n3. c\n\n> q\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n```js\nlet x;\n\n- no list';

  assert.deepEqual(parseBlocks(source), [
    { type: 'heading', level: 1, text: 'Title' },
    { type: 'paragraph', text: 'One *two*\n<b>x</b>' },
    { type: 'list', start: null, items: ['a', 'b\nmore'] },
    { type: 'list', start: 3, items: ['c'] },
    { type: 'quote', text: 'q' },
    { type: 'table', head: ['a', 'b'], rows: [['1', '2']] },
    { type: 'rule' },
    { type: 'code', language: 'js', text: 'let x;\n\n- no list' },
  ]);
});

const asked = {
  task_id: 'A', role: 'tool', sequence: 2, tool_call_id: 'c1', tool_name: 'echo', is_error: false,
  content: JSON.stringify({ type: 'approval_pending', message: '', approval_id: 'a1' }),
};
const asking = {
  task_id: 'A', role: 'assistant', sequence: 1, id: 'A-1', content: 'Well.', is_error: false,
  tool_calls: [{ id: 'c1', name: 'echo', arguments: '{}' }],
};

test('a stored call that waits for approval can be answered', () => {
  const part = toMessages([asking, asked])[0].parts.at(-1);
  assert.deepEqual([part.state, part.approvalId, part.output], ['approval', 'a1', undefined]);
});

test('the turn that goes on with a call is part of the same message', () => {
  const result = { ...asked, task_id: 'B', content: '{"type":"echo"}' };
  const answer = { ...asking, task_id: 'B', sequence: 3, id: 'B-3', content: 'Done.', tool_calls: null };
  const messages = toMessages([asking, result, answer]);
  assert.deepEqual(messages.map(({ id }) => id), ['msg_A']);
  assert.deepEqual(messages[0].parts.filter(({ type }) => type === 'text').map(({ text }) => text), ['Well.', 'Done.']);
  assert.equal(messages[0].parts.find(({ type }) => type === 'tool').state, 'done');
});

test('a call that was not approved is denied', () => {
  const denied = { ...asked, is_error: true, content: '{"type":"error","code":"not_approved","message":"No."}' };
  assert.equal(toMessages([asking, denied])[0].parts.at(-1).state, 'denied');
});
