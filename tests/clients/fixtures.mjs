// What the model server answers, by what the user says. `again` marks the second call of the turn.

const COMPARISON = {
  reasoning: 'Two things are asked for, so two look-ups at once.',
  content: 'I look both up. ',
  toolCalls: [
    { id: 'call_one', name: 'echo', arguments: '{"text":"the first thing, of some length"}' },
    { id: 'call_two', name: 'echo', arguments: '{"text":"the second thing, of some length"}' },
  ],
};
const VERDICT = 'The first thing is the first, the second is the second, and neither is the other: that is the whole verdict.';
const LONG_ANSWER = 'Step by step. '.repeat(50);

const says = (userMessage, response, options = {}) => ({ match: { userMessage }, response, ...options });
const before = (userMessage, response, options = {}) => ({
  match: { userMessage, hasToolResult: false },
  response,
  ...options,
});
const again = (userMessage, response, options = {}) => ({
  match: { userMessage, hasToolResult: true },
  response,
  ...options,
});
const call = (name, args) => ({ toolCalls: [{ id: 'call_1', name, arguments: args }] });

/** The first time that a text is said it answers `first`, later `then`; tests add a number to tell texts apart. */
function changing(userMessage, first, then) {
  const heard = new Set();
  return says(userMessage, (request) => {
    const text = JSON.stringify(request.messages.at(-1));
    if (heard.has(text)) return then;
    heard.add(text);
    return first;
  });
}

/** The first answer to a text breaks off behind some chunks, the next one is whole. */
function breakingOff(userMessage, content) {
  const heard = new Set();
  const said = (request) => String(request.messages.at(-1).content);
  const first = (request) => said(request).includes(userMessage) && !heard.has(said(request));
  const broken = (request) => {
    heard.add(said(request));
    return { content };
  };
  return [
    { match: { predicate: first }, response: broken, chunkSize: 8, latency: 60, truncateAfterChunks: 5 },
    says(userMessage, { content }, { chunkSize: 200 }),
  ];
}

/** Whether the turn was started, or went on, because an operation has ended. */
const isNotice = (request) => {
  const last = request.messages.at(-1);
  return last.role === 'system' && String(last.content).startsWith('The operation');
};
const lastResult = (request) => request.messages.findLast((message) => message.role === 'tool').content;
const asksForTitle = (request) => String(request.messages[0].content).startsWith('Write a title');
/** A window of so many characters, for those who say that they want to outgrow it. */
function tooLong(word, characters) {
  const predicate = (request) => {
    const text = JSON.stringify(request.messages);
    return text.includes(word) && text.length > characters;
  };
  const error = { message: 'Too long.', type: 'invalid_request_error', code: 'context_length_exceeded' };
  return { match: { predicate }, response: { status: 400, error } };
}

/** The guide, then an agent; how it is to be built follows the words. */
function building(words) {
  const response = (request) => {
    const at = request.messages.findLastIndex((message) => message.role === 'user');
    const asked = String(request.messages[at].content);
    const description = `greet people${asked.slice(asked.indexOf(words) + words.length)}`;
    const done = request.messages.slice(at).filter((message) => message.role === 'tool').length;
    if (done === 0) return call('get_agent_building_guide', '{}');
    return done === 1 ? call('create_agent', JSON.stringify({ description })) : { content: 'I have it built.' };
  };
  return says(words, response);
}

const failure = (status, message, more = {}) => ({ status, error: { message, type: 'api_error' }, ...more });

export function fixtures() {
  return [
    { match: { predicate: asksForTitle }, response: { content: 'A title of the model' } },
    { match: { predicate: isNotice }, response: (request) => ({ content: `It has come: ${lastResult(request)}` }) },
    before('sign and post', call('run_block', '{"block_id":"Send webhook","input_data":{"url":"https://hooks.example.com/x","payload":1}}')),
    again('sign and post', { content: 'That is how it would be.' }),
    before('ask around', call('survey', '{"text":"rivers"}')),
    again('ask around', { content: 'I let somebody ask.' }),
    before('hand over', call('run_external_operation', '{"service":"warehouse","input":{"rows":3}}')),
    again('hand over', { content: 'The warehouse has it.' }),
    building('have it built'),
    before('research', call('deep_research', '{"question":"Which river is longer?"}')),
    again('research', { content: 'I look into it.' }),
    before('compare slowly', COMPARISON, { chunkSize: 12, latency: 35 }),
    again('compare slowly', { content: VERDICT }, { chunkSize: 12, latency: 60 }),
    before('compare', COMPARISON, { chunkSize: 12 }),
    again('compare', { content: VERDICT }, { chunkSize: 12 }),
    says('think', { reasoning: 'Hm, let me see.', content: 'I have thought.' }, { chunkSize: 6 }),
    says('go on forever', { content: 'And on and on, '.repeat(400) }, { chunkSize: 15, latency: 50 }),
    says('go on for ages', { content: 'And on and on, '.repeat(4_000) }, { chunkSize: 15, latency: 50 }),
    says('take your time', { content: LONG_ANSWER }, { chunkSize: 13, latency: 60 }),
    says('take a while', { content: 'One moment, please: here it is.' }, { chunkSize: 8, latency: 400 }),
    changing('too many', failure(429, 'Slow down.', { retryAfter: 0 }), { content: 'After a rest.' }),
    changing('hiccup', failure(500, 'Oops.'), { content: 'After a hiccup.' }),
    changing('say nothing', { content: '' }, { content: 'After silence.' }),
    ...breakingOff('break off', 'A sentence that is not spoken to its end at first, and then it is.'),
    tooLong('outgrow', 12_000),
    says('refuse me', failure(400, 'No.')),
    before('bad arguments', call('echo', '{"text": "unfinish')),
    again('bad arguments', { content: 'My arguments were broken.' }),
    before('unknown tool', call('teleport', '{}')),
    again('unknown tool', { content: 'There is no such tool.' }),
    before('send a mail', {
      content: 'I write it. ',
      toolCalls: [
        { id: 'call_mail', name: 'send_mail', arguments: '{"text":"Dear Bob"}' },
        { id: 'call_echo', name: 'echo', arguments: '{"text":"Dear Bob"}' },
      ],
    }),
    again('send a mail', { content: 'That is settled.' }, { chunkSize: 8 }),
    says('slow', { content: 'One after another, '.repeat(100) }, { chunkSize: 19, latency: 100 }),
    says('', { content: 'Hello there, this is Parley speaking.' }, { chunkSize: 10 }),
  ];
}
