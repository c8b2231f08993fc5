// Pause, go on, start now: one patch each.
import { enable, posted } from "./dom.js";

const PATCHES = {
  pause: { pause: "paused on the web page" },
  unpause: { unpause: "went on by the web page" },
  trigger: { triggerImmediately: {} },
};
const namespace = encodeURIComponent(document.body.dataset.namespace);

enable(document.getElementById("live"), "[data-patch]");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-patch]");
  if (!button) return;
  const id = encodeURIComponent(button.closest("[data-schedule]").dataset.schedule);
  button.disabled = true; // until the list is drawn anew
  try {
    await posted(`/api/v1/namespaces/${namespace}/schedules/${id}/patch`, { patch: PATCHES[button.dataset.patch] });
    document.getElementById("live").dispatchEvent(new Event("changed"));
  } catch (error) {
    const refused = document.getElementById("refused");
    refused.hidden = false;
    refused.textContent = error.message;
    button.disabled = false;
  }
});
