// An API key goes into a cookie that scripts cannot read; the next page says whether it opens anything.
import { enable, fetched, posted } from "./dom.js";

const form = document.getElementById("sign-in");
enable(form, "button");
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
