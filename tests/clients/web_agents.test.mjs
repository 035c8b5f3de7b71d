// What the console's pages about agents make of addresses, schemas, graphs and times. Needs nothing but Node:
// node --test tests/clients/web_agents.test.mjs

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { noticeOf } from '../../clients/web/notices.js';
import { whyItRests, whyNothingStarted } from '../../clients/web/schedule_reasons.js';
import { inOrder } from '../../clients/web/pages/graph_order.js';
import { kindOf, shownDefault, valueOf } from '../../clients/web/pages/input_values.js';
import { onItsClocks } from '../../clients/web/pages/local_time.js';
import { inputLines, lastName, problemLines } from '../../clients/web/pages/problems.js';
import { changedData, shownData } from '../../clients/web/pages/review_data.js';
import { hrefOf, ownLink, routeOf, withOwnLinks } from '../../clients/web/router.js';

test('each address leads to its page, and any other to a new chat', () => {
  assert.deepEqual(routeOf('#agent=01K0'), { page: 'agent', id: '01K0' });
  assert.deepEqual(routeOf('#store=ada/tide-table'), { page: 'store', id: 'ada/tide-table' });
  assert.deepEqual(routeOf('#agents'), { page: 'agents', id: null });
  assert.deepEqual(routeOf('#connect_error=sign_in_expired'), { page: 'connect_error', id: 'sign_in_expired' });
  for (const other of ['', '#', '#agent=', '#elsewhere=1', '#run']) assert.deepEqual(routeOf(other), { page: 'chat', id: null });
});

test('an address that was made leads back to what it was made of', () => {
  for (const id of ['01K0', 'ada/tide-table', 'copilot-node-a:b', 'ä &=#']) assert.equal(routeOf(hrefOf('run', id)).id, id);
});

test('a schedule that stops by itself is told in words', () => {
  const frame = { type: 'notify', kind: 'schedule-paused', name: 'Tides', status: 'paused', reason: 'failures', error: 'The model is away.' };
  assert.equal(noticeOf(frame), 'The schedule “Tides” fires no more: The model is away.');
  assert.equal(noticeOf({ ...frame, reason: 'ended', error: '' }), 'The schedule “Tides” fires no more: its end has come');
  assert.equal(noticeOf({ ...frame, reason: 'still_running' }), 'The schedule “Tides” fires no more: at its only time, what it had started before still ran');
  assert.equal(noticeOf({ ...frame, reason: 'too_many_runs', error: '' }), 'The schedule “Tides” fires no more: too many runs were at work');
  assert.equal(noticeOf({ type: 'notify', kind: 'run-finished' }), '');
});

test('why a schedule rests is said in words, and not at all if its user has paused it', () => {
  assert.equal(whyItRests('user', 'The model is away.'), '');
  assert.equal(whyItRests('ended', 'The model was away.'), 'its end has come');
  assert.equal(whyItRests('agent_invalid', 'The agent was changed. It asks for a river.'), 'The agent was changed. It asks for a river.');
  assert.equal(whyItRests('daily_budget', null), 'the budget of the day was used up');
  assert.equal(whyItRests('of_a_later_version', null), 'of_a_later_version');
});

test('why a fire has started nothing is said in words', () => {
  assert.equal(whyNothingStarted('still_running'), 'what it had started before still ran');
  assert.equal(whyNothingStarted('of_a_later_version'), 'of_a_later_version');
  assert.equal(whyNothingStarted(null), '');
});

test('each reason that the page about schedules names has words', () => {
  const page = readFileSync(new URL('../../docs/schedules.md', import.meta.url), 'utf8');
  const [, table] = page.split('| `reason` of a schedule that rests');
  const rows = table.split('\n\n')[0].split('\n').slice(2).map((row) => row.split('|')[1]);
  const codes = rows.flatMap((cell) => [...cell.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code));
  assert.ok(codes.includes('still_running') && codes.includes('invalid_times'));
  for (const code of codes) assert.notEqual(whyItRests(code, code === 'failures' ? 'It failed.' : ''), code);
});

test('only links to pages of ours are links', () => {
  assert.deepEqual(ownLink('/#run=01K0'), { page: 'run', id: '01K0', href: '#run=01K0' });
  const foreign = ['https://a.example/#run=1', '//a.example/#run=1', '/#token=abc', '/#connected=x', '#run=1', '/#run=1 2', '/#run=', 'javascript:1', 5, null];
  for (const other of foreign) assert.equal(ownLink(other), null);
});

test('links of ours are found in a text, without the full stop after them', () => {
  const pieces = withOwnLinks('Look at /#run=01K0. Not at https://a.example/#run=1 or /#token=1.');

  assert.deepEqual(pieces.map((piece) => piece.text ?? piece), ['Look at ', '/#run=01K0', '. Not at https://a.example/#run=1 or /#token=1.']);
});

test('a schema says how its input is asked for', () => {
  const kinds = { string: 'text', integer: 'number', number: 'number', boolean: 'switch', array: 'json', object: 'json' };
  for (const [type, kind] of Object.entries(kinds)) assert.equal(kindOf({ type }), kind);
  assert.equal(kindOf({ type: 'string', format: 'password' }), 'secret');
  assert.equal(kindOf({ type: 'string', format: 'uri' }), 'line');
  assert.equal(kindOf({ type: 'string', enum: ['a', 'b'] }), 'choice');
  assert.equal(kindOf({}), 'json');
});

test('defaults are filled in as they would be typed', () => {
  assert.equal(shownDefault({ type: 'string', default: 'cheerful' }), 'cheerful');
  assert.equal(shownDefault({ type: 'number', default: 0 }), '0');
  assert.equal(shownDefault({ type: 'array', default: ['a'] }), '[\n  "a"\n]');
  assert.equal(shownDefault({ default: 'words' }), '"words"');
  assert.equal(shownDefault({ type: 'string', default: null }), '');
});

test('what is typed becomes a value of the type', () => {
  assert.deepEqual(valueOf({ type: 'string' }, ' as typed ', true), { value: ' as typed ' });
  assert.deepEqual(valueOf({ type: 'integer' }, '12', true), { value: 12 });
  assert.deepEqual(valueOf({ type: 'number' }, '1,5', true), { value: 1.5 });
  assert.deepEqual(valueOf({ type: 'boolean' }, false, true), { value: false });
  assert.deepEqual(valueOf({ type: 'array' }, '[1]', true), { value: [1] });
  assert.deepEqual(valueOf({ enum: [1, 'a'] }, '1', true), { value: 1 });
  assert.deepEqual(valueOf({}, 'plain words', true), { value: 'plain words' });
  assert.deepEqual(valueOf({}, '{"a": 1}', true), { value: { a: 1 } });
});

test('what does not fit is said in words', () => {
  for (const [schema, typed] of [[{ type: 'integer' }, '1.5'], [{ type: 'number' }, 'one'], [{ type: 'array' }, '{}'], [{ type: 'object' }, '[]'], [{ type: 'object' }, '{']]) {
    assert.match(valueOf(schema, typed, true).problem, /^This is not/);
  }
});

test('nothing typed: needed, left out, or an empty text in place of a default', () => {
  assert.deepEqual(valueOf({ type: 'string' }, ' ', true), { problem: 'This is needed.' });
  assert.deepEqual(valueOf({ type: 'number', default: 3 }, '', false), { absent: true });
  assert.deepEqual(valueOf({ type: 'string', default: null }, '', false), { absent: true });
  assert.deepEqual(valueOf({ type: 'string', default: 'x' }, '', false), { value: '' });
});

const node = (id) => ({ id, block_id: 'b' });
const link = (source, sink, more = {}) => ({ source_id: source, source_name: 'out', sink_id: sink, sink_name: 'in', ...more });
const order = (graph) => inOrder(graph).map((step) => step.node.id);

test('nodes come after those that give them values', () => {
  const graph = { nodes: ['end', 'middle', 'start'].map(node), links: [link('start', 'middle'), link('middle', 'end', { is_static: true })] };

  assert.deepEqual(order(graph), ['start', 'middle', 'end']);
  assert.deepEqual(inOrder(graph)[2].from, [{ node: graph.nodes[1], output: 'out', input: 'in', isStatic: true }]);
});

test('a cycle begins where the values come in, and a link to nowhere is left out', () => {
  const links = [link('b', 'c'), link('c', 'b'), link('a', 'b'), link('a', 'gone'), link('c', 'c')];

  assert.deepEqual(order({ nodes: ['c', 'b', 'a'].map(node), links }).toSorted(), ['a', 'b', 'c']);
  assert.equal(order({ nodes: ['c', 'b', 'a'].map(node), links })[0], 'a');
});

test('what a review is about is changed as words or as JSON', () => {
  assert.equal(shownData('two\nlines'), 'two\nlines');
  assert.deepEqual(changedData('words', 'words'), {});
  assert.deepEqual(changedData('two\r\nlines', 'two\nlines'), {});
  assert.deepEqual(changedData('words', 'null'), { data: 'null' });
  assert.deepEqual(changedData({ a: 1 }, shownData({ a: 1 })), {});
  assert.deepEqual(changedData({ a: 1 }, 'null'), { data: null });
  assert.equal(changedData({ a: 1 }, '{"a": '), null);
});

test('what an answer refuses is said in a line for each problem', () => {
  const details = { problems: [{ field: 'to.0', problem: 'Field required' }, { field: '', problem: 'Too long' }] };
  assert.deepEqual(problemLines({ details }), ['to.0: Field required', 'Too long']);
  for (const none of [null, {}, { problems: 'none' }]) assert.deepEqual(problemLines({ details: none }), []);
});

test('inputs that do not fit are said once each', () => {
  const details = { unknown: ['whom'], missing: ['who'], problems: ['often: the value is no number'], inputs: {} };
  assert.deepEqual(inputLines({ details }), ['whom is unknown', 'who is missing', 'often: the value is no number']);
  assert.deepEqual(inputLines({ details: null }), []);
});

test('a field is named by its last name, and one of several values by its number', () => {
  assert.deepEqual(['hosts.0', 'http_basic.hosts.1', 'http_bearer.token', ''].map((field) => lastName(field, false)), ['hosts', 'hosts', 'token', '']);
  assert.equal(lastName('http_basic.hosts.1', true), 'hosts, no. 2');
  assert.equal(lastName('token', true), 'token');
});

test('a time is shown on the clocks of its own zone', () => {
  assert.equal(onItsClocks('2025-07-18T09:30:00+02:00', 'en-GB'), '18 Jul 2025, 09:30 (UTC+02:00)');
  assert.equal(onItsClocks('2025-07-18T23:30:00Z', 'en-GB'), '18 Jul 2025, 23:30 (UTC)');
  assert.equal(onItsClocks(null), '');
});
