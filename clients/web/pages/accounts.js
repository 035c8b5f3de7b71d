// The user's accounts elsewhere. A secret goes from the form to the API and is never shown again.

import { make, setText } from '../dom.js';
import { hrefOf } from '../router.js';
import { AccountForm } from './account_form.js';
import { confirmed } from '../confirm.js';
import { badge, button, section, time } from './elements.js';
import { Listing } from './listing.js';
import { Loading } from './loading.js';

const NOT_CONNECTED = {
  sign_in_expired: 'That took too long, or was begun in another browser. Try again.',
  sign_in_refused: 'The provider has not agreed. Try again.',
  provider_unavailable: 'The provider does not answer right now. Try again later.',
  too_many_credentials: 'You have too many accounts. Delete one first.',
};

export function accountsPage({ api, route, title, announce }) {
  title('Accounts');
  const said = make('p.page-note', { role: 'status' }, sayingOf(route));
  said.classList.toggle('page-problem', route.page === 'connect_error');
  const adding = make('div');
  let names = new Map();
  const list = new Listing({
    label: 'Accounts',
    empty: 'None is connected.',
    read: async () => ({ items: (await api.accounts()).credentials, next: null }),
    key: (account) => account.id,
    row: (account) => accountRow(names, () => remove(account)),
  });
  const content = make('div', {}, section('Connected', list.element), section('Connect an account', adding));
  const loading = new Loading(content, () => api.accounts(), ({ providers }) => {
    if (names.size > 0) return; // what was typed stays
    names = new Map(providers.map((provider) => [provider.name, provider.title]));
    const wanted = route.page === 'connect' ? route.id : null;
    const form = new AccountForm(api, providers, wanted, async (account) => {
      announce(`${account.title || names.get(account.provider)} is connected.`);
      await list.refresh();
      if (!list.focus(account.id)) form.focus();
    });
    adding.replaceChildren(form.element);
    if (wanted) form.focus();
    list.refresh();
  });

  async function remove(account) {
    const name = account.title || names.get(account.provider) || account.provider;
    if (!(await confirmed('Delete this account?', `“${name}” and its secret go at once. What uses it fails from now on.`, 'Delete'))) return;
    await api.deleteAccount(account.id);
    announce('The account is deleted.');
    await list.refresh();
  }

  return {
    element: make('div.page-body', {}, said, loading.element),
    refresh: () => (names.size > 0 ? list.refresh() : loading.refresh()),
  };
}

function sayingOf({ page, id }) {
  if (page === 'connected') return `${id} is connected.`;
  return page === 'connect_error' ? (NOT_CONNECTED[id] ?? 'The account could not be connected.') : '';
}

function accountRow(names, remove) {
  const name = make('span.row-title');
  const facts = make('p.note');
  const state = badge();
  const again = make('a', {}, 'Connect again');
  const removal = button('Delete', remove);
  return {
    element: make('li.row', {}, make('div.row-main', {}, name, facts), state.element, again, removal),
    update(account) {
      const ready = account.status === 'ready';
      setText(name, account.title || names.get(account.provider) || account.provider);
      facts.replaceChildren(
        [names.get(account.provider) ?? account.provider, account.hosts.join(', '), account.scopes.join(' ')].filter(Boolean).join(' · '),
        ' · since ', time(account.created_at),
        account.last_used_on ? ` · last used ${account.last_used_on}` : ' · not used yet',
      );
      state.show(ready ? 'Ready' : 'Connect again', ready ? 'good' : 'bad');
      again.hidden = ready;
      again.href = hrefOf('connect', account.provider);
      removal.ariaLabel = `Delete ${name.textContent}`;
    },
  };
}
