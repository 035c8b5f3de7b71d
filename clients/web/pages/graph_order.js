// The nodes of a graph in the order in which values reach them. Pure: no DOM.

/** `[{node, from: [{node, output, input, isStatic}]}]`; nodes of a cycle come where the values enter it. */
export function inOrder(graph) {
  const nodes = new Map((graph.nodes ?? []).map((node) => [node.id, node]));
  const links = (graph.links ?? []).filter((link) => nodes.has(link.source_id) && nodes.has(link.sink_id));
  const waiting = new Map([...nodes.keys()].map((id) => [id, new Set()]));
  for (const link of links) if (link.source_id !== link.sink_id) waiting.get(link.sink_id).add(link.source_id);
  const ordered = [];
  while (waiting.size > 0) {
    const ready = [...waiting.keys()].filter((id) => waiting.get(id).size === 0);
    const next = ready.length > 0 ? ready : [entryOf(waiting)];
    for (const id of next) waiting.delete(id);
    for (const sources of waiting.values()) for (const id of next) sources.delete(id);
    ordered.push(...next);
  }
  return ordered.map((id) => ({ node: nodes.get(id), from: links.filter((link) => link.sink_id === id).map((link) => arrow(link, nodes)) }));
}

/** Of nodes that wait for each other: the one that waits for the fewest others. */
function entryOf(waiting) {
  return [...waiting].reduce((best, one) => (one[1].size < best[1].size ? one : best))[0];
}

function arrow(link, nodes) {
  return { node: nodes.get(link.source_id), output: link.source_name, input: link.sink_name, isStatic: Boolean(link.is_static) };
}
