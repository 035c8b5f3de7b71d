// Connections that break behind the k-th part: a WebSocket for the socket transport, a fetch for the others.

import { WebSocket } from 'ws';

/** Counts parts over all connections of one client, and says when the line is to be cut. */
export class Cut {
  #left;
  happened = false;

  constructor(after) {
    this.#left = after ?? Infinity;
  }

  /** One more part came; true if it is the last that gets through. */
  count() {
    this.#left -= 1;
    if (this.#left > 0 || this.happened) return false;
    this.happened = true;
    return true;
  }

  /** From now on every line holds. */
  disarm() {
    this.#left = Infinity;
  }
}

/** A WebSocket class whose connections die, without a closing handshake, behind the part that `cut` names. */
export function cuttingWebSocket(cut, log = () => {}) {
  return class {
    constructor(url, protocols) {
      this.#socket = new WebSocket(url, protocols ?? [], { perMessageDeflate: false });
      this.#socket.on('open', () => this.onopen?.({}));
      this.#socket.on('error', (error) => this.onerror?.(error));
      this.#socket.on('close', (code, reason) => this.onclose?.({ code, reason: reason.toString() }));
      this.#socket.on('message', (data) => this.#receive(data.toString()));
    }

    #socket;
    #dead = false;

    #receive(text) {
      if (this.#dead) return;
      const frame = JSON.parse(text);
      log(frame);
      this.onmessage?.({ data: text });
      if (frame.type === 'chunk' && cut.count()) {
        this.#dead = true;
        this.#socket.terminate();
      }
    }

    get readyState() {
      return this.#socket.readyState;
    }

    get bufferedAmount() {
      return this.#socket.bufferedAmount;
    }

    send(data) {
      this.#socket.send(data);
    }

    close(code, reason) {
      this.#socket.close(code, reason);
    }
  };
}

/** A fetch whose event streams break behind the part that `cut` names, the request being torn down with them. */
export function cuttingFetch(cut) {
  return async (url, init = {}) => {
    const controller = new AbortController();
    init.signal?.addEventListener('abort', () => controller.abort(init.signal.reason));
    const response = await fetch(url, { ...init, signal: controller.signal });
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response;
    return new Response(cutBody(response.body, cut, controller), { status: response.status, headers: response.headers });
  };
}

function cutBody(body, cut, controller) {
  const events = eventsOf(body);
  return new ReadableStream({
    async pull(sink) {
      const { value, done } = await events.next();
      if (done) {
        sink.close();
        return;
      }
      sink.enqueue(new TextEncoder().encode(value));
      if (/^data: \{/m.test(value) && cut.count()) {
        controller.abort();
        // Later, so that what has come is read first: an error drops the queue.
        setTimeout(() => sink.error(new TypeError('terminated')), 5);
        await new Promise(() => {});
      }
    },
  }, { highWaterMark: 0 });
}

async function* eventsOf(body) {
  let rest = '';
  for await (const piece of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + piece).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) yield `${block}\n\n`;
  }
  if (rest) yield rest;
}
