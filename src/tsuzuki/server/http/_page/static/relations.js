// What a run is related to: the tree of parents and children, the other runs of its id, what it was made from.
import { element, fetched, length, tellTimes } from "./dom.js";
import { events } from "./run.js";

const PAGES_MAX = 10;
const section = document.getElementById("relations");
const page = document.getElementById("run").dataset;
const { path } = page;
const open = new Map(); // path of a run -> its children, as far as they were read
const asked = (from, what) => fetched(`${from}/${what}`).then((response) => response.json());

function line(node, here) {
  const took = node.closed ? length(new Date(node.closed) - new Date(node.started)) : null;
  return element("span", { class: `node${here ? " here" : ""}` },
    element("span", { class: `pill ${node.css}` }, node.status),
    here ? element("b", { class: "mono", "aria-current": "true" }, node.workflowId) : element("a", { class: "mono", href: node.path }, node.workflowId),
    element("span", { class: "dim" }, node.type, " · ", took ?? element("span", { class: "since", "data-since": node.started }, "…")));
}

// A run with what is below it; a run that nobody opened has a button in place of its children.
function branch(node, below) {
  const known = open.get(node.path);
  const here = node.path === path;
  const turn = element("button", { type: "button", class: "quiet turn", "aria-expanded": String(Boolean(known) || Boolean(below)),
    "aria-label": `Children of ${node.workflowId}` }, known || below ? "▾" : "▸");
  const bare = known && !known.nodes.length;
  if (bare || below) turn.style.visibility = "hidden";
  turn.addEventListener("click", () => (known ? close(node) : more(node)));
  const inner = below ? [below] : known?.nodes.map((child) => branch(child)) ?? [];
  if (!below && known?.next) inner.push(element("li", {}, element("button", { type: "button", onclick: () => more(node) }, "More children")));
  if (here && bare && !below) turn.remove();
  return element("li", { role: "treeitem", "aria-expanded": known || below ? "true" : "false", "aria-selected": String(here) }, turn, line(node, here),
    inner.length ? element("ul", { role: "group" }, ...inner) : null);
}

async function more(node) {
  const known = open.get(node.path) || { nodes: [], next: "" };
  try {
    const page = await asked(node.path, `children?page=${encodeURIComponent(known.next)}`);
    open.set(node.path, { nodes: [...known.nodes, ...page.nodes], next: page.next });
    draw();
  } catch (error) {
    tell(error);
  }
}

function close(node) {
  open.delete(node.path);
  draw();
}

function tell(error) {
  section.hidden = false;
  section.replaceChildren(element("p", { class: "banner bad", role: "alert" }, `What this run is related to cannot be shown: ${error.message}`));
}

let all = null;

function draw() {
  const below = open.get(path);
  const parts = [];
  if (all.origins.length) {
    parts.push(element("p", { class: "origins" }, ...all.origins.map((origin) => element("span", {},
      element("span", { class: "dim" }, `${origin.how} `), element("a", { class: "mono", href: origin.path, title: origin.runId },
        origin.workflowId === all.self.workflowId ? `${origin.runId.slice(0, 8)}…` : origin.workflowId), origin.at))));
  }
  if (all.ancestors.length || below.nodes.length) {
    let tree = branch(all.self);
    for (const ancestor of [...all.ancestors].reverse()) tree = branch(ancestor, tree);
    parts.push(element("div", {}, element("h2", { id: "family-title" }, "Parent and children"), element("ul", { class: "tree", role: "tree", "aria-labelledby": "family-title" }, tree)));
  }
  if (all.runs.length > 1) {
    parts.push(element("div", {}, element("h2", {}, "Runs of this workflow id"), element("ol", { class: "tree" }, ...all.runs.map((run) => {
      const made = line(run, run.path === path);
      made.querySelector(".mono").textContent = `${run.runId.slice(0, 8)}…`;
      made.lastChild.before(element("time", { class: "dim", datetime: run.started }));
      if (run.firstRunId === all.self.firstRunId) made.append(element("span", { class: "dim" }, "· same chain"));
      return element("li", {}, made);
    }))));
  }
  section.hidden = !parts.length;
  section.replaceChildren(...parts);
  tellTimes(section);
}

const meet = (newest, known) => newest.nodes.some((node) => known.nodes.some((other) => other.path === node.path));

// Take in the newest page of children, beside those of further pages that somebody has opened. Where more than a page has come since,
// what lies between is read too; where far more has, the further pages are closed again.
async function takeIn(first) {
  const opened = () => open.get(path)?.nodes.length > first.nodes.length;
  let newest = first;
  for (let page = 1; opened() && newest.next && page < PAGES_MAX && !meet(newest, open.get(path)); page++) {
    const { nodes, next } = await asked(path, `children?page=${encodeURIComponent(newest.next)}`);
    newest = { nodes: [...newest.nodes, ...nodes], next };
  }
  const known = open.get(path);
  const paths = new Set(newest.nodes.map((node) => node.path));
  const rest = opened() && meet(newest, known) ? known.nodes.filter((node) => !paths.has(node.path)) : [];
  open.set(path, rest.length ? { nodes: [...newest.nodes, ...rest], next: known.next } : newest);
}

async function load() {
  try {
    const found = await asked(path, "relations");
    await takeIn(found.children);
    all = found;
    draw();
  } catch (error) {
    tell(error);
  }
}

load();
let seen = 0;
let wanted = 0;
events.onChange(() => {
  const children = events.groups.filter((group) => group.category === "child").reduce((sum, group) => sum + group.events.length, 0);
  if (children === seen) return;
  if (events.caughtUp && (all || page.open === "yes")) { // what is being read now may be without this one
    clearTimeout(wanted);
    wanted = setTimeout(load, 300);
  }
  seen = children;
});
