// The theme that somebody chose, before anything is drawn; and the button that changes it.
(() => {
  const THEMES = ["system", "light", "dark"];
  const root = document.documentElement;
  const kept = () => {
    try {
      return localStorage.getItem("theme") ?? "system";
    } catch {
      return "system"; // no storage for this page
    }
  };
  const show = (theme) => {
    if (THEMES.indexOf(theme) > 0) root.dataset.theme = theme;
    else delete root.dataset.theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = { light: "☀", dark: "☾" }[theme] ?? "◐";
      button.setAttribute("aria-label", `Theme: ${theme}`);
      button.title = `Theme: ${theme}`;
      button.hidden = false;
    }
    dispatchEvent(new Event("themechange"));
  };
  show(kept());
  document.addEventListener("DOMContentLoaded", () => {
    show(kept());
    document.getElementById("theme")?.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(kept()) + 1) % THEMES.length];
      try {
        localStorage.setItem("theme", next);
      } catch { /* it holds until the next page */ }
      show(next);
    });
  });
})();
