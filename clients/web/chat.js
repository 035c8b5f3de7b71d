// One open conversation: what is stored, what is streaming, what was typed and is not stored yet.
//
// The stored rows are the truth. A stream is watched from its beginning, so after any doubt (a lost connection, a gap,
// a turn that ended while nobody looked) the page reads the session again and watches what runs then.

import { mergeRows, toMessages } from './history.js';
import { emptyMessage, reduce } from './stream.js';

const GAP_PAUSE_MS = 1_000;

export class Chat {
  id;
  hasOlder = false;
  stopping = false;
  totals = null; // what its turns have used, as the server counts it
  #api;
  #socket;
  #events;
  #rows = [];
  #history = []; // messages of #rows
  #settled = []; // ended here, not read back yet
  #outbox = []; // {id, role, text, state: sending | sent | queued, message}
  #live = null; // {requestId, message}
  #previous = null; // the live message of a lost connection, shown until it comes again
  #doubtful = null; // a text that may or may not have arrived: sent again, it is the same message
  #version = 0; // changes whenever what was read from the server may be out of date
  #disposed = false;

  /** `events`: changed(), turnEnded(message), problem({code, message}), returned(text). */
  constructor(id, { api, socket, events }) {
    this.id = id;
    this.#api = api;
    this.#socket = socket;
    this.#events = events;
  }

  /** Everything to show, in order. */
  get messages() {
    const queued = this.#outbox.filter((entry) => entry.state === 'queued');
    const sent = this.#outbox.filter((entry) => entry.state !== 'queued');
    const live = this.#live?.message.parts.length ? this.#live.message : (this.#previous ?? this.#live?.message);
    return [...this.#history, ...this.#settled, ...sent, ...(live ? [live] : []), ...queued];
  }

  /** Whether there is something to stop. */
  get running() {
    return Boolean(this.#live || this.#previous) || this.#outbox.some((entry) => entry.state === 'sent');
  }

  /** Read the session and watch what runs in it. Throws ApiError. */
  async refresh() {
    for (let attempt = 0; attempt < 4; attempt += 1) {
      const version = this.#version;
      const pending = await this.#readPending(); // first: what is read by a turn in between is in the page then
      const page = await this.#api.session(this.id);
      if (this.#disposed) return;
      if (version === this.#version) {
        this.#adopt(page, pending);
        return;
      }
    }
  }

  async loadOlder() {
    const page = await this.#api.session(this.id, this.#rows[0]?.sequence);
    if (this.#disposed) return;
    this.#rows = mergeRows(this.#rows, page.messages);
    this.hasOlder = page.has_more_messages;
    this.#rebuild();
    this.#events.changed();
  }

  /** Read what the session has used by now. */
  async readTotals() {
    try {
      ({ totals: this.totals } = await this.#api.session(this.id, undefined, 1));
      this.#events.changed();
    } catch {
      // what was known stays: a display is no reason to trouble anybody
    }
  }

  submit(text) {
    const id = this.#doubtful?.text === text ? this.#doubtful.id : crypto.randomUUID();
    this.#doubtful = null;
    const message = { id, role: 'user', parts: [{ type: 'text', text }] };
    this.#outbox.push({ id, role: 'user', text, state: 'sending', message });
    this.#transmit(message);
    this.#events.changed();
  }

  /** Answer a request for approval, and watch the turn that goes on. */
  async answer(approvalId, approved) {
    try {
      await this.#api.answer(approvalId, approved);
    } catch (error) {
      this.#events.problem(error);
    }
    this.#version += 1;
    await this.#tryRefresh();
  }

  async stop() {
    this.stopping = true;
    this.#events.changed();
    try {
      const answer = await this.#api.cancel(this.id);
      if (!answer.cancelled || this.#outbox.length > 0) await this.refresh();
    } catch (error) {
      this.#events.problem(error);
    }
    this.stopping = false;
    this.#events.changed();
  }

  /** The socket is open again: whatever was watched is looked for again. */
  async reconnected() {
    if (this.#live) this.#previous = this.#live.message;
    this.#live = null;
    this.#version += 1;
    await this.#tryRefresh();
  }

  /** Somebody says that a turn of this session began elsewhere. */
  async turnStarted() {
    if (!this.running) await this.#tryRefresh();
  }

  dispose() {
    this.#disposed = true;
    if (this.#live) this.#socket.detach(this.#live.requestId);
  }

  async #tryRefresh() {
    try {
      await this.refresh();
    } catch (error) {
      if (!this.#disposed && error.code !== 'unreachable') this.#events.problem(error);
    }
  }

  async #readPending() {
    const { messages } = await this.#api.pending(this.id);
    return messages.map((item) => ({ id: item.message_id, text: item.content }));
  }

  #adopt(page, pending) {
    this.totals = page.totals;
    this.#rows = mergeRows(this.#rows, page.messages);
    if (this.#rows[0] === page.messages[0]) this.hasOlder = page.has_more_messages;
    this.#settled = [];
    const active = page.active_stream?.task_id ?? null;
    if (active && !this.#live) this.#watch(active);
    this.#previous = active ? this.#previous : null;
    this.#rebuild(active);
    this.#settleOutbox(pending);
    this.#events.changed();
  }

  /** The rows of the turn that is being streamed are left out: its stream has them. */
  #rebuild(active = null) {
    const streaming = this.#live ?? (this.#previous && { message: this.#previous });
    this.#history = toMessages(this.#rows, streaming ? streaming.message.id.replace(/^msg_/, '') : active);
  }

  /** Compare what was typed with what the server has: stored, queued, discarded by a stop, or never arrived. */
  #settleOutbox(pending) {
    const stored = new Set(this.#rows.map((row) => row.id));
    const queued = new Set(pending.map((item) => item.id));
    const discarded = this.#outbox.filter(({ id, state }) => state === 'queued' && !stored.has(id) && !queued.has(id));
    const open = this.#outbox.filter((entry) => !stored.has(entry.id) && !discarded.includes(entry));
    const known = new Set(open.map((entry) => entry.id));
    const elsewhere = pending.filter((item) => !known.has(item.id));
    this.#outbox = [
      ...open.map((entry) => (queued.has(entry.id) ? { ...entry, state: 'queued' } : entry)),
      ...elsewhere.map((item) => ({ ...item, role: 'user', state: 'queued' })),
    ];
    for (const entry of discarded) this.#events.returned(entry.text);
    for (const entry of this.#outbox) if (entry.state === 'lost') this.#transmit(entry.message);
  }

  #transmit(message) {
    this.#version += 1;
    this.#mark(message.id, 'sending');
    const request = { id: null };
    request.id = this.#socket.send(this.id, message, this.#handlers(request, message));
    if (!request.id) this.#post(message);
  }

  /** The way for what the socket can't take. */
  async #post(message) {
    try {
      await this.#api.send(this.id, message);
      this.#mark(message.id, 'sent');
      await this.refresh();
    } catch (error) {
      if (this.#isSending(message.id)) this.#withdraw(message.id, error);
      else this.#events.problem(error);
    }
  }

  #watch(task) {
    const request = { id: null };
    request.id = this.#socket.resume(this.id, this.#handlers(request));
    if (request.id) this.#live = { requestId: request.id, message: emptyMessage(`msg_${task}`) };
    else this.#previous ??= emptyMessage(`msg_${task}`);
  }

  #handlers(request, message = null) {
    const handlers = {
      onStart: () => message && this.#mark(message.id, 'sent'),
      onChunk: (chunk) => {
        if (chunk.type === 'data-pending' && message) this.#queued(message.id);
        else this.#grow(request.id, chunk);
      },
      onEnd: () => {
        if (this.#live?.requestId === request.id) this.#settle();
        else this.#tryRefresh();
      },
      onNone: () => this.#forget(request.id),
      onError: (frame) => {
        const problem = { code: frame.code ?? 'error', message: frame.errorText ?? 'The request failed.' };
        if (message && this.#isSending(message.id)) this.#withdraw(message.id, problem);
        else this.#events.problem(problem);
        this.#forget(request.id);
      },
      onLost: () => this.#lost(request.id, message),
    };
    return Object.fromEntries(
      Object.entries(handlers).map(([name, handle]) => [name, (value) => this.#disposed || handle(value)]),
    );
  }

  #grow(requestId, chunk) {
    if (this.#live?.requestId !== requestId) {
      if (this.#live) this.#socket.detach(this.#live.requestId);
      this.#live = { requestId, message: emptyMessage(chunk.messageId) };
      this.#version += 1;
    }
    const { id } = this.#live.message;
    this.#live.message = reduce(this.#live.message, chunk);
    if (this.#live.message.id !== id) this.#otherTurn();
    if (chunk.type === 'data-pending-drained') this.#readByTurn(chunk.data.messages);
    this.#events.changed();
  }

  /** The stream is of another turn than the session said, which may have ended in between. */
  #otherTurn() {
    this.#live.unexpected = true;
    this.#rebuild();
  }

  /** The stream itself shows from here on what was queued. */
  #readByTurn(messages) {
    const ids = new Set(messages.map((item) => item.id));
    this.#outbox = this.#outbox.filter((entry) => !ids.has(entry.id));
    this.#version += 1;
  }

  #queued(id) {
    this.#version += 1;
    this.#mark(id, 'queued');
  }

  #settle() {
    const { message, unexpected } = this.#live;
    const sent = this.#outbox.filter((entry) => entry.state !== 'queued');
    this.#settled.push(...sent, message);
    this.#outbox = this.#outbox.filter((entry) => entry.state === 'queued');
    this.#live = null;
    this.#previous = null;
    this.#version += 1;
    this.#events.turnEnded(message);
    this.#events.changed();
    if (this.#outbox.length > 0 || unexpected || message.status === 'streaming') this.#tryRefresh();
  }

  #forget(requestId) {
    if (this.#live && this.#live.requestId !== requestId) return;
    this.#live = null;
    this.#previous = null;
    this.#version += 1;
    this.#tryRefresh();
  }

  #lost(requestId, message) {
    if (message && this.#isSending(message.id)) this.#mark(message.id, 'lost');
    if (this.#live?.requestId === requestId) {
      this.#previous = this.#live.message;
      this.#live = null;
    }
    this.#version += 1;
    if (this.#socket.connected) setTimeout(() => this.#disposed || this.reconnected(), GAP_PAUSE_MS);
    this.#events.changed();
  }

  #withdraw(id, problem) {
    const entry = this.#outbox.find((item) => item.id === id);
    this.#outbox = this.#outbox.filter((item) => item.id !== id);
    if (!problem.status || problem.status >= 500) this.#doubtful = { id, text: entry.text };
    this.#events.problem(problem);
    this.#events.returned(entry.text);
    this.#events.changed();
  }

  #isSending(id) {
    return this.#outbox.some((entry) => entry.id === id && entry.state === 'sending');
  }

  #mark(id, state) {
    this.#outbox = this.#outbox.map((entry) => (entry.id === id ? { ...entry, state } : entry));
    this.#events.changed();
  }
}
