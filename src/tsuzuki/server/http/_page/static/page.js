// What every page has: theme, times in the reader's zone, keyboard, the list that follows what happens.
import { fetched, posted, pressed, tellTimes } from "./dom.js";

const LIST_EVERY_MS = 2000;
const root = document.documentElement;
const by = (id) => document.getElementById(id);

by("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("tsuzuki-theme", root.dataset.theme);
  } catch {}
});
by("keys").addEventListener("click", () => by("keys-dialog").showModal());
by("sign-out")?.addEventListener("click", async () => {
  await posted("/ui/sign-in", {});
  location.href = "/";
});

tellTimes();
setInterval(tellTimes, 1000);

let before = "";
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=range]), textarea, select");
  if (typing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const act = keys[before + event.key] || keys[event.key];
  before = event.key === "g" ? "g" : "";
  if (act && act() !== false) event.preventDefault();
});

function move(step) {
  const links = [...document.querySelectorAll(".runs .id a")];
  if (!links.length) return false;
  const at = links.indexOf(document.activeElement);
  links[Math.min(Math.max(at + step, 0), links.length - 1)].focus();
}

const keys = {
  "?": () => by("keys-dialog").showModal(),
  "/": () => (by("filter") || by("find"))?.focus(),
  j: () => move(1),
  k: () => move(-1),
  ...Object.fromEntries(Object.entries({ w: "workflows", s: "schedules", q: "task-queues", k: "workers", c: "compare" })
    .map(([key, name]) => [`g${key}`, () => document.querySelector(`.bar nav a[href$="/${name}"]`)?.click()])),
  "+": () => by("zoom-in")?.click(),
  "-": () => by("zoom-out")?.click(),
  0: () => by("zoom-fit")?.click(),
  t: () => document.querySelector("a#travel")?.click(),
};

const live = by("live");
if (live?.dataset.live === "on") {
  let shown = "";
  const refresh = async () => {
    if (document.hidden || document.querySelector("dialog[open]")) return;
    const asked = new URL(location.href);
    asked.searchParams.set("fragment", "1");
    const text = await fetched(asked).then((response) => response.text(), () => "");
    if (!text || pressed() || (text === shown && !live.querySelector("button:disabled"))) return;
    shown = text;
    const focused = document.activeElement?.closest?.("#live a")?.getAttribute("href");
    live.innerHTML = text; // our own template, which escapes what it shows
    tellTimes(live);
    if (focused) [...live.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  };
  setInterval(refresh, LIST_EVERY_MS);
  live.addEventListener("changed", refresh); // something on the page has changed what is listed
}
