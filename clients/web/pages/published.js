// One agent of the marketplace.

import { make } from '../dom.js';
import { agentFacts } from './agent_facts.js';
import { addToLibrary } from './agents.js';
import { button, section } from './elements.js';
import { Loading } from './loading.js';

export function publishedPage({ api, route, title, announce }) {
  title('Marketplace');
  const content = make('div');
  const loading = new Loading(content, () => api.publishedAgent(route.id), (agent) => {
    title(agent.name);
    const inputs = Object.entries(agent.input_schema.properties ?? {}).map(([name, schema]) =>
      make('li', {}, make('strong', {}, name), schema.description ? `: ${schema.description}` : ''),
    );
    content.replaceChildren(
      ...agentFacts(agent),
      button('Add to library', () => addToLibrary(api, announce, agent), 'primary'),
      section('What it asks for', inputs.length > 0 ? make('ul', {}, ...inputs) : make('p.note', {}, 'Nothing.')),
    );
  });
  return { element: make('div.page-body', {}, loading.element), refresh: () => loading.refresh() };
}
