// The three official transports, set up for Parley as its documentation says.

import { WorkflowChatTransport } from '@ai-sdk/workflow/client';
import { DefaultChatTransport, WebSocketChatTransport } from 'ai';

import { Cut, cuttingFetch, cuttingWebSocket } from './cutting.mjs';

export async function callApi({ http_url, token }, method, path, body) {
  const response = await fetch(`${http_url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, accept: 'application/json', 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : await response.json();
}

/** The text in a task's stored parts, or in those that come next. */
export async function storedText({ http_url, token }, task) {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${http_url}/api/chat/tasks/${task}/stream?startIndex=0`, { headers });
  const deltas = (await response.text()).matchAll(/^data: (\{"type":"text-delta".*)$/gm);
  return Array.from(deltas, ([, json]) => JSON.parse(json).delta).join('');
}

const lastMessage = (messages) => messages.slice(-1);

/** SSE; its requests send the whole list of messages, of which Parley reads the last. */
function defaultTransport(place, cut) {
  return new DefaultChatTransport({
    api: `${place.http_url}/api/chat/sessions`,
    headers: { authorization: `Bearer ${place.token}` },
    fetch: cuttingFetch(cut),
    prepareSendMessagesRequest: ({ api, id, messages, trigger, messageId, body }) => ({
      api: `${api}/${id}/stream`,
      body: { ...body, id, messages, trigger, messageId },
    }),
  });
}

/** Long polls by index; a turn is found again by the run id that the answer to its send carried. */
function workflowTransport(place, cut) {
  const headers = { authorization: `Bearer ${place.token}` };
  return new WorkflowChatTransport({
    api: `${place.http_url}/api/chat/sessions/${place.session}/stream`,
    fetch: cuttingFetch(cut),
    onChatSendMessage: (response) => {
      place.task = response.headers.get('x-workflow-run-id');
    },
    prepareSendMessagesRequest: ({ api, messages, trigger, messageId, body }) => ({
      api,
      headers,
      body: { ...body, messages: lastMessage(messages), trigger, messageId },
    }),
    prepareReconnectToStreamRequest: async () => {
      const task = place.task ?? (await activeTask(place));
      return { api: `${place.http_url}/api/chat/tasks/${task}/stream`, headers };
    },
    initialStartIndex: place.start_index,
  });
}

async function activeTask(place) {
  const session = await callApi(place, 'GET', `/api/chat/sessions/${place.session}`);
  return session.active_stream?.task_id;
}

/** Frames; every connection shows a ticket of its own. */
function webSocketTransport(place, cut, log) {
  return new WebSocketChatTransport({
    url: place.ws_url,
    params: async () => ({ ticket: (await callApi(place, 'POST', '/api/ws-ticket')).ticket }),
    webSocket: cuttingWebSocket(cut, log),
    prepareSendMessagesRequest: ({ messages, body }) => ({ messages: lastMessage(messages), body }),
  });
}

const BUILDERS = { default: defaultTransport, workflow: workflowTransport, websocket: webSocketTransport };

/** `place` says where and who: {http_url, ws_url, token, session, transport}; `cutAfter` parts the line breaks once. */
export function transportFor(place, cutAfter, log) {
  const cut = new Cut(cutAfter);
  return { transport: BUILDERS[place.transport](place, cut, log), cut };
}
