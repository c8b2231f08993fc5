// The page of a run: its events in a window, its timeline, what it waits for, actions.
import { offerActions } from "./actions.js";
import { element, fetched, length, localTime, pressed, tellTimes } from "./dom.js";
import { showEvents } from "./event.js";
import { Events } from "./events.js";
import { resetPoints, usualPoint } from "./reset.js";
import { Timeline } from "./timeline.js";
import { Window } from "./window.js";

const STATUS_EVERY_MS = 2000;
const JSON_EVENTS = 50;
const WHAT = { child: "Child workflow", update: "Update", timer: "Timer", activity: "Activity" };
const by = (id) => document.getElementById(id);
const page = by("run");
const place = { namespace: page.dataset.namespace, path: page.dataset.path };
export const events = new Events(place.path);
const box = by("history");
let view = "compact";
let rows = [];
let jsonFrom = 0;

const list = new Window(box, (number) => draw(rows[number]));
const timeline = new Timeline(by("timeline"), (group) => open((group.outcome || group.start).id));

function matching() {
  const wanted = by("find").value.trim().toLowerCase();
  const all = view === "compact" ? compact() : events.all.map((event) => ({ event }));
  if (!wanted) return all;
  return all.filter(({ event, group }) => [event.type, event.name, event.text, event.thing, group?.outcome?.text, group?.outcome?.type]
    .some((text) => text && text.toLowerCase().includes(wanted)));
}

// One line for each thing that was begun, without the tasks that moved the workflow on, unless they failed.
function compact() {
  const shown = [];
  for (const event of events.all) {
    const group = events.byStart.get(event.id);
    if (group) shown.push({ event, group });
    else if (event.group || (event.category === "version" && event.type !== "MarkerRecorded")) continue; // it only repeats the marker
    else if (event.category !== "task" || event.bad) shown.push({ event });
  }
  return shown;
}

function draw({ event, group }) {
  const last = group?.outcome || event;
  const bad = last.bad;
  const took = group ? (group.ended === null ? "…" : length(group.ended - group.began)) : "";
  const row = element("div", { class: `row${bad ? " failed" : ""}`, role: "row", tabindex: "-1" },
    cell("no", String(event.id)),
    cell("when", localTime(event.at, false), localTime(event.at)),
    cell("took", took),
    cell("kind", kindOf(event, group), "", event.category),
    cell("name", event.name || ""),
    cell("text", said(event, group)));
  row.addEventListener("click", () => open(last.id));
  return row;
}

function kindOf(event, group) {
  if (view === "full") return event.type;
  if (event.category === "local") return `Local activity ${event.bad ? "failed" : "completed"}${event.attempt > 1 ? `, attempt ${event.attempt}` : ""}`;
  if (event.category === "version") return "Version of the code";
  if (!group) return event.type;
  const what = WHAT[event.category] || event.type.replace(/(Task)?(Scheduled|Started|Initiated|Accepted)$/, "");
  const how = group.outcome ? group.outcome.type.replace(/^(Activity(Task)?|Timer|ChildWorkflowExecution|StartChildWorkflowExecution|WorkflowExecutionUpdate|NexusOperation|External\w+?Execution)/, "") : "pending";
  return `${what} ${how.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()}${group.attempt > 1 ? `, attempt ${group.attempt}` : ""}`;
}

function said(event, group) {
  if (!group || view === "full") return event.text;
  if (!group.outcome?.text) return event.text;
  return event.text ? `${event.text} → ${group.outcome.text}` : group.outcome.text;
}

function cell(kind, text, title, dot) {
  return element("span", { class: kind, role: "gridcell", title: title || text }, dot ? element("i", { class: `dot ${dot}` }) : null, text);
}

function show() {
  if (view === "json") return;
  rows = matching();
  list.show(rows.length);
  by("loaded").textContent = `${events.all.length.toLocaleString("en")} events${rows.length === events.all.length ? "" : `, ${rows.length.toLocaleString("en")} lines`}`;
}

const shell = (text) => (/^[\w.@:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const whole = (id) => events.whole(id).catch((error) => ({ text: error.message, facts: [] }));

let opened = 0;

async function open(id) {
  opened = id;
  const event = events.all[id - 1];
  const dialog = by("event");
  by("event-title").textContent = `${id} · ${event.type}${event.name ? ` · ${event.name}` : ""}`;
  showEvents([{ text: "…", facts: [] }]);
  by("event-travel").href = `${place.path}/time-travel#${id}`;
  by("event-commands").textContent = ["debug", "replay"].map((what) => `tsuzuki workflow ${what} --workflows my.module --workflow-id ${shell(page.dataset.workflow)} --run-id ${page.dataset.run}${what === "debug" ? ` --event ${id}` : ""}`).join("\n");
  dialog.showModal();
  const shown = [event, ...(event.group?.events || events.byStart.get(id)?.events || [])];
  const ids = [...new Set(shown.map((other) => other.id))].sort((a, b) => a - b);
  const told = await Promise.all(ids.map(whole));
  if (opened === id) showEvents(told); // not if another one was opened meanwhile
}

async function showJson() {
  box.classList.add("json");
  box.style.height = "auto";
  const end = Math.min(jsonFrom + JSON_EVENTS, events.all.length);
  const ids = Array.from({ length: end - jsonFrom }, (_, number) => jsonFrom + number + 1);
  const texts = (await Promise.all(ids.map(whole))).map((event) => event.text);
  const turn = (label, to) => element("button", { type: "button", disabled: to < 0 || to >= events.all.length, onclick: () => { jsonFrom = to; showJson(); } }, label);
  box.replaceChildren(element("pre", {}, texts.join(",\n")), element("p", { class: "buttons" },
    turn("Earlier", jsonFrom - JSON_EVENTS), ` ${jsonFrom + 1}–${end} of ${events.all.length} `, turn("Later", jsonFrom + JSON_EVENTS)));
  box.scrollTop = 0;
}

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => {
    view = button.dataset.view;
    for (const other of document.querySelectorAll("[data-view]")) other.setAttribute("aria-pressed", other === button);
    if (view === "json") return void showJson();
    box.classList.remove("json");
    box.replaceChildren(list.sizer);
    list.forget();
    show();
  });
}
by("find").addEventListener("input", show);
by("zoom-in").addEventListener("click", () => timeline.zoomTo(timeline.zoom * 1.6));
by("zoom-out").addEventListener("click", () => timeline.zoomTo(timeline.zoom / 1.6));
by("zoom-fit").addEventListener("click", () => timeline.zoomTo(1));

function showTimeline() {
  const first = events.all[0];
  if (!first) return;
  const open = events.groups.some((group) => group.ended === null) && !events.closed;
  if (open) tellPending();
  timeline.show(events.groups, first.at, open ? Date.now() : events.all.at(-1).at);
}

export async function refreshStatus() {
  const text = await fetched(`${place.path}?fragment=1`).then((response) => response.text(), () => "");
  if (!text || pressed()) return;
  const read = [...by("status").querySelectorAll("tr:has(details[open])")].map((row) => row.dataset.activity);
  by("status").innerHTML = text; // our own template, which escapes what it shows
  offerPause();
  for (const row of pendingRows()) if (read.includes(row.dataset.activity)) row.querySelector("details")?.setAttribute("open", "");
  tellTimes(by("status"));
  showTimeline();
}

function offerPause() {
  const paused = by("status").querySelector(".facts").dataset.status === "Paused";
  for (const button of document.querySelectorAll("[data-action=pause], [data-action=unpause]")) button.hidden = (button.dataset.action === "pause") === paused;
}

const pendingRows = () => by("status").querySelectorAll("tr[data-activity]");

// The attempts of an activity that has not ended are in no history: the timeline has them from what is pending.
function tellPending() {
  const rows = new Map([...pendingRows()].map((row) => [row.dataset.activity, row.dataset]));
  for (const group of events.byStart.values()) {
    if (group.category !== "activity" || group.ended !== null) continue;
    const row = rows.get(group.start.thing);
    group.pending = row && { attempts: Number(row.attempts), ended: Date.parse(row.ended), next: Date.parse(row.next) };
  }
}

offerPause();
const history = { points: () => resetPoints(events.all), usual: () => usualPoint(events.all, events.groups) };
offerActions(place, { workflowId: page.dataset.workflow, runId: page.dataset.run }, history, refreshStatus);

// With its result; but not while somebody reads or writes in a dialog.
function showEnd() {
  const dialog = document.querySelector("dialog[open]");
  if (!dialog) return location.reload();
  refreshStatus();
  dialog.addEventListener("close", showEnd, { once: true });
}

let wanted = 0;
events.onChange((added) => {
  if (added || events.closed) {
    cancelAnimationFrame(wanted);
    wanted = requestAnimationFrame(() => { show(); showTimeline(); });
  }
  if (events.closed && page.dataset.open === "yes") showEnd();
});
if (page.dataset.open === "yes") {
  setInterval(() => document.hidden || events.closed || refreshStatus(), STATUS_EVERY_MS);
  setInterval(() => document.hidden || showTimeline(), 1000);
}
events.follow().catch((error) => { by("loaded").textContent = error.message; });
