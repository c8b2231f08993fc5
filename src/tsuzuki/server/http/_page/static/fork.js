// Fork: the form, with what ran up to the event that is shown.
import { lines } from "./actions.js";
import { element, posted } from "./dom.js";
import { events } from "./travel.js";

const by = (id) => document.getElementById(id);
const page = by("travel");
const form = by("fork-form");
let at = 0;

// Not before it is known from where, nor before this code is there.
if (by("fork")) {
  const offer = () => { by("fork").disabled = !page.dataset.shown; };
  offer();
  new MutationObserver(offer).observe(page, { attributeFilter: ["data-shown"] });
}

by("fork")?.addEventListener("click", () => {
  at = Number(page.dataset.shown);
  by("fork-title").textContent = `Fork from event ${at}`;
  form.elements.workflowId.value = `${page.dataset.workflow}-fork-${at}`;
  const ran = events.all.filter((event) => event.type === "ActivityTaskScheduled" && event.id <= at);
  by("fork-activity").replaceChildren(element("option", { value: "" }, "none: all results as they were"),
    ...ran.map((event) => element("option", { value: event.thing }, `${event.name} ${event.thing}: ${event.text.slice(0, 60)}`)));
  by("fork-refused").hidden = true;
  by("fork-dialog").showModal();
});

form.addEventListener("submit", async (event) => {
  if (event.submitter?.value === "close") return;
  event.preventDefault();
  const given = Object.fromEntries(new FormData(form));
  try {
    const asked = { event: at, workflowId: given.workflowId };
    if (given.activity) asked.results = { [given.activity]: lines(given.result.replaceAll("\n", " ") || "null")[0] };
    if (given.signal) asked.signals = [{ name: given.signal, input: lines(given.args) }];
    location.href = (await posted(`${page.dataset.path}/fork`, asked)).path;
  } catch (error) {
    by("fork-refused").hidden = false;
    by("fork-refused").textContent = error.message;
  }
});
