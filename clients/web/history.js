// Turns the stored rows of a session into the messages that the page shows.
//
// A turn is several rows: an assistant row for each step and a tool row for each call. They become one message with
// the same kind of parts as a streamed one, under the id that the stream gives it, so that nothing jumps when a
// finished stream is replaced by what was stored.

/** Messages from rows in order. Of `liveTask` only the words that began it are taken: its stream brings the rest. */
export function toMessages(rows, liveTask = null) {
  const messages = [];
  const ids = new Set();
  const streamed = streamedFrom(rows, liveTask);
  for (const row of rows) {
    if (row.task_id === liveTask && row.sequence >= streamed) continue;
    if (row.role === 'user') messages.push(userMessage(row));
    else if (row.role === 'assistant' || row.role === 'tool') {
      const last = messages.at(-1);
      const message = last?.role === 'assistant' && belongs(row, last) ? last : openMessage(row, ids);
      if (message !== last) messages.push(message);
      message.task = row.task_id;
      if (row.role === 'assistant') addStep(message, row);
      else addResult(message, row);
    }
  }
  return messages;
}

/** A result of another task is from the turn that goes on with the message, once its user has approved the call. */
function belongs(row, message) {
  return row.task_id === message.task || row.role === 'tool';
}

/** Known rows and a fresh page as one list. Older rows that don't touch the page are dropped: better none than a hole. */
export function mergeRows(known, fresh) {
  if (fresh.length === 0) return known;
  const first = fresh[0].sequence;
  const older = known.filter((row) => row.sequence < first);
  const touches = first - (older.at(-1)?.sequence ?? first) <= 1;
  const newer = known.filter((row) => row.sequence > fresh.at(-1).sequence);
  return [...(touches ? older : []), ...fresh, ...newer];
}

/** The first sequence of a turn that is not one of the user rows at its beginning; later ones were read in between. */
function streamedFrom(rows, task) {
  let next = null;
  for (const row of rows) {
    if (row.task_id !== task) continue;
    if (row.role !== 'user' || (next !== null && row.sequence !== next)) return next ?? row.sequence;
    next = row.sequence + 1;
  }
  return next ?? Infinity;
}

function userMessage(row) {
  return { id: row.id, role: 'user', text: row.content ?? '', state: 'sent', at: row.created_at };
}

function openMessage(row, ids) {
  let id = `msg_${row.task_id}`;
  for (let part = 2; ids.has(id); part += 1) id = `msg_${row.task_id}~${part}`;
  ids.add(id);
  return {
    id, role: 'assistant', task: row.task_id, parts: [], status: 'done', finishReason: null, error: null, at: row.created_at,
  };
}

function addStep(message, row) {
  message.parts.push({ type: 'step' });
  if (row.reasoning) message.parts.push({ type: 'reasoning', id: row.id, text: row.reasoning, open: false });
  if (row.content) message.parts.push({ type: 'text', id: row.id, text: row.content, open: false });
  for (const call of row.tool_calls ?? []) {
    message.parts.push({
      type: 'tool', id: call.id, name: call.name, state: 'running', inputText: '', input: parsed(call.arguments),
    });
  }
  if (row.status === 'cancelled') message.status = 'stopped';
  if (row.status === 'failed') [message.status, message.error] = ['failed', row.error ?? null];
}

function addResult(message, row) {
  const index = message.parts.findLastIndex((part) => part.type === 'tool' && part.id === row.tool_call_id);
  const call = message.parts[index] ?? { type: 'tool', id: row.tool_call_id, name: row.tool_name ?? '', inputText: '' };
  const output = parsed(row.content);
  const result = resultOf(row, output);
  if (index < 0) message.parts.push({ ...call, ...result });
  else message.parts[index] = { ...call, ...result };
}

function resultOf(row, output) {
  if (output?.type === 'approval_pending') return { state: 'approval', approvalId: output.approval_id };
  if (!row.is_error) return { state: 'done', output };
  const error = typeof output === 'string' ? output : (output?.message ?? row.content);
  return { state: output?.code === 'not_approved' ? 'denied' : 'failed', error };
}

function parsed(value) {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
