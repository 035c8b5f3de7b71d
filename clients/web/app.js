// The page: sign-in, the chat or page that is open, the composer. The rest is in the modules it imports.

import { AgentApi } from './agent_api.js';
import { Api } from './api.js';
import { Chat } from './chat.js';
import { Chats } from './chats.js';
import { setText } from './dom.js';
import { claims, forget, keep, signedInToken } from './identity.js';
import { noticeOf } from './notices.js';
import { Pages } from './pages/host.js';
import { PendingReviews } from './pages/pending_reviews.js';
import { hrefOf, routeOf } from './router.js';
import { titleFrom } from './sessions.js';
import { ChatSocket } from './socket.js';
import { totalsText, usageRows } from './usage.js';
import { Conversation } from './view.js';

const CONNECTION = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
};
const LIST_POLL_MS = 10_000;
const NEAR_END_PX = 80;

const $ = (id) => document.getElementById(id);
const page = {
  signIn: $('sign-in'), signInForm: $('sign-in-form'), signInToken: $('token'), signInProblem: $('sign-in-problem'),
  app: $('app'), sidebar: $('sidebar'), menu: $('menu'), scrim: $('scrim'), newChat: $('new-chat'),
  user: $('user'), signOut: $('sign-out'), title: $('chat-title'), connection: $('connection'), problem: $('problem'),
  problemText: $('problem-text'), dismiss: $('dismiss'), scroll: $('scroll'), welcome: $('welcome'), older: $('older'),
  messages: $('messages'), latest: $('latest'), form: $('composer'), input: $('message'), send: $('send'), stop: $('stop'),
  status: $('status'), usage: $('usage'), totals: $('totals'),
  place: $('page'), links: $('pages'), dock: $('dock'), pendingReviews: $('pending-reviews'),
};

const conversation = new Conversation(page.messages);
page.messages.addEventListener('approval', ({ detail }) => chat?.answer(detail.id, detail.approved));
const chats = new Chats(
  { chats: $('chats'), item: $('chat-item'), search: $('search'), found: $('found'), more: $('more-chats') },
  { changed: draw, problem: showProblem, deleted: chatDeleted },
);
const pendingReviews = new PendingReviews(page.pendingReviews);
const pages = new Pages(page.place, {
  changed: draw,
  announce: (words) => setText(page.status, words),
  reviewed: () => pendingReviews.refresh(agentApi),
});
let api = null;
let agentApi = null;
let socket = null;
let chat = null;
let creating = false;
let drawing = false;
let following = true;

// Signing in and out

function begin(token) {
  const who = claims(token);
  if (!who) {
    signOut('That is not a sign-in token.');
    return;
  }
  keep(token);
  setText(page.user, who.name ?? who.sub ?? '');
  api = new Api(token, () => signOut('Your sign-in is no longer valid. Open a new sign-in link.'));
  agentApi = new AgentApi(api);
  socket = new ChatSocket({ ticket: () => api.ticket(), onState: showConnection, onNotify: notified });
  page.signIn.hidden = true;
  page.app.hidden = false;
  socket.connect();
  chats.of(api);
  loadUsage();
  pendingReviews.refresh(agentApi);
  openFromAddress();
}

function signOut(reason = '') {
  forget();
  socket?.close();
  chat?.dispose();
  pages.hide();
  pendingReviews.refresh(null);
  [api, agentApi, socket, chat] = [null, null, null, null];
  history.replaceState(null, '', location.pathname + location.search);
  chats.of(null);
  page.usage.replaceChildren();
  conversation.show([]);
  setText(page.signInProblem, reason);
  page.app.hidden = true;
  page.signIn.hidden = false;
  page.signInToken.focus();
}

/** A chat that was open leads to a new one. */
function chatDeleted(id) {
  if (chat?.id === id) {
    history.replaceState(null, '', location.pathname + location.search);
    openFromAddress();
  }
  setText(page.status, 'The chat is deleted.');
  page.newChat.focus();
}

async function loadUsage() {
  try {
    const usage = await api?.usage();
    if (usage) page.usage.replaceChildren(...usageRows(usage));
  } catch {
    page.usage.replaceChildren(); // a display is no reason to trouble anybody
  }
}

// The open chat

function newChatObject(id) {
  const events = {
    changed: draw,
    turnEnded: (message) => {
      setText(page.status, message.status === 'done' ? 'The answer is complete.' : 'The answer has ended.');
      chats.load();
      loadUsage();
      chat?.readTotals();
    },
    problem: showProblem,
    returned: (text) => {
      page.input.value = page.input.value ? `${text}\n${page.input.value}` : text;
      fitInput();
    },
  };
  return new Chat(id, { api, socket, events });
}

async function openFromAddress() {
  if (!api) return;
  const route = routeOf(location.hash);
  const wasOpen = pages.open;
  pages.show(route, agentApi);
  if (!pages.open && !wasOpen && route.id === (chat?.id ?? null)) return;
  chat?.dispose();
  chat = !pages.open && route.id ? newChatObject(route.id) : null;
  following = true;
  hideProblem();
  showSidebar(false);
  draw();
  if (!pages.open) page.input.focus();
  if (!chat) return;
  const opened = chat;
  try {
    await opened.refresh();
  } catch (error) {
    if (chat === opened) showProblem(error);
  }
}

async function submit() {
  const text = page.input.value;
  if (!text.trim() || creating) return;
  hideProblem();
  following = true;
  page.input.value = '';
  fitInput();
  if (!chat && !(await createChat(text))) {
    page.input.value = text;
    fitInput();
    return;
  }
  chat.submit(text);
}

async function createChat(text) {
  creating = true;
  draw();
  try {
    const session = await api.createSession();
    chats.add(session, titleFrom(text));
    chat = newChatObject(session.id);
    history.pushState(null, '', hrefOf('chat', session.id));
    return true;
  } catch (error) {
    showProblem(error);
    return false;
  } finally {
    creating = false;
  }
}

async function loadOlder() {
  const fromEnd = page.scroll.scrollHeight - page.scroll.scrollTop;
  page.older.disabled = true;
  following = false;
  try {
    await chat.loadOlder();
    render();
    page.scroll.scrollTop = page.scroll.scrollHeight - fromEnd;
  } catch (error) {
    showProblem(error);
  }
  page.older.disabled = false;
}

function showConnection(state) {
  page.connection.dataset.state = state;
  setText(page.connection, CONNECTION[state]);
  if (state !== 'connected') return;
  if (chat) chat.reconnected();
  chats.load();
  somethingChanged();
}

function somethingChanged() {
  pages.refresh();
  pendingReviews.refresh(agentApi);
}

function notified(frame) {
  chats.load();
  somethingChanged();
  const words = noticeOf(frame);
  if (words && pages.open) setText(page.status, words);
  else if (words) showProblem({ code: frame.kind, message: words });
  if (chat && (frame.session_id === undefined || frame.session_id === chat.id)) chat.turnStarted();
}

// Drawing: at most once a frame, however fast the parts come

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(render);
}

function render() {
  drawing = false;
  const messages = chat?.messages ?? [];
  const running = chat?.running ?? false;
  conversation.show(messages);
  chats.show(chat?.id ?? null, running);
  setText(page.totals, totalsText(chat?.totals));
  const title = pages.title || (chat ? (chats.titleOf(chat.id) ?? 'Untitled chat') : 'New chat');
  setText(page.title, title);
  document.title = `${title} · Parley`;
  page.scroll.hidden = page.dock.hidden = pages.open;
  markCurrent(pages.current);
  page.welcome.hidden = Boolean(chat);
  page.older.hidden = !chat?.hasOlder;
  page.stop.hidden = !running;
  page.stop.disabled = chat?.stopping ?? false;
  page.send.disabled = creating || !page.input.value.trim();
  if (following) page.scroll.scrollTop = page.scroll.scrollHeight;
  page.latest.hidden = following || !chat;
}

function markCurrent(current) {
  for (const anchor of page.links.querySelectorAll('a')) {
    if (anchor.hash === current) anchor.setAttribute('aria-current', 'page');
    else anchor.removeAttribute('aria-current');
  }
}

function showProblem({ status, code, message }) {
  if (status === 401) return; // signed out: the sign-in form says why
  setText(page.problemText, message);
  page.problem.dataset.code = code;
  page.problem.hidden = false;
}

function hideProblem() {
  page.problem.hidden = true;
  setText(page.problemText, '');
}

function fitInput() {
  page.input.style.height = 'auto';
  page.input.style.height = `${page.input.scrollHeight}px`;
  page.send.disabled = creating || !page.input.value.trim();
}

function showSidebar(open) {
  page.app.classList.toggle('menu-open', open);
  page.menu.setAttribute('aria-expanded', String(open));
  if (open) page.newChat.focus();
}

// Events

page.signInForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const token = page.signInToken.value.trim().replace(/^.*#token=/, '');
  page.signInToken.value = '';
  if (token) begin(token);
});
page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});
page.input.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
page.scroll.addEventListener('scroll', () => {
  const { scrollHeight, scrollTop, clientHeight } = page.scroll;
  following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  page.latest.hidden = following || !chat;
});
page.latest.addEventListener('click', () => {
  following = true;
  render();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || !page.app.classList.contains('menu-open')) return;
  showSidebar(false);
  page.menu.focus();
});
for (const suggestion of page.welcome.querySelectorAll('button')) {
  suggestion.addEventListener('click', () => {
    page.input.value = suggestion.textContent.trim();
    submit();
  });
}
page.input.addEventListener('input', fitInput);
page.stop.addEventListener('click', () => chat?.stop());
page.older.addEventListener('click', loadOlder);
page.dismiss.addEventListener('click', hideProblem);
page.menu.addEventListener('click', () => showSidebar(!page.app.classList.contains('menu-open')));
page.scrim.addEventListener('click', () => showSidebar(false));
page.links.addEventListener('click', ({ target }) => target.closest('a') && showSidebar(false));
page.newChat.addEventListener('click', () => {
  history.pushState(null, '', location.pathname + location.search);
  openFromAddress();
  showSidebar(false);
  page.input.focus();
});
page.signOut.addEventListener('click', () => signOut());
addEventListener('hashchange', () => {
  const token = signedInToken();
  if (token && !api) begin(token);
  else openFromAddress();
});
addEventListener('popstate', openFromAddress);
addEventListener('focus', () => {
  if (!api) return;
  chat?.turnStarted(); // somebody else may have written there
  chats.load();
  somethingChanged();
});
setInterval(() => api && document.visibilityState === 'visible' && chats.poll(), LIST_POLL_MS);

const token = signedInToken();
if (token) begin(token);
else signOut();
