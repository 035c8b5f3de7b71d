// What an agent, of a library or of the marketplace, is told about in words.

import { make } from '../dom.js';
import { hrefOf } from '../router.js';

/** What it does and needs, as elements. */
export function agentFacts({ description, slug, version, credentials, output_schema: outputs }) {
  const names = Object.keys(outputs?.properties ?? {});
  const accounts = (credentials ?? []).flatMap((provider, at) => [
    at > 0 && ', ',
    make('a', { href: hrefOf('connect', provider) }, provider),
  ]);
  return [
    description && make('p.about', {}, description),
    make('p.note', {}, [slug, `version ${version}`, names.length > 0 && `answers ${names.join(', ')}`].filter(Boolean).join(' · ')),
    accounts.length > 0 && make('p.note', {}, 'Needs an account: ', ...accounts.filter(Boolean)),
  ].filter(Boolean);
}
