// Plays jobs that arrive as JSON on standard input, a few at a time, and prints one JSON line with what became of them.
//
// {http_url, ws_url, concurrency, jobs: [{token, session, transport, cut_after?, task?, start_index?, steps: [...]}]}
//
// A step is one of
//   {do: "send", text, id, body?, cancel_at?, stop_at?}
//                                                        cancel_at: POST /cancel once so many characters are stored;
//                                                        stop_at: chat.stop() once so many are shown; the cut is for the first
//                                                        step that opens a stream
//   {do: "resume"}    chat.resumeStream()
//   {do: "approve", approved, reason?}  answer what the last message asks; the chat sends it by itself
//   {do: "reload"}    a fresh chat, as after a page load; nothing is cut in it
//   {do: "away"}      wait, without a connection, until the session's turn is over
//   {do: "accept", text, id}  send it without watching

import { lastAssistantMessageIsCompleteWithApprovalResponses } from 'ai';

import { NodeChat } from './chat.mjs';
import { callApi, storedText, transportFor } from './transports.mjs';

const STEP_MILLISECONDS = 120_000;

console.error = () => {}; // the transports narrate the cuts that tests ask for

class Player {
  constructor(place, job) {
    this.place = { ...place, ...job };
    this.report = { steps: [], running_at_resume: [], frames: 0 };
    this.#open(job.cut_after);
  }

  #open(cutAfter) {
    this.lastFrames = [];
    const { transport, cut } = transportFor(this.place, cutAfter, (frame) => {
      this.report.frames += 1;
      this.lastFrames = [...this.lastFrames.slice(-9), frame];
    });
    this.cut = cut;
    this.finishes = [];
    this.data = [];
    this.chat = new NodeChat({
      id: this.place.session,
      transport,
      onFinish: ({ isAbort, isDisconnect, isError, finishReason }) =>
        this.finishes.push({ isAbort, isDisconnect, isError, finishReason }),
      onData: (part) => this.data.push(part),
      sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
    });
  }

  async play(step) {
    await this[step.do](step);
    const { status, error, statuses } = this.chat;
    this.report.steps.push({ do: step.do, status, error: error?.message ?? null, statuses: statuses.splice(0) });
  }

  async send(step) {
    const message = { id: step.id, role: 'user', parts: [{ type: 'text', text: step.text }] };
    const sent = this.chat.sendMessage(message, step.body ? { body: step.body } : undefined);
    if (step.cancel_at !== undefined) {
      await this.#stored(step.cancel_at);
      this.report.cancelled = await callApi(this.place, 'POST', `${this.#path}/cancel`);
    }
    if (step.stop_at !== undefined) {
      await this.#shown(step.stop_at);
      await this.chat.stop();
    }
    await sent;
    this.cut.disarm();
  }

  async approve(step) {
    const asked = this.chat.lastMessage.parts.filter((part) => part.state === 'approval-requested');
    for (const part of asked) {
      await this.chat.addToolApprovalResponse({ id: part.approval.id, approved: step.approved, reason: step.reason });
    }
    // Sent when the last one is answered, and not awaited by the answer.
    while (this.chat.statuses.length < 3) await pause(10);
    while (this.chat.status !== 'ready' && this.chat.status !== 'error') await pause(10);
  }

  async resume() {
    const session = await callApi(this.place, 'GET', this.#path);
    this.report.running_at_resume.push(session.active_stream !== null);
    await this.chat.resumeStream();
    this.cut.disarm();
  }

  async reload() {
    this.report.before_reload = this.chat.messages;
    this.report.cut = this.cut.happened;
    await this.chat.dispose();
    this.#open();
  }

  async away() {
    while ((await callApi(this.place, 'GET', this.#path)).active_stream !== null) await pause(150);
  }

  async accept(step) {
    const answer = await callApi(this.place, 'POST', `${this.#path}/stream`, {
      message: step.text,
      message_id: step.id,
    });
    this.place.task = answer.task_id;
  }

  get #path() {
    return `/api/chat/sessions/${this.place.session}`;
  }

  /** Until the turn's own stream has so much text: a client over HTTP shows nothing before its segment ends. */
  async #stored(characters) {
    for (let text = ''; text.length < characters; await pause(50)) {
      const session = await callApi(this.place, 'GET', this.#path);
      const task = session.active_stream?.task_id;
      if (task) text = await storedText(this.place, task);
    }
  }

  async #shown(characters) {
    while (this.chat.shownText.length < characters) await pause(10);
  }

  /** A step that never came to its end, and how far it was. */
  stuck(step) {
    const { status, messages } = this.chat;
    return { ...this.report, stuck: { ...step, status, session: this.place.session, last: this.lastFrames }, messages };
  }

  async end() {
    await this.chat.dispose();
    const { messages } = this.chat;
    return { cut: this.cut.happened, ...this.report, messages, finishes: this.finishes, data: this.data };
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function playJob(place, job) {
  const player = new Player(place, job);
  for (const step of job.steps) {
    const inTime = await Promise.race([player.play(step).then(() => true), pause(STEP_MILLISECONDS)]);
    if (!inTime) return player.stuck(step);
  }
  return player.end();
}

async function readInput() {
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString());
}

const { jobs, concurrency = 4, ...place } = await readInput();
const results = new Array(jobs.length);
const waiting = jobs.entries();
const work = async () => {
  for (const [index, job] of waiting) results[index] = await playJob(place, job);
};
await Promise.all(Array.from({ length: concurrency }, work));
process.stdout.write(`${JSON.stringify({ results })}\n`, () => process.exit(0));
