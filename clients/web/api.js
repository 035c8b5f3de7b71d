// The HTTP API, relative to wherever this page is served from.

const BASE = new URL('api/', document.baseURI);

/** An answer that is not a success: `code` for programs, `message` for people. */
export class ApiError extends Error {
  constructor(status, code, message, details = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

export class Api {
  #token;
  #refused;

  /** `refused()` is called when the token is not accepted. */
  constructor(token, refused) {
    this.#token = token;
    this.#refused = refused;
  }

  ticket() {
    return this.call('POST', 'ws-ticket');
  }

  /** Without `search` all chats. */
  sessions(cursor, search) {
    return this.call('GET', 'chat/sessions', { query: { limit: 30, cursor, search } });
  }

  rename(id, title) {
    return this.call('PATCH', sessionPath(id), { body: { title } });
  }

  remove(id) {
    return this.call('DELETE', sessionPath(id));
  }

  usage() {
    return this.call('GET', 'usage');
  }

  createSession() {
    return this.call('POST', 'chat/sessions', { body: {} });
  }

  session(id, beforeSequence, limit = 100) {
    return this.call('GET', sessionPath(id), { query: { limit, before_sequence: beforeSequence } });
  }

  pending(id) {
    return this.call('GET', `${sessionPath(id)}/messages/pending`);
  }

  send(id, message) {
    const text = message.parts.map((part) => part.text).join('');
    return this.call('POST', `${sessionPath(id)}/stream`, { body: { message: text, message_id: message.id } });
  }

  answer(approvalId, approved) {
    return this.call('POST', pathOf('chat', 'approvals', approvalId), { body: { approved } });
  }

  cancel(id) {
    return this.call('POST', `${sessionPath(id)}/cancel`);
  }

  /** Ask one route. Throws ApiError. */
  async call(method, path, { query = {}, body } = {}) {
    const url = new URL(path, BASE);
    for (const [name, value] of Object.entries(query)) if (value != null) url.searchParams.set(name, value);
    const headers = { accept: 'application/json', authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    let response;
    try {
      response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch {
      throw new ApiError(0, 'unreachable', 'Parley cannot be reached right now.');
    }
    const answer = await response.json().catch(() => null);
    if (response.ok) return answer;
    if (response.status === 401) this.#refused();
    const message = answer?.message ?? fallback(response.status);
    throw new ApiError(response.status, answer?.code ?? `http_${response.status}`, message, answer?.details);
  }
}

function sessionPath(id) {
  return pathOf('chat', 'sessions', id);
}

/** A path of these parts, whatever characters they have. */
export function pathOf(...parts) {
  return parts.map(encodeURIComponent).join('/');
}

function fallback(status) {
  if (status === 429) return 'Too many requests. Wait a moment and try again.';
  return status >= 500 ? 'Parley has a problem right now. Try again.' : `The request was refused (${status}).`;
}
