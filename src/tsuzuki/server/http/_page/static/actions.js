// Signal, query, update, cancel, terminate, reset: a form each, and the API call that it becomes.
import { element, posted } from "./dom.js";

const ARGUMENTS = "Arguments, each a JSON value, one a line";
const FORMS = {
  signal: { title: "Send a signal", fields: [["name", "Signal"], ["args", ARGUMENTS, "lines"]] },
  query: { title: "Ask a query", fields: [["name", "Query", "text", "__stack_trace"], ["args", ARGUMENTS, "lines"]] },
  update: { title: "Send an update", fields: [["name", "Update"], ["args", ARGUMENTS, "lines"]] },
  pause: { title: "Pause: its code does not run until it goes on", fields: [["reason", "Reason"]], send: "Pause" },
  unpause: { title: "Let the workflow go on", fields: [["reason", "Reason"]], send: "Go on" },
  cancel: { title: "Ask the workflow to cancel", fields: [["reason", "Reason"]], send: "Cancel the workflow" },
  terminate: { title: "Terminate at once, without clean-up", fields: [["reason", "Reason"]], send: "Terminate" },
  reset: { title: "Reset: a new run from a point of this one, which ends", fields: (history) => [
    ["event", "Do again the workflow task completed at event", "select", history.points(), history.usual()],
    ["leaves", "Signals and updates that came after it", "select", LEAVES], ["reason", "Reason"]], send: "Reset" },
};

const LEAVES = [["", "come again"], ["SIGNAL", "signals are left out"], ["UPDATE", "updates are left out"], ["SIGNAL UPDATE", "both are left out"]];

const CALLS = {
  signal: (path, run, given) => posted(`${path}/signal/${quoted(given.name)}`, { workflowExecution: run, input: lines(given.args) }),
  query: async (path, run, given) => (await posted(`${path}/query/${quoted(given.name)}`, { execution: run, query: { queryArgs: lines(given.args) } })).queryResult,
  update: async (path, run, given) => (await posted(`${path}/update/${quoted(given.name)}`, { workflowExecution: run, request: { input: { args: lines(given.args) } } })).outcome,
  pause: (path, run, given) => posted(`${path}/pause`, { runId: run.runId, reason: given.reason, requestId: requestId() }),
  unpause: (path, run, given) => posted(`${path}/unpause`, { runId: run.runId, reason: given.reason, requestId: requestId() }),
  cancel: (path, run, given) => posted(`${path}/cancel`, { workflowExecution: run, reason: given.reason }),
  terminate: (path, run, given) => posted(`${path}/terminate`, { workflowExecution: run, reason: given.reason }),
  reset: (path, run, given) => posted(`${path}/reset`, { workflowExecution: run, reason: given.reason, workflowTaskFinishEventId: given.event, requestId: requestId(),
    resetReapplyExcludeTypes: given.leaves.split(" ").filter(Boolean).map((kind) => `RESET_REAPPLY_EXCLUDE_TYPE_${kind}`) }),
};

const quoted = encodeURIComponent;

// crypto.randomUUID exists on secure origins only.
const requestId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export function lines(text) {
  return text.split("\n").filter((line) => line.trim()).map((line) => {
    try {
      return JSON.parse(line);
    } catch {
      throw new Error(`not JSON: ${line.trim().slice(0, 80)} — a text stands in double quotes`);
    }
  });
}

function control([name, label, kind = "text", value, chosen]) {
  if (kind === "lines") return element("textarea", { name, spellcheck: "false" });
  if (kind === "select") return element("select", { name, required: name === "event" }, ...value.map(([id, words]) => element("option", { value: id, selected: id === chosen }, words)));
  return element("input", { name, value, type: kind, required: name === "name", autocomplete: "off" });
}

export function offerActions(place, run, history, done) {
  const dialog = document.getElementById("action");
  const form = document.getElementById("action-form");
  const fields = document.getElementById("action-fields");
  const answer = document.getElementById("action-answer");
  const send = document.getElementById("action-send");
  const path = `/api/v1/namespaces/${quoted(place.namespace)}/workflows/${quoted(run.workflowId)}`;
  let chosen = null;

  const tell = (text, bad) => {
    answer.hidden = false;
    answer.textContent = text;
    answer.classList.toggle("bad", bad);
  };

  for (const button of document.querySelectorAll("[data-action]")) {
    button.disabled = false; // until now a click would have been lost
    button.addEventListener("click", () => {
      chosen = button.dataset.action;
      const described = FORMS[chosen];
      document.getElementById("action-title").textContent = described.title;
      const wanted = typeof described.fields === "function" ? described.fields(history) : described.fields;
      fields.replaceChildren(...wanted.map((field) => element("label", {}, field[1], control(field))));
      answer.hidden = true;
      send.disabled = false;
      if (chosen === "reset" && !history.points().length) {
        fields.replaceChildren(element("p", {}, "There is no point to go back to: no workflow task has been completed yet."));
        send.disabled = true;
      }
      send.textContent = described.send || "Send";
      send.classList.toggle("danger", chosen === "terminate" || chosen === "reset");
      dialog.showModal();
    });
  }
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value === "close") return;
    event.preventDefault();
    const given = Object.fromEntries(new FormData(form));
    send.disabled = true;
    try {
      const told = await CALLS[chosen](path, run, given);
      if (told?.runId && chosen === "reset") location.href = `/ui/${quoted(place.namespace)}/workflows/${quoted(run.workflowId)}/${quoted(told.runId)}`;
      const shows = chosen === "query" || chosen === "update";
      tell(shows ? JSON.stringify(told, null, 2) : "Done: it is recorded.", Boolean(told?.failure));
      done();
    } catch (error) {
      tell(error.message, true);
    }
    send.disabled = false;
  });
}
