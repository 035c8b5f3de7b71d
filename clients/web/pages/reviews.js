// What runs and chats have asked the user.

import { make } from '../dom.js';
import { labelled } from './elements.js';
import { Listing } from './listing.js';
import { ReviewCard } from './review_card.js';

const FILTERS = {
  pending: 'Waiting for you', approved: 'Approved', rejected: 'Rejected', expired: 'Expired', closed: 'Not needed any more',
};

export function reviewsPage({ api, title, announce, reviewed }) {
  title('Reviews');
  const options = Object.entries(FILTERS).map(([value, words]) => make('option', { value }, words));
  const filter = make('select', {}, ...options);
  const list = new Listing({
    label: 'Reviews',
    empty: 'There is nothing here.',
    read: async (cursor) => {
      const answer = await api.reviews(filter.value, cursor, 10);
      return { items: answer.reviews, next: answer.next_cursor };
    },
    key: (review) => review.review_id,
    row: (review) => reviewRow(api, review, () => {
      announce('Your answer is kept.');
      reviewed();
    }),
  });
  filter.addEventListener('change', () => list.restart());
  return {
    element: make('div.page-body', {}, labelled('Show', filter), list.element),
    refresh: () => list.refresh(),
  };
}

/** A decided review stays where it is until the page is left or read again. */
function reviewRow(api, { review_id: id }, decided) {
  const card = new ReviewCard(api, id, { decided });
  card.refresh();
  let status = null;
  return {
    element: make('li', {}, card.element),
    update(review) {
      if (status !== null && status !== review.status) card.refresh();
      status = review.status;
    },
  };
}
