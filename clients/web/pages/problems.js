// What an answer refuses, in lines to show beside what was typed. Pure.

/** One line for each of the problems that an answer names; none if it names none. */
export function problemLines({ details }, nameOf = (field) => field) {
  const problems = Array.isArray(details?.problems) ? details.problems : [];
  return problems.map(({ field, problem }) => [nameOf(field), problem].filter(Boolean).join(': '));
}

/** `http_basic.hosts.1` is `hosts`, and with `numbered` `hosts, no. 2`. */
export function lastName(field, numbered) {
  const [, name, at] = field.match(/([^.]*)(?:\.(\d+))?$/);
  return at && numbered ? `${name}, no. ${Number(at) + 1}` : name;
}

/** One line for each of the inputs that don't fit an agent; none if the answer names none. */
export function inputLines({ details }) {
  const { unknown = [], missing = [], problems = [] } = details ?? {};
  return [...unknown.map((name) => `${name} is unknown`), ...missing.map((name) => `${name} is missing`), ...problems];
}
