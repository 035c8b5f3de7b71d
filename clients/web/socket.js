// One WebSocket for everything: the frames of the AI SDK's WebSocketChatTransport, written by hand.
//
// A request (`send`, `resume`) is answered by frames with its `requestId`. The socket reconnects by itself, with a
// fresh ticket and growing pauses; requests are not repeated: their owner is told that they are lost and decides.

import { order } from './stream.js';

const PING_EVERY_MS = 5 * 60_000; // the gateway closes a socket that is idle for 10 minutes
const SILENCE_MS = 25_000; // a watched turn says something every 10 s
const ANSWER_MS = 10_000;
const BACKOFF_MS = { first: 500, most: 15_000 };
const MAX_FRAME_BYTES = 30_000; // the gateway takes frames up to 32 KB

export class ChatSocket {
  #options;
  #socket = null;
  #requests = new Map();
  #attempt = 0;
  #connecting = false;
  #closed = false;
  #retryTimer = null;
  #pingTimer = null;
  #silenceTimer = null;
  #answerTimer = null;

  /** `ticket()` resolves to {url, ticket}; `onState(state)` hears connecting, connected, reconnecting; `onNotify(frame)`. */
  constructor(options) {
    this.#options = options;
    addEventListener('online', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
  }

  get connected() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async connect() {
    if (this.#connecting) return;
    this.#connecting = true;
    clearTimeout(this.#retryTimer);
    this.#options.onState(this.#attempt === 0 ? 'connecting' : 'reconnecting');
    try {
      const { url, ticket } = await this.#options.ticket();
      if (this.#closed) return;
      const address = new URL(url);
      address.searchParams.set('ticket', ticket);
      this.#open(new WebSocket(address));
    } catch (error) {
      this.#connecting = false;
      if (error.status !== 401 && !this.#closed) this.#retry(); // 401: signed out, see Api
    }
  }

  close() {
    this.#closed = true;
    removeEventListener('online', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    clearTimeout(this.#retryTimer);
    this.#socket?.close(1000);
    this.#dropped();
  }

  /** Send a message; false if it must go another way (no connection, or too large for a frame). */
  send(sessionId, message, handlers) {
    const frame = {
      type: 'send', id: sessionId, trigger: 'submit-message', messages: [message], headers: {}, body: {},
    };
    return this.#request(frame, handlers);
  }

  /** Watch the session's turn from its beginning. */
  resume(sessionId, handlers) {
    return this.#request({ type: 'resume', id: sessionId, headers: {}, body: {} }, handlers);
  }

  /** Stop watching; the turn goes on. */
  detach(requestId) {
    if (this.#requests.delete(requestId) && this.connected) this.#write({ type: 'abort', requestId });
  }

  #request(frame, handlers) {
    const requestId = crypto.randomUUID();
    const text = JSON.stringify({ ...frame, requestId });
    if (!this.connected || new TextEncoder().encode(text).length > MAX_FRAME_BYTES) return false;
    this.#requests.set(requestId, { handlers, last: -1 });
    this.#socket.send(text);
    this.#listen();
    return requestId;
  }

  #open(socket) {
    this.#socket = socket;
    socket.onopen = () => {
      this.#connecting = false;
      this.#attempt = 0;
      this.#pingTimer = setInterval(() => this.#check(), PING_EVERY_MS);
      this.#options.onState('connected');
    };
    socket.onmessage = (event) => this.#socket === socket && this.#receive(event.data);
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#connecting = false;
      this.#dropped();
      if (!this.#closed) this.#retry();
    };
  }

  #receive(text) {
    clearTimeout(this.#answerTimer);
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame.type === 'notify') this.#options.onNotify(frame);
    const request = this.#requests.get(frame.requestId);
    if (request) this.#dispatch(frame, request);
    this.#listen();
  }

  #dispatch(frame, request) {
    const { handlers } = request;
    if (frame.type === 'start') handlers.onStart?.();
    else if (frame.type === 'chunk') this.#chunk(frame, request);
    else {
      this.#requests.delete(frame.requestId);
      if (frame.type === 'end') handlers.onEnd?.();
      else if (frame.type === 'no-active') handlers.onNone?.();
      else if (frame.type === 'error') handlers.onError?.(frame);
    }
  }

  #chunk(frame, request) {
    const place = order(request.last, frame.sequence);
    if (place === 'next') {
      request.last = frame.sequence;
      request.handlers.onChunk?.(frame.chunk);
    } else if (place === 'gap') {
      this.detach(frame.requestId);
      request.handlers.onLost?.();
    }
  }

  /** While something is watched, silence means that the connection may be dead without having said so. */
  #listen() {
    clearTimeout(this.#silenceTimer);
    if (this.#requests.size > 0) this.#silenceTimer = setTimeout(() => this.#check(), SILENCE_MS);
  }

  #check() {
    if (!this.connected) return;
    this.#write({ type: 'ping' });
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.#abandon(), ANSWER_MS);
  }

  #abandon() {
    this.#socket?.close();
    this.#dropped(); // the close event of a dead connection may take minutes
    if (!this.#closed) this.#retry();
  }

  #dropped() {
    this.#socket = null;
    clearInterval(this.#pingTimer);
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#answerTimer);
    const lost = [...this.#requests.values()];
    this.#requests.clear();
    for (const { handlers } of lost) handlers.onLost?.();
  }

  #retry() {
    this.#options.onState('reconnecting');
    const pause = Math.min(BACKOFF_MS.first * 2 ** this.#attempt, BACKOFF_MS.most) * (0.75 + Math.random() / 2);
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.connect(), pause);
  }

  #wake = () => {
    if (this.#closed || document.visibilityState === 'hidden') return;
    if (this.connected) this.#check();
    else if (this.#attempt > 0) this.connect();
  };

  #write(frame) {
    this.#socket.send(JSON.stringify(frame));
  }
}
