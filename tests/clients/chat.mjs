// The official chat without React: AbstractChat with a state that remembers every status it was in.

import { AbstractChat } from 'ai';

class PlainState {
  #status = 'ready';
  statuses = ['ready'];
  error = undefined;
  messages = [];

  get status() {
    return this.#status;
  }

  set status(status) {
    this.#status = status;
    this.statuses.push(status);
  }

  pushMessage = (message) => {
    this.messages = [...this.messages, structuredClone(message)];
  };

  popMessage = () => {
    this.messages = this.messages.slice(0, -1);
  };

  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, structuredClone(message));
  };

  snapshot = (value) => structuredClone(value);
}

export class NodeChat extends AbstractChat {
  constructor(init) {
    const state = new PlainState();
    state.messages = init.messages ?? [];
    super({ ...init, state });
    this.plainState = state;
  }

  get statuses() {
    return this.plainState.statuses;
  }

  /** The text of the last message, as far as it has come. */
  get shownText() {
    const parts = this.lastMessage?.role === 'assistant' ? this.lastMessage.parts : [];
    return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  }
}
