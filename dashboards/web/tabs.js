// Tabs, by pointer and arrow keys.

import { el } from "./dom.js";

// panels: [name, text, node]; beside: what stands at the end of the row of tabs.
export function panelTabs(label, panels, beside = null) {
  const tabs = panels.map(([name, text, node]) => {
    Object.assign(node, { id: `panel-${name}`, role: "tabpanel" });
    node.setAttribute("aria-labelledby", `tab-${name}`);
    return el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": node.id }, text);
  });
  const choose = (chosen) => {
    tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      panels[i][2].hidden = i !== chosen;
    });
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(i));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[event.key];
      if (!step) return;
      choose((i + step) % tabs.length);
      tabs[(i + step) % tabs.length].focus();
    });
  });
  choose(0);
  const listing = el("section", { class: "listing" }, el("div", { class: "tabs" }, el("div", { role: "tablist", "aria-label": label }, ...tabs), beside), ...panels.map(([, , node]) => node));
  listing.choose = (name) => choose(panels.findIndex(([one]) => one === name));
  return listing;
}
