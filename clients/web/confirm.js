// A question before something is gone for good.

import { make } from './dom.js';

/**
 * Ask; whether `answer` was chosen. Escape and Cancel keep things as they are.
 *
 * Each question is a dialog of its own: browsers tell of a closing later, when the same one may be open again.
 */
export function confirmed(question, explanation, answer) {
  const title = make('h2', { id: 'confirm-question' }, question);
  const keep = make('button.quiet', { type: 'submit', value: 'keep', autofocus: true }, 'Cancel');
  const go = make('button.danger', { type: 'submit', value: 'go' }, answer);
  const form = make('form', { method: 'dialog' }, title, make('p', {}, explanation), make('div.confirm-answers', {}, keep, go));
  const dialog = make('dialog.confirm', { 'aria-labelledby': title.id }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'go');
    });
  });
}
