// Before the first paint: the theme that was chosen, else that of the system.
try {
  const chosen = localStorage.getItem("tsuzuki-theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {}
