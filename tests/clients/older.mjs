// Feeds recorded streams to the official parsers of several versions of `ai`, with errors ending them.
// Reads {streams: {name: text}} as JSON from standard input; prints {version: {name: {parts, data, error}}}.

const PACKAGES = ['ai-5', 'ai-6', 'ai-7-early', 'ai'];

async function readInput() {
  const pieces = [];
  for await (const piece of process.stdin) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString());
}

/** What the version's DefaultChatTransport and its reader make of a response with this text. */
async function parsed({ DefaultChatTransport, readUIMessageStream }, text) {
  const body = () => new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  const transport = new DefaultChatTransport({ api: 'http://127.0.0.1/', fetch: async () => body() });
  const user = { id: 'm1', role: 'user', parts: [{ type: 'text', text: 'hello' }] };
  const result = { parts: [], data: [], finished: false, error: null };
  try {
    const chunks = await transport.sendMessages({ chatId: 's', messages: [user], trigger: 'submit-message' });
    const watched = chunks.pipeThrough(
      new TransformStream({
        transform(chunk, sink) {
          if (chunk.type.startsWith('data-')) result.data.push(chunk);
          if (chunk.type === 'finish') result.finished = true;
          sink.enqueue(chunk);
        },
      }),
    );
    for await (const message of readUIMessageStream({ stream: watched, terminateOnError: true })) {
      result.parts = structuredClone(message.parts);
    }
  } catch (error) {
    result.error = `${error.name}: ${error.message}`;
  }
  return result;
}

const { streams } = await readInput();
const results = {};
for (const name of PACKAGES) {
  const version = await import(name);
  results[name] = {};
  for (const [stream, text] of Object.entries(streams)) results[name][stream] = await parsed(version, text);
}
process.stdout.write(`${JSON.stringify(results)}\n`, () => process.exit(0));
