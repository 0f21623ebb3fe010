// The program itself: is all well, what comes in, what is left out, the tasks, and who changed what.

import { el } from "../dom.js";
import { panelTabs } from "../tabs.js";
import { words } from "../texts.js";
import { Changes } from "../operation_changes.js";
import { Health } from "../operation_health.js";
import { Streams } from "../operation_streams.js";
import { Tasks } from "../operation_tasks.js";

export const open = (node, { query }) => new Operation(node, query);

class Operation {
  constructor(node, query) {
    const text = words();
    const panels = { health: Health, streams: Streams, tasks: Tasks, changes: Changes };
    const nodes = Object.fromEntries(Object.keys(panels).map((name) => [name, el("div")]));
    const listing = panelTabs(text.lists, Object.entries(nodes).map(([name, panel]) => [name, text.operationTabs[name], panel]));
    node.append(el("div", { class: "sheet one" }, el("h1", { class: "hidden" }, text.nav.operation), listing));
    if (query.get("tab") in nodes) listing.choose(query.get("tab"));
    this.parts = Object.entries(panels).map(([name, Part]) => new Part(nodes[name], query));
  }

  show() {
    for (const part of this.parts) part.show();
  }

  destroy() {
    for (const part of this.parts) part.destroy();
  }
}
