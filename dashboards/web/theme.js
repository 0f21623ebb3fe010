// Light or dark, before anything is painted: the person's choice, else that of the system. No module, so that
// the page waits for it.

window.theme = {
  dark: matchMedia("(prefers-color-scheme: dark)"),
  get choice() {
    return localStorage.getItem("theme") ?? "auto";
  },
  // Goes on to the next: auto, light, dark.
  next() {
    localStorage.setItem("theme", { auto: "light", light: "dark", dark: "auto" }[this.choice]);
    this.apply();
  },
  apply() {
    const isDark = this.choice === "dark" || (this.choice !== "light" && this.dark.matches);
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  },
};
window.theme.apply();
window.theme.dark.addEventListener("change", () => window.theme.apply());
