// An agent's graph for people: its nodes in order, each with where its values come from.

import { make } from '../dom.js';
import { inOrder } from './graph_order.js';

const MAX_NODES = 500;
const NAMED_OTHERWISE = new Set(['name', 'value_schema']); // in the heading, and in the form of the inputs
const MAX_VALUE = 200; // characters of a default

/** The picture; `blocks` are names of blocks by their ids. */
export function graphPicture(graph, blocks) {
  const steps = inOrder(graph);
  const numbers = new Map(steps.map(({ node }, at) => [node.id, at + 1]));
  const named = (node) => node.title || String(node.input_default?.name ?? '') || blocks.get(node.block_id) || node.id;
  const rows = steps.slice(0, MAX_NODES).map(({ node, from }) => {
    const block = blocks.get(node.block_id) ?? 'Unknown block';
    const defaults = Object.entries(node.input_default ?? {}).filter(([name]) => !NAMED_OTHERWISE.has(name));
    const arrows = from.map((one) => {
      const source = `${numbers.get(one.node.id)}. ${named(one.node)}`;
      const words = `${one.input} ← ${one.output} of ${source}`;
      return make('li', {}, words, one.isStatic && make('span.note', {}, ' (kept)'));
    });
    const given = defaults.map(([name, value]) => make('li', {}, `${name} = ${short(value)}`));
    return make(
      'li.step',
      {},
      make('p', {}, make('strong', {}, named(node)), named(node) === block ? '' : ` · ${block}`),
      arrows.length + given.length > 0 && make('ul', {}, ...arrows, ...given),
    );
  });
  const left = steps.length - rows.length;
  return make('div', {}, make('ol.steps', {}, ...rows), left > 0 && make('p.note', {}, `${left} more nodes are not shown.`));
}

function short(value) {
  const words = typeof value === 'string' ? value : JSON.stringify(value);
  return words.length <= MAX_VALUE ? words : `${words.slice(0, MAX_VALUE)}…`;
}
