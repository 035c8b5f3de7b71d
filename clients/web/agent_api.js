// The routes about agents, runs, reviews, schedules and accounts.

import { pathOf } from './api.js';

export class AgentApi {
  #api;
  #blocks = null;

  constructor(api) {
    this.#api = api;
  }

  // Agents

  agents(query, cursor) {
    return this.#api.call('GET', 'agents', { query: { limit: 30, query, cursor } });
  }

  agent(id) {
    return this.#api.call('GET', pathOf('agents', id), { query: { include_graph: true } });
  }

  versions(id, cursor) {
    return this.#api.call('GET', pathOf('agents', id, 'versions'), { query: { limit: 10, cursor } });
  }

  chooseVersion(id, version) {
    return this.#api.call('PATCH', pathOf('agents', id), { body: { version } });
  }

  exported(id) {
    return this.#api.call('GET', pathOf('agents', id, 'export'));
  }

  /** Take in what was exported, or a bare graph. */
  importAgent(value) {
    return this.#api.call('POST', 'agents/import', { body: value });
  }

  deleteAgent(id) {
    return this.#api.call('DELETE', pathOf('agents', id));
  }

  /** Names of blocks by their ids; read once. */
  blocks() {
    this.#blocks ??= this.#api.call('GET', 'blocks').then(
      ({ blocks }) => new Map(blocks.map((block) => [block.id, block.name])),
      (error) => {
        this.#blocks = null;
        throw error;
      },
    );
    return this.#blocks;
  }

  // The marketplace; a slug is `username/agent-slug`

  published(query, cursor) {
    return this.#api.call('GET', 'store', { query: { limit: 30, query, cursor } });
  }

  publishedAgent(slug) {
    return this.#api.call('GET', pathOf('store', ...slug.split('/')));
  }

  addPublished(slug) {
    return this.#api.call('POST', pathOf('store', ...slug.split('/'), 'add'));
  }

  // Runs

  startRun(agentId, inputs, requestId, dryRun) {
    const body = { library_agent_id: agentId, inputs, request_id: requestId, dry_run: dryRun };
    return this.#api.call('POST', 'runs', { body });
  }

  runs(agentId, cursor) {
    return this.#api.call('GET', 'runs', { query: { limit: 10, library_agent_id: agentId, cursor } });
  }

  run(id) {
    return this.#api.call('GET', pathOf('runs', id));
  }

  runNodes(id, cursor) {
    return this.#api.call('GET', pathOf('runs', id, 'nodes'), { query: { limit: 100, cursor } });
  }

  stopRun(id) {
    return this.#api.call('POST', pathOf('runs', id, 'cancel'));
  }

  // Reviews

  reviews(status, cursor, limit = 30) {
    return this.#api.call('GET', 'reviews', { query: { limit, status, cursor } });
  }

  review(id) {
    return this.#api.call('GET', pathOf('reviews', id));
  }

  /** `verdict` is approve or reject; `said` may have `message`, and of an approval `data`. */
  decide(id, verdict, said) {
    return this.#api.call('POST', pathOf('reviews', id, verdict), { body: said });
  }

  // Schedules

  schedules() {
    return this.#api.call('GET', 'schedules');
  }

  schedule(id) {
    return this.#api.call('GET', pathOf('schedules', id));
  }

  /** `change` is pause or resume. */
  changeSchedule(id, change) {
    return this.#api.call('POST', pathOf('schedules', id, change));
  }

  deleteSchedule(id) {
    return this.#api.call('DELETE', pathOf('schedules', id));
  }

  fires(id) {
    return this.#api.call('GET', pathOf('schedules', id, 'history'));
  }

  fireNow(id) {
    return this.#api.call('POST', pathOf('schedules', id, 'run'));
  }

  // Accounts

  accounts() {
    return this.#api.call('GET', 'credentials');
  }

  addAccount(given) {
    return this.#api.call('POST', 'credentials', { body: given });
  }

  deleteAccount(id) {
    return this.#api.call('DELETE', pathOf('credentials', id));
  }

  /** Where to sign in to connect an account: `{url}`. */
  startSignIn(provider) {
    return this.#api.call('GET', pathOf('credentials', 'oauth', provider, 'start'));
  }
}
