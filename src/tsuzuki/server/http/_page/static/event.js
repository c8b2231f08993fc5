// An event with those that belong to it: what went in, what came out or went wrong, and the events as they are recorded.
import { element } from "./dom.js";

function block({ title, text, bad }) {
  const copy = element("button", { type: "button", class: "quiet", onclick: () => navigator.clipboard.writeText(text).then(() => { copy.textContent = "Copied"; }) }, "Copy");
  copy.hidden = !navigator.clipboard; // pages that did not come over TLS or from this machine have none
  return element("section", {}, element("div", { class: "head" }, element("h3", {}, title), element("span", { class: "gap" }), copy),
    element("pre", { class: bad ? "bad" : "", tabindex: "0" }, text));
}

export function showEvents(whole) {
  const facts = whole.flatMap((event) => event.facts);
  document.getElementById("event-text").textContent = whole.map((event) => event.text).join("\n\n");
  document.getElementById("event-facts").replaceChildren(...facts.map(block));
  document.getElementById("event-recorded").open = !facts.length;
}
