// Tabs, by pointer and arrow keys.

import { byId } from "./dom.js";

export function setUpTabs(names) {
  const tabs = names.map((name) => byId(`tab-${name}`));
  const choose = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab === chosen);
      tab.tabIndex = tab === chosen ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  };
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: tabs.length - 1 }[event.key];
      if (!step) return;
      choose(tabs[(i + step) % tabs.length]);
      tabs[(i + step) % tabs.length].focus();
    });
  }
}
