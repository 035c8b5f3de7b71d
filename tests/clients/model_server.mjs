// An OpenAI-compatible model that nobody here wrote: @copilotkit/aimock with the answers of fixtures.mjs.
// Prints {url} when it listens; ends with its standard input.

import { LLMock } from '@copilotkit/aimock';

import { fixtures } from './fixtures.mjs';

const server = new LLMock({ port: 0, host: '127.0.0.1', strict: true, journalMaxEntries: 0 });
server.addFixtures(fixtures());
await server.start();
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
process.stdin.on('end', async () => {
  await server.stop();
  process.exit(0);
});
process.stdin.resume();
