// The one way this page makes elements. Text always becomes a text node: nothing here parses HTML.

/** `make('p.note', { title: 'x', onclick }, 'text', child, …)`; null and false children are left out. */
export function make(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split('.');
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** A link to the outside, or plain text if the address is not http or https. */
export function link(address, ...children) {
  let url = null;
  try {
    url = new URL(address);
  } catch {
    // stays null: not an address
  }
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') return make('span', {}, ...children);
  return make('a', { href: url.href, target: '_blank', rel: 'noopener noreferrer' }, ...children);
}

/** Change only what differs: a live region announces every text that is set. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make these the children, in this order. What stays in its place is not touched, and keeps its focus. */
export function arrange(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const element of elements) {
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}
