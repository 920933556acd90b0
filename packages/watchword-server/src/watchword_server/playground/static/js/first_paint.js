// Sets a chosen theme before the first paint. Nothing else: a classic script, so that it runs before the page is drawn.
(() => {
  try {
    const chosen = localStorage.getItem("watchword.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage is closed to this page; the system's theme will do.
  }
})();
