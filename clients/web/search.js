// A search in the titles of all chats. The server looks at so many of them at a time: a page may be empty and yet have
// a next one.

const ENOUGH = 30;

export class Search {
  text;
  sessions = [];
  cursor = null;
  reading = false;
  #api;
  #changed;
  #over = false;

  constructor(text, api, changed) {
    this.text = text;
    this.#api = api;
    this.#changed = changed;
  }

  /** What people are told of it. */
  get note() {
    if (this.reading) return this.sessions.length > 0 ? '' : 'Searching…';
    return this.sessions.length > 0 ? '' : `No title has “${this.text}” in it.`;
  }

  /** Read on until there are some more, or nothing is left. Throws ApiError. */
  async more() {
    const wanted = this.sessions.length + ENOUGH;
    this.reading = true;
    this.#changed();
    try {
      do {
        const answer = await this.#api.sessions(this.cursor, this.text);
        this.sessions.push(...answer.sessions);
        this.cursor = answer.next_cursor;
      } while (!this.#over && this.cursor && this.sessions.length < wanted);
    } finally {
      this.reading = false;
      this.#changed();
    }
  }

  stop() {
    this.#over = true;
  }
}
