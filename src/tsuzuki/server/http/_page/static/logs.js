// What the run's code and its activities have logged: the newest lines, live, from a level on.
import { element, localTime } from "./dom.js";

const LINES_MAX = 2000;
const LEVELS = [[50, "critical"], [40, "error"], [30, "warning"], [20, "info"], [0, "debug"]];
const by = (id) => document.getElementById(id);
const { namespace, workflow, run } = by("run").dataset;
const box = by("lines");
const waiting = [];
let count = 0;

const levelOf = (number) => LEVELS.find(([least]) => number >= least)[1];
const least = () => Number(by("logs-level").value);

function draw(line) {
  const who = line.activityType ? `${line.activityType} ${line.activityId}${line.attempt > 1 ? `, attempt ${line.attempt}` : ""}` : "workflow";
  const level = levelOf(line.level);
  const fields = Object.entries(line.fields || {}).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ");
  const row = element("div", { class: `line ${level}`, hidden: line.level < least() },
    element("time", { title: localTime(line.time) }, localTime(line.time, false)), element("b", {}, level), element("span", { class: "log-who", title: line.logger }, who),
    element("span", { class: "log-text" }, line.message, fields ? element("span", { class: "dim" }, `  ${fields}`) : null,
      line.exception ? element("details", {}, element("summary", {}, line.exception.trimEnd().split("\n").at(-1)), element("pre", {}, line.exception)) : null));
  row.dataset.level = line.level;
  return row;
}

// Once a frame, however many have come: to measure and count for each line costs more than to draw it.
function addAll() {
  const rows = waiting.splice(0);
  by("logs").hidden = false;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 30;
  box.append(...rows);
  while (box.children.length > LINES_MAX) box.firstChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
  tell();
}

function add(row) {
  count += 1;
  if (!waiting.length) requestAnimationFrame(addAll);
  waiting.push(row);
  if (waiting.length > LINES_MAX) waiting.shift(); // nobody looks at the page: there are no frames
}

function tell() {
  const hidden = [...box.children].filter((row) => row.hidden).length;
  by("logged").textContent = `${count.toLocaleString("en")} lines${hidden ? `, ${hidden.toLocaleString("en")} of them below this level` : ""}`;
}

by("logs-level").addEventListener("change", () => {
  for (const row of box.children) row.hidden = Number(row.dataset.level) < least();
  tell();
  box.scrollTop = box.scrollHeight;
});

const source = new EventSource(`/api/v1/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflow)}/logs?runId=${encodeURIComponent(run)}&last=${LINES_MAX}`);
source.addEventListener("message", ({ data }) => {
  const line = JSON.parse(data);
  add("message" in line ? draw(line) : element("div", { class: "line" }, element("span", { class: "log-text dim" }, "(encoded)")));
});
source.addEventListener("end", () => source.close());
