// An API key goes into a cookie that scripts cannot read; the next page says whether it opens anything.
import { fetched, posted } from "./dom.js";

const form = document.getElementById("sign-in");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const refused = document.getElementById("refused");
  try {
    await posted("/ui/sign-in", { key: document.getElementById("key").value.trim() });
    await fetched("/ui/signed-in");
    location.href = form.dataset.to;
  } catch (error) {
    refused.hidden = false;
    refused.textContent = error.message;
  }
});
