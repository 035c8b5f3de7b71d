// A small, safe Markdown: text goes in, DOM nodes come out, and HTML in the text stays text.

import { link, make } from './dom.js';
import { OWN_LINK, ownLink } from './router.js';

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const ITEM = /^\s*(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const HEADING = /^(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^\s*([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^\s*>\s?(.*)$/;
const TABLE_LINE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const INLINE = new RegExp(
  /(?<code>`+)(?<verbatim>.+?)\k<code>(?!`)|\*\*(?<bold>[^\s*](?:.*?[^\s])?)\*\*|(?<![\w*])\*(?<italic>[^\s*](?:[^*]*[^\s*])?)\*(?![\w*])|\[(?<label>[^\]]+)\]\((?<target>[^\s)]+)\)|(?<bare>https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]}*])/
    .source + `|(?<own>${OWN_LINK})`,
  'gs',
);

/** Bring `container` up to date with `text`. Blocks that did not change keep their elements, and so a selection. */
export function showMarkdown(container, text) {
  const blocks = parseBlocks(text);
  const shown = (container.markdownBlocks ??= []);
  blocks.forEach((block, index) => {
    const key = JSON.stringify(block);
    if (shown[index] === key) return;
    const element = BLOCKS[block.type](block);
    if (index < shown.length) container.children[index].replaceWith(element);
    else container.append(element);
    shown[index] = key;
  });
  while (shown.length > blocks.length) {
    shown.pop();
    container.lastElementChild.remove();
  }
}

/** Cut text into blocks: plain objects, no DOM. An open code fence reaches to the end, as it does while streaming. */
export function parseBlocks(text) {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    const [block, next] = readBlock(lines, at);
    if (block) blocks.push(block);
    at = next;
  }
  return blocks;
}

function readBlock(lines, at) {
  const line = lines[at];
  if (!line.trim()) return [null, at + 1];
  const fence = line.match(FENCE);
  if (fence) return readFence(lines, at, fence);
  const heading = line.match(HEADING);
  if (heading) return [{ type: 'heading', level: heading[1].length, text: heading[2] }, at + 1];
  if (RULE.test(line)) return [{ type: 'rule' }, at + 1];
  if (QUOTE.test(line)) return readQuote(lines, at);
  if (ITEM.test(line)) return readList(lines, at);
  if (line.includes('|') && TABLE_LINE.test(lines[at + 1] ?? '')) return readTable(lines, at);
  return readParagraph(lines, at);
}

function readFence(lines, at, fence) {
  const end = lines.findIndex((line, index) => index > at && line.trim().startsWith(fence[1]) && !line.trim().slice(fence[1].length).trim());
  const last = end < 0 ? lines.length : end;
  return [{ type: 'code', language: fence[2], text: lines.slice(at + 1, last).join('\n') }, last + 1];
}

function readQuote(lines, at) {
  const end = endOf(lines, at, (line) => QUOTE.test(line));
  return [{ type: 'quote', text: lines.slice(at, end).map((line) => line.match(QUOTE)[1]).join('\n') }, end];
}

function readList(lines, at) {
  const first = lines[at].match(ITEM)[1];
  const items = [];
  let next = at;
  for (; next < lines.length; next += 1) {
    const item = lines[next].match(ITEM);
    if (item && (item[1] === undefined) === (first === undefined)) items.push(item[2]);
    else if (lines[next].trim() && /^\s{2,}/.test(lines[next]) && !lines[next].match(FENCE)) {
      items[items.length - 1] += `\n${lines[next].trim()}`;
    } else if (lines[next].trim() || !ITEM.test(lines[next + 1] ?? '')) break;
  }
  return [{ type: 'list', start: first === undefined ? null : Number(first), items }, next];
}

function readTable(lines, at) {
  const end = endOf(lines, at + 2, (line) => line.includes('|'));
  const rows = [lines[at], ...lines.slice(at + 2, end)].map((line) =>
    line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim()),
  );
  return [{ type: 'table', head: rows[0], rows: rows.slice(1) }, end];
}

function readParagraph(lines, at) {
  const stops = (line) => !line.trim() || [FENCE, HEADING, QUOTE, ITEM].some((pattern) => pattern.test(line));
  const end = endOf(lines, at + 1, (line) => !stops(line));
  return [{ type: 'paragraph', text: lines.slice(at, end).join('\n') }, end];
}

function endOf(lines, at, belongs) {
  const end = lines.findIndex((line, index) => index >= at && !belongs(line));
  return end < 0 ? lines.length : end;
}

const BLOCKS = {
  paragraph: (block) => make('p', {}, ...inline(block.text)),
  heading: (block) => make(`h${Math.min(block.level + 2, 6)}`, {}, ...inline(block.text)),
  rule: () => make('hr'),
  quote: (block) => make('blockquote', {}, ...inline(block.text)),
  code: (block) => make('pre', { tabIndex: 0 }, make('code', block.language ? { title: block.language } : {}, block.text)),
  list: (block) => {
    const items = block.items.map((item) => make('li', {}, ...inline(item)));
    return block.start === null ? make('ul', {}, ...items) : make('ol', { start: block.start }, ...items);
  },
  table: (block) => {
    const row = (cells, kind) => make('tr', {}, ...cells.map((cell) => make(kind, {}, ...inline(cell))));
    const body = block.rows.map((cells) => row(cells, 'td'));
    const table = make('table', {}, make('thead', {}, row(block.head, 'th')), make('tbody', {}, ...body));
    return make('div.table', { tabIndex: 0 }, table);
  },
};

/** Nodes for one run of text: code, bold, italic, links; everything else as it is. */
function inline(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(end, match.index));
    nodes.push(inlineNode(match.groups));
    end = match.index + match[0].length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== '');
}

function inlineNode({ verbatim, bold, italic, label, target, bare, own }) {
  if (verbatim !== undefined) return make('code', {}, verbatim);
  if (bold !== undefined) return make('strong', {}, ...inline(bold));
  if (italic !== undefined) return make('em', {}, ...inline(italic));
  if (label !== undefined) return anchor(target, label);
  return anchor(bare ?? own, bare ?? own);
}

/** A link to a page of ours, or to the outside. */
function anchor(address, words) {
  const own = ownLink(address);
  return own ? make('a', { href: own.href }, words) : link(address, words);
}
