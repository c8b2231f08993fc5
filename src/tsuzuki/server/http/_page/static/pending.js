// Buttons of the activities that are pending: pause, go on, try at once.
import { enable, posted } from "./dom.js";
import { refreshStatus } from "./run.js";

const { namespace, workflow, run } = document.getElementById("run").dataset;
const status = document.getElementById("status");

enable(status, "[data-on-activity]");

status.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-on-activity]");
  if (!button) return;
  button.disabled = true; // until the rows are drawn anew
  const row = button.closest("tr");
  const body = { execution: { workflowId: workflow, runId: run }, id: row.dataset.activity };
  try {
    await posted(`/api/v1/namespaces/${encodeURIComponent(namespace)}/activities-deprecated/${button.dataset.onActivity}`, body);
    await refreshStatus();
  } catch (error) {
    button.disabled = false;
    row.querySelector(".said").append(document.createElement("br"), error.message);
  }
});
