// What the run's activities say while they run: a block for each attempt, live. The browser itself comes back after a
// lost connection, with the id of the last event that it has seen.
import { element } from "./dom.js";

const BLOCKS_MAX = 100;
const CHARACTERS_MAX = 200_000;
const by = (id) => document.getElementById(id);
const { namespace, workflow, run } = by("run").dataset;
const newest = new Map(); // by activity id: the block of its newest attempt

function begin(event) {
  const before = newest.get(event.activityId);
  if (before && before.attempt !== event.attempt) {
    before.details.classList.add("superseded");
    before.details.open = false;
    before.state.textContent = "superseded";
  }
  const state = element("span", { class: "dim" });
  const text = element("pre", { tabindex: "0" });
  const title = `${event.activityType} ${event.activityId}${event.attempt > 1 ? `, attempt ${event.attempt}` : ""}`;
  const details = element("details", { open: true }, element("summary", {}, title, " ", state), text);
  by("said").append(details);
  if (by("said").children.length > BLOCKS_MAX) by("said").firstChild.remove();
  const block = { attempt: event.attempt, details, state, text };
  newest.set(event.activityId, block);
  return block;
}

function add(text, said) {
  const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 30;
  text.append(said);
  while (text.textContent.length > CHARACTERS_MAX && text.childNodes.length > 1) text.firstChild.remove();
  if (atEnd) text.scrollTop = text.scrollHeight;
}

const kinds = {
  begin,
  data(event) {
    const known = newest.get(event.activityId);
    const { text } = known?.attempt === event.attempt ? known : begin(event);
    const line = "value" in event ? event.value : event.payload ? "(encoded)" : "";
    if (typeof line === "string") add(text, line);
    else add(text, element("span", { class: "event" }, JSON.stringify(line)));
  },
  end(event) {
    const known = newest.get(event.activityId);
    if (known) known.state.textContent = "done";
  },
  full() {
    by("streaming").textContent = "full: nothing more is kept";
  },
};

const source = new EventSource(`/api/v1/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflow)}/stream?runId=${encodeURIComponent(run)}`);
source.addEventListener("message", ({ data }) => {
  const event = JSON.parse(data);
  by("stream").hidden = false;
  if (!by("streaming").textContent) by("streaming").textContent = "live";
  kinds[event.kind]?.(event);
});
source.addEventListener("end", () => {
  source.close();
  if (by("streaming").textContent === "live") by("streaming").textContent = "";
});
