// What was used, in few words.

import { make } from './dom.js';

const PERIODS = { daily: 'Today', weekly: 'This week' };
const MICROS = 1_000_000;

/** The user's day and week: a share of the budget where there is one, else the tokens. */
export function usageRows(usage) {
  return Object.entries(PERIODS).flatMap(([period, label]) => {
    const { percent_used: percent, tokens, usd, resets_at: resets } = usage[period];
    const used = amounts(tokens.used, usd.used);
    if (percent == null && !used) return [];
    const whole = `Counts from zero again on ${new Date(resets).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })}`;
    const share = percent == null ? null : Math.min(100, Math.round(percent));
    return [
      make('dt', {}, label),
      make('dd', { title: share == null ? whole : `${used || 'Nothing'} used. ${whole}` }, share == null ? used : `${share} % used`),
      share != null && make('dd.share', { 'aria-hidden': 'true' }, make('progress', { max: 100, value: share })),
    ].filter(Boolean);
  });
}

/** What one chat has used; empty if that is nothing. */
export function totalsText(totals) {
  if (!totals) return '';
  return amounts(totals.prompt_tokens + totals.completion_tokens, totals.cost_micros / MICROS);
}

function amounts(tokens, usd) {
  const words = [];
  if (tokens) words.push(`${tokens.toLocaleString()} tokens`);
  if (usd) words.push(usd < 0.01 ? 'under $0.01' : `$${usd.toFixed(2)}`);
  return words.join(' · ');
}
