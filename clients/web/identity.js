// Who is signed in: a bearer token from the link's fragment, kept in this browser until sign-out.

const KEY = `parley.token ${new URL('.', document.baseURI).pathname}`; // one origin may serve several deployments

/** The token from `#token=…` (then taken out of the address bar, so that it is not shared by accident) or the kept one. */
export function signedInToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get('token');
  if (token) {
    keep(token);
    fragment.delete('token');
    const rest = fragment.toString();
    history.replaceState(null, '', location.pathname + location.search + (rest ? `#${rest}` : ''));
  }
  return token || localStorage.getItem(KEY);
}

export function keep(token) {
  localStorage.setItem(KEY, token);
}

export function forget() {
  localStorage.removeItem(KEY);
}

/** What the token says about its user, for display only: the server is who checks it. Null if it is no token. */
export function claims(token) {
  try {
    const body = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
