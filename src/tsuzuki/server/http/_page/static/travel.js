// Time travel: where the code stood at an event, and what changed since the one before.
import { element, fetched } from "./dom.js";
import { Events } from "./events.js";

const KEPT = 200;
const SETTLE_MS = 60;
const SLOW_MS = 700;
const by = (id) => document.getElementById(id);
const page = by("travel");
export const events = new Events(page.dataset.path);
const states = new Map();
const slider = by("at");
let shown = 0;

function state(event) {
  if (!states.has(event)) {
    const asked = fetched(`${page.dataset.path}/state/${event}?queue=${encodeURIComponent(page.dataset.queue)}`).then((response) => response.json());
    asked.catch(() => states.delete(event));
    states.set(event, asked);
    if (states.size > KEPT) states.delete(states.keys().next().value);
  }
  return states.get(event);
}

async function show(event) {
  shown = event;
  history.replaceState(null, "", `#${event}`);
  slider.value = event;
  by("position").textContent = `${event} / ${slider.max}`;
  tellEvent(event);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  if (shown !== event) return;
  by("past").classList.add("waits");
  page.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => by("what").append(element("span", { class: "dim" }, " asking a worker …")), SLOW_MS);
  try {
    const [now, before] = await Promise.all([state(event), event > 1 ? state(event - 1) : null]);
    if (shown !== event) return void clearTimeout(slow);
    by("trouble").hidden = true;
    tell(now, before);
    if (event < Number(slider.max)) state(event + 1);
  } catch (error) {
    if (shown !== event) return void clearTimeout(slow);
    by("trouble").hidden = false;
    by("trouble").textContent = error.message;
  }
  clearTimeout(slow);
  tellEvent(event);
  by("past").classList.remove("waits");
  page.dataset.shown = event;
  page.removeAttribute("aria-busy");
}

function tellEvent(id) {
  const event = events.all[id - 1];
  const what = by("what");
  if (!event) return void what.replaceChildren();
  what.replaceChildren(element("i", { class: `dot ${event.category}` }), element("b", {}, event.type), ` ${event.name || ""} `, element("code", { class: event.bad ? "bad" : "dim" }, event.text));
}

function tell(now, before) {
  by("tasks").replaceChildren(...tasks(now));
  const [variables, changes] = compared(now, before);
  by("variables").replaceChildren(variables);
  by("changed").replaceChildren(changes);
  by("pending").replaceChildren(pending(now, before));
  by("queries").replaceChildren(queries(now, before));
}

function tasks(now) {
  if (now.finished) return [element("p", { class: "empty small" }, "The workflow has returned.")];
  if (!now.tasks.length) return [element("p", { class: "empty small" }, "The code has not begun: a worker takes the first workflow task at a later event.")];
  return now.tasks.map((task, number) => {
    const frames = task.frames.filter((frame) => frame.user).reverse();
    return element("details", { class: "stack", open: number < 3 }, element("summary", {}, task.name), ...frames.map(frame));
  });
}

function frame(at) {
  const where = element("div", { class: "place", title: at.file }, `${at.function} · ${at.file.split("/").pop()}:${at.line}`);
  const first = at.function_source ? at.function_line : at.line;
  const text = at.function_source || at.source;
  const code = element("div", { class: "code", tabindex: "0", "aria-label": `Source of ${at.function}` }, ...text.replace(/\n$/, "").split("\n").map((line, number) =>
    element("div", { class: first + number === at.line ? "now" : "", "aria-current": first + number === at.line ? "step" : null }, element("i", {}, String(first + number)), line || " ")));
  requestAnimationFrame(() => {
    const now = code.querySelector(".now");
    if (now) code.scrollTop = now.offsetTop - code.offsetTop - code.clientHeight / 2;
  });
  return element("div", { class: "frame" }, where, code);
}

// Every variable in sight as [scope, name, type, text].
function* variablesOf(past) {
  for (const variable of past.instance) yield ["self", variable.name, variable.type, variable.text];
  for (const task of past.tasks) {
    for (const at of task.frames.filter((inner) => inner.user).reverse()) {
      const scope = past.tasks.length > 1 ? `${at.function} · ${task.name}` : at.function;
      for (const variable of at.variables) if (variable.name !== "self") yield [scope, variable.name, variable.type, variable.text];
    }
  }
}

function compared(now, before) {
  const was = new Map(before ? [...variablesOf(before)].map(([scope, name, , text]) => [`${scope}\u0000${name}`, text]) : []);
  const rows = [];
  const changes = [];
  let last = "";
  for (const [scope, name, type, text] of variablesOf(now)) {
    if (scope !== last) rows.push(element("tr", { class: "scope" }, element("td", { colspan: "2" }, scope === "self" ? "the workflow object" : scope)));
    last = scope;
    const key = `${scope}\u0000${name}`;
    const changed = before && was.get(key) !== text;
    rows.push(element("tr", { class: changed ? "changed" : "" }, element("td", {}, name, element("small", {}, type)), element("td", {}, text)));
    if (changed) changes.push(change(name, was.get(key), text));
    was.delete(key);
  }
  const gone = new Map();
  for (const [key, text] of was) {
    const [scope, name] = key.split("\u0000");
    if (!gone.has(scope)) gone.set(scope, []);
    gone.get(scope).push(change(name, text, null));
  }
  for (const lost of gone.values()) changes.push(...lost);
  return [table(rows, "No variables."), table(changes, before ? "No variable changed." : "This is the first event.")];
}

function change(name, was, is) {
  return element("tr", {}, element("td", {}, name), element("td", {}, was === undefined || was === null ? null : element("del", {}, was), is === null ? null : element("ins", {}, is)));
}

function table(rows, empty) {
  return rows.length ? element("table", { class: "values" }, element("tbody", {}, ...rows)) : element("p", { class: "empty small" }, empty);
}

function pending(now, before) {
  const known = new Set(before?.pending.map((work) => work.event_id));
  return table(now.pending.map((work) => element("tr", { class: before && !known.has(work.event_id) ? "changed" : "" },
    element("td", {}, work.name), element("td", {}, `${work.kind} ${work.id}`, element("small", {}, `since event ${work.event_id}${work.started ? ", started" : ""}`)))), "Nothing.");
}

function queries(now, before) {
  return table(Object.entries(now.queries).map(([name, answer]) => element("tr", { class: before && before.queries[name] !== answer ? "changed" : "" },
    element("td", {}, name), element("td", {}, answer))), "The workflow has no queries without arguments.");
}

// Events after which the code has run: the ones that begin its tasks.
const runs = () => events.all.filter((event) => event.type === "WorkflowTaskStarted").map((event) => event.id);
const within = (event) => Math.min(Math.max(event, 1), Number(slider.max));
const go = {
  before: () => show(within(shown - 1)),
  after: () => show(within(shown + 1)),
  "ran-before": () => show(within(runs().findLast((event) => event < shown) ?? 1)),
  "ran-after": () => show(within(runs().find((event) => event > shown) ?? Number(slider.max))),
};
for (const [id, act] of Object.entries(go)) by(id).addEventListener("click", act);
slider.addEventListener("input", () => show(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input:not([type=range]), textarea") || document.querySelector("dialog[open]")) return;
  const act = { ArrowLeft: "before", ArrowRight: "after", "[": "ran-before", "]": "ran-after" }[event.key];
  if (!act) return;
  event.preventDefault();
  go[act]();
});

// A mark for each event over the slider, in the colour of its kind; failures stand out.
function drawMarks() {
  const canvas = by("marks");
  const width = canvas.clientWidth;
  canvas.width = width * devicePixelRatio;
  canvas.height = 14 * devicePixelRatio;
  const pen = canvas.getContext("2d");
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(`--${name}`);
  pen.scale(devicePixelRatio, devicePixelRatio);
  const steps = Math.max(Number(slider.max) - 1, 1);
  for (const event of events.all) {
    const kind = { update: "signal", external: "signal", task: "line-strong", workflow: "ink", marker: "muted", version: "muted", local: "activity", nexus: "child" }[event.category] || event.category;
    pen.fillStyle = colour(event.bad ? "failed" : kind);
    pen.fillRect(((event.id - 1) / steps) * width - 1, event.category === "task" ? 8 : 2, 2, event.category === "task" ? 6 : 12);
  }
}
new ResizeObserver(drawMarks).observe(by("marks"));

let wanted = 0;
events.onChange((added) => {
  if (!added) return;
  slider.max = events.all.length;
  by("position").textContent = `${shown} / ${slider.max}`;
  tellEvent(shown);
  cancelAnimationFrame(wanted);
  wanted = requestAnimationFrame(drawMarks);
});
events.follow().catch(() => {});
const asked = Number(location.hash.slice(1));
show(within(asked || Number(slider.max)));
addEventListener("hashchange", () => show(within(Number(location.hash.slice(1)) || 1)));
