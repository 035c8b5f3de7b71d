// Small things that all pages are made of.

import { make, setText } from '../dom.js';

/** A button that does `work()`; meanwhile it does nothing more, and what goes wrong becomes an event `problem`. */
export function button(words, work, kind = 'plain') {
  const element = make(`button.${kind}`, { type: 'button' }, words);
  element.addEventListener('click', () => attempt(element, work));
  return element;
}

/** Do `work()` unless it is at work already; says problems as an event `problem` of `element`, with null before. */
export async function attempt(element, work) {
  if (element.ariaBusy === 'true') return;
  element.ariaBusy = 'true'; // not disabled: that would take the focus away
  tell(element, null);
  try {
    await work();
  } catch (error) {
    tell(element, error);
  }
  element.ariaBusy = null;
}

function tell(element, error) {
  element.dispatchEvent(new CustomEvent('problem', { bubbles: true, detail: error }));
}

/** One word about how something is, coloured by `good`, `busy`, `asks`, `bad` or `rests`. */
export function badge() {
  const element = make('span.badge');
  return {
    element,
    show(words, mood) {
      setText(element, words);
      element.dataset.mood = mood;
    },
  };
}

/** An instant on this browser's clocks. */
export function time(iso) {
  if (!iso) return '';
  const date = new Date(iso);
  return make('time', { dateTime: iso, title: iso }, date.toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' }));
}

/** `1 node`, `2 nodes`. */
export function counted(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? '' : 's'}`;
}

/** Pieces with dots between them, each a list of children; what is false or null is left out. */
export function dotted(pieces) {
  return pieces.filter(Boolean).flatMap((piece, at) => (at > 0 ? [' · ', ...piece] : piece));
}

/** A heading with what stands below it. */
export function section(title, ...children) {
  return make('section.block', {}, make('h2', {}, title), ...children);
}

/** A label above a field. */
export function labelled(words, field, note = '') {
  field.id ||= `field-${crypto.randomUUID()}`;
  const hint = note && make('p.note', { id: `${field.id}-note` }, note);
  if (hint) field.setAttribute('aria-describedby', hint.id);
  return make('div.field', {}, make('label', { htmlFor: field.id }, words), hint || null, field);
}
