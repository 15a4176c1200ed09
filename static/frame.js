// How a frame is to look, as its address says it, before anything is drawn. What does not fit is left out.
(() => {
  const asked = new URLSearchParams(location.search);
  const root = document.documentElement;
  const theme = asked.get("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (asked.get("background") === "none") root.dataset.background = "none";
  if (asked.get("title") === "no") root.dataset.title = "no";
  const accent = asked.get("accent") ?? "";
  if (!/^[0-9a-f]{6}$/i.test(accent)) return;
  root.style.setProperty("--given", `#${accent}`);
  root.dataset.accent = accent;
})();
