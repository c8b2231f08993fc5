// Elements and requests. Text is always text: nothing here, or that uses it, makes elements from strings of others.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function fetched(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer.");
  }
  if (response.ok) return response;
  let message = `The server answered ${response.status}.`;
  try {
    message = (await response.json()).message || message;
  } catch {}
  throw new Refused(response.status, message);
}

export async function posted(path, body) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await fetched(path, options)).json();
}

// Buttons that others draw come disabled: a click before the code is there that answers it would be lost.
export function enable(place, selector) {
  const all = () => {
    for (const button of place.querySelectorAll(`${selector}:disabled`)) button.disabled = false;
  };
  all();
  new MutationObserver(all).observe(place, { childList: true });
}

// What is drawn anew between the press and the release of a button takes the click with it.
let down = false;
addEventListener("pointerdown", () => { down = true; }, true);
for (const over of ["pointerup", "pointercancel", "dragend"]) addEventListener(over, () => setTimeout(() => { down = false; }), true);
export const pressed = () => down;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function length(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const parts = [];
  let rest = Math.floor(ms / 1000);
  for (const [size, unit] of [[86_400, "d"], [3_600, "h"], [60, "m"], [1, "s"]]) {
    if (rest >= size || parts.length) parts.push(`${Math.floor(rest / size)}${unit}`);
    rest %= size;
  }
  return parts.slice(0, 2).join(" ");
}

const two = (number) => String(number).padStart(2, "0");

export function localTime(iso, withDay = true) {
  const at = new Date(iso);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return withDay ? `${day} ${time}` : `${time}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

export function tellTimes(root = document) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    time.title = time.dateTime;
    const left = at - Date.now();
    if (time.dataset.relative === "ago") time.textContent = left > -1000 ? "now" : `${length(Math.floor(-left / 1000) * 1000).replace(".0s", "s")} ago`;
    else if (time.dataset.relative) time.textContent = left > 0 ? `in ${length(left)}` : "now";
    else time.textContent = localTime(time.dateTime);
  }
  for (const since of root.querySelectorAll(".since")) {
    since.textContent = length(Date.now() - new Date(since.dataset.since));
  }
}
