// Panels of runs that use the agent layer: control, approvals, budget, executions. Which of them a run has, it says
// itself: it names its queries. What they show and send is what the short routes of the HTTP API give and take.
import { element, fetched, length, posted, tellTimes } from "./dom.js";
import { events } from "./run.js";

const SETTLE_MS = 250;
const PATIENCE_MS = 1000;
const PATIENCE_MAX_MS = 120_000;
const EXECUTIONS = 100;
const PERSISTS = "persist_agent_execution";
const MICROS = 1_000_000;
const by = (id) => document.getElementById(id);
const { namespace, workflow, run, open } = by("run").dataset;
const base = `/api/v1/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflow)}`;
const which = `runId=${encodeURIComponent(run)}`;
const got = async (what) => (await fetched(`${base}/${what}${what.includes("?") ? "&" : "?"}${which}`)).json();
const sent = (what, body) => posted(`${base}/${what}?${which}`, { ...acting(), ...body });
const say = (panel, text) => {
  const place = by(panel).querySelector("p.banner");
  place.hidden = !text;
  place.textContent = text;
};

// Who acts: kept in this browser; a server that asks for keys knows better.
const name = by("acts-as");
const acting = () => (name ? { by: name.value.trim() || "the web page" } : {});
try {
  if (name) {
    name.value = localStorage.getItem("tsuzuki-acts-as") || "";
    name.addEventListener("change", () => localStorage.setItem("tsuzuki-acts-as", name.value.trim()));
  }
} catch {}

// A click or an enter: one call, then the panels anew. What is refused is said in the panel.
async function act(panel, button, call) {
  button.disabled = true;
  try {
    say(panel, "");
    await call();
  } catch (error) {
    say(panel, error.message);
  }
  silent.delete(panel);
  button.disabled = false;
  await refresh();
}

function moment(iso) {
  return element("time", { datetime: iso });
}

function trail(id, title, lines) {
  by(id).hidden = !lines.length;
  by(id).querySelector("summary").textContent = `${title} (${lines.length})`;
  by(id).querySelector("ol").replaceChildren(...lines);
}

// Whose keys they were, out of the history: what a run tells of who asked is what the callers have said of themselves.
function keys(id, names) {
  const asked = events.all.filter((event) => event.caller !== undefined && names.includes(event.name) && /Signaled$|UpdateAccepted$/.test(event.type));
  trail(id, "By whose key", asked.map((event) => element("li", {}, element("b", {}, event.caller), " ", moment(new Date(event.at).toISOString()),
    ` ${event.name} `, element("code", {}, event.text))).reverse());
}

// ---- control

const COLOURS = { running: "running", paused: "canceled", cancelled: "failed" };

function showControl(state) {
  const pill = by("control-status");
  pill.className = `pill ${COLOURS[state.status] || "other"}`;
  pill.textContent = state.status;
  const facts = [];
  if (state.since) facts.push(element("p", {}, element("b", {}, state.status), " since ", moment(state.since), state.by ? ` by ${state.by}` : "", state.reason ? `: ${state.reason}` : ""));
  if (state.status === "paused") facts.push(element("p", { class: "dim" }, state.waiting_at.length ? `It waits at ${state.waiting_at.join(", ")}.` : "It finishes what it is doing, and stops at its next checkpoint."));
  else if (state.checkpoint) facts.push(element("p", { class: "dim" }, "Last checkpoint: ", element("code", {}, state.checkpoint)));
  if (state.paused_s) facts.push(element("p", { class: "dim" }, `Paused for ${length(state.paused_s * 1000)} in all, up to its last step.`));
  if (state.children.length) facts.push(element("p", { class: "dim" }, `Its children follow: ${state.children.join(", ")}`));
  by("control-state").replaceChildren(...facts);
  const can = { pause: state.status === "running", resume: state.status === "paused", cancel: state.status !== "cancelled" };
  for (const button of by("control-form").querySelectorAll("button")) button.hidden = !can[button.value];
  by("control-form").hidden = open !== "yes" || state.status === "cancelled";
  trail("control-log", "What was asked", state.actions.map((action) => element("li", {}, element("b", {}, action.action), " ", moment(action.at),
    action.by ? ` by ${action.by}` : "", action.reason ? `: ${action.reason}` : "", action.changed ? "" : " (no change)")).reverse());
  keys("control-keys", ["pause", "resume", "cancel"]);
}

by("control-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const reason = form.elements.reason.value;
  act("control", event.submitter, async () => {
    const { note } = await sent(`control/${event.submitter.value}`, { reason });
    form.reset();
    if (note) say("control", note);
  });
});

// ---- approvals

const asked = new Map(); // by id: the form of a question, kept while somebody may be writing in it

function question(approval) {
  const form = element("form", { class: "question", "data-approval": approval.id });
  const subject = JSON.stringify(approval.subject, null, 2);
  const edited = element("textarea", { name: "edited", spellcheck: "false", "aria-label": "In place of what is shown, as JSON", hidden: true });
  const edit = element("button", { type: "button", class: "quiet", onclick: () => { edited.hidden = false; edited.value ||= subject; edited.focus(); edit.hidden = true; } }, "Edit before approving");
  form.append(element("p", {}, element("b", {}, approval.question), approval.expires_at ? element("span", { class: "dim" }, " · time decides ", element("time", { datetime: approval.expires_at, "data-relative": "yes" })) : null));
  if (approval.subject !== null) form.append(element("pre", {}, subject));
  form.append(edited, element("label", {}, "Reason ", element("input", { name: "reason", autocomplete: "off", maxlength: "1000" })),
    element("div", { class: "buttons" }, approval.subject === null ? null : edit, element("button", { value: "reject", class: "danger" }, "Reject"), element("button", { value: "approve", class: "primary" }, "Approve")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const answer = event.submitter.value;
    act("approvals", event.submitter, async () => {
      const body = { reason: form.elements.reason.value };
      if (answer === "approve" && !edited.hidden) body.edited = parsed(edited.value);
      await sent(`approvals/${encodeURIComponent(approval.id)}/${answer}`, body);
    });
  });
  return form;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`What is to be used instead is not JSON: ${error.message}`);
  }
}

function showApprovals({ approvals }) {
  const pending = open === "yes" ? approvals.filter((approval) => !approval.decision) : [];
  for (const [id, form] of asked) {
    if (pending.some((approval) => approval.id === id)) continue;
    form.remove();
    asked.delete(id);
  }
  for (const approval of pending) {
    if (asked.has(approval.id)) continue;
    asked.set(approval.id, question(approval));
    by("approvals-pending").append(asked.get(approval.id));
  }
  by("approvals-count").textContent = pending.length ? `${pending.length} wait${pending.length > 1 ? "" : "s"} for you` : "none waits";
  const decided = approvals.filter((approval) => approval.decision);
  trail("approvals-log", "Decided", decided.map(({ question: what, decision }) => element("li", {},
    element("b", { class: decision.approved ? "good" : "bad" }, decision.withdrawn ? "withdrawn" : decision.approved ? "approved" : "rejected"), ` ${what} · `,
    decision.at ? moment(decision.at) : null, decision.withdrawn ? "" : ` by ${decision.by || "time"}`, decision.reason ? `: ${decision.reason}` : "",
    decision.edited === null ? null : element("pre", {}, JSON.stringify(decision.edited, null, 2)))).reverse());
  keys("approvals-keys", ["decide_approval"]);
}

// ---- budget

const money = (micros) => (micros / MICROS).toLocaleString("en", { maximumFractionDigits: 6 });
const UNITS = [["tokens", (count) => count.toLocaleString("en")], ["micros", money]];

function meter(label, used, reserved, limit, write) {
  const text = `${write(used)}${reserved ? ` + ${write(reserved)} reserved` : ""} of ${limit === null ? "no limit" : write(limit)}`;
  const row = element("div", { class: "meter" }, element("span", {}, label), element("span", { class: "num" }, text));
  if (limit !== null) {
    const share = (amount) => (limit ? Math.min(amount / limit, 1) : Number(amount > 0)) * 100;
    const bar = element("div", { class: "bar-of", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": String(limit), "aria-valuenow": String(used) },
      element("i", { class: "reserved" }), element("i", { class: used > limit ? "used over" : "used" }));
    bar.firstChild.style.width = `${share(used + reserved)}%`;
    bar.lastChild.style.width = `${share(used)}%`;
    row.append(bar);
  }
  return row;
}

function showBudget({ budget, states }) {
  const known = states.length ? states : budget.exhausted ? [{ id: budget.exhausted.budget, ...budget.exhausted }] : [];
  by("budget-waiting").textContent = budget.waiting ? `${budget.waiting} call${budget.waiting > 1 ? "s wait" : " waits"} for more` : "";
  const shown = known.map((state) => element("div", {}, element("p", { class: "mono" }, state.id),
    ...UNITS.filter(([unit]) => state.limit[unit] !== null || state.used[unit] || state.reserved[unit])
      .map(([unit, write]) => meter(unit === "micros" ? "money" : unit, state.used[unit], state.reserved[unit], state.limit[unit], write))));
  if (budget.exhausted) {
    const { wanted, budget: id } = budget.exhausted;
    shown.push(element("p", { class: "bad" }, `Budget ${id} has no room for a call of ${wanted.tokens.toLocaleString("en")} tokens${wanted.micros ? ` and ${money(wanted.micros)}` : ""}.`));
  }
  if (!states.length) shown.push(element("p", { class: "dim" }, `Books on ${budget.id}. Start the server with --agent-ledger FILE to see what is used and left.`));
  by("budget-state").replaceChildren(...shown);
  by("budget-form").hidden = open !== "yes";
}

by("budget-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  act("budget", event.submitter, async () => {
    const { tokens, money: more, reason } = form.elements;
    await sent("budget/increase", { tokens: Number(tokens.value), micros: Math.round(Number(more.value) * MICROS), reason: reason.value });
    form.reset();
  });
});

// ---- executions

function showExecutions({ executions }) {
  by("executions-count").textContent = `${executions.length.toLocaleString("en")} of this workflow id${executions.length === EXECUTIONS ? ", the newest" : ""}`;
  by("executions").querySelector("tbody").replaceChildren(...executions.map(({ recordedAt, execution }) => element("tr", {},
    element("td", {}, moment(recordedAt)), element("td", {}, execution.agent_id), element("td", {}, execution.model),
    element("td", { class: "num" }, execution.tokens_used.toLocaleString("en")), element("td", { class: "num" }, execution.micros ? money(execution.micros) : ""),
    element("td", { class: "said" }, folded(execution.input)), element("td", { class: "said" }, execution.error ? element("span", { class: "bad" }, execution.error) : folded(execution.output)))).reverse());
}

function folded(text) {
  if (text.length <= 120) return text;
  return element("details", {}, element("summary", {}, `${text.slice(0, 119)}…`), element("pre", {}, text));
}

// ---- which, and when

const PANELS = {
  control: { query: "get_control_state", from: "control", show: showControl },
  approvals: { query: "list_approvals", from: "approvals", show: showApprovals },
  budget: { query: "get_budget", from: "budget", show: showBudget },
  executions: { from: `executions?limit=${EXECUTIONS}`, show: showExecutions },
};
let queries = null; // of the workflow, once a worker has named them
let lookedAt = 0;
let patience = PATIENCE_MS; // twice as much after each time
let refreshing = null;
let again = false;
const silent = new Set(); // panels that say why they could not be shown anew

const known = (panel) => !PANELS[panel].query || queries?.has(PANELS[panel].query);
const agentic = () => Object.keys(PANELS).some((panel) => PANELS[panel].query && known(panel));

// Which queries there are; code may come to more of them as it runs.
async function learn() {
  if (Object.keys(PANELS).every(known) || Date.now() - lookedAt < patience / 2) return;
  lookedAt = Date.now();
  patience = Math.min(patience * 2, PATIENCE_MAX_MS);
  try {
    const body = { execution: { workflowId: workflow, runId: run } };
    const told = (await posted(`${base}/query/__temporal_workflow_metadata`, body)).queryResult;
    const named = told[0]?.definition?.queryDefinitions || [];
    if (named.length) queries = new Set(named.map((query) => query.name));
  } catch {} // no worker, or one that cannot say: asked again later, and when something happens
}

async function refreshAll() {
  await learn();
  const persists = events.groups.some((group) => group.name === PERSISTS);
  const wanted = Object.keys(PANELS).filter((panel) => (PANELS[panel].query ? known(panel) : persists));
  await Promise.all(wanted.map(async (panel) => {
    try {
      PANELS[panel].show(await got(PANELS[panel].from));
      if (silent.delete(panel)) say(panel, "");
    } catch (error) {
      silent.add(panel);
      say(panel, error.message);
    }
    by(panel).hidden = false;
    by("agents").hidden = false;
  }));
  tellTimes(by("agents"));
}

// One at a time; what is asked for meanwhile is one more.
async function refresh() {
  if (refreshing) {
    again = true;
    return refreshing;
  }
  refreshing = (async () => {
    do {
      again = false;
      await refreshAll();
    } while (again);
  })();
  await refreshing;
  refreshing = null;
  if (agentic() || (queries && events.closed)) return;
  clearTimeout(timer); // it may be that nothing else happens
  timer = setTimeout(refresh, patience);
}

let timer = 0;
let seen = -1;
events.onChange(() => {
  if (!events.caughtUp || events.all.length === seen) return;
  seen = events.all.length;
  clearTimeout(timer);
  timer = setTimeout(refresh, SETTLE_MS);
});
