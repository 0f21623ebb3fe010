// Who asked for what, and what became of it.

import { el, mark, scroller } from "./dom.js";
import { moment } from "./format.js";
import { now } from "./model.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";

const ASK_MS = 2_000;

export class Changes {
  constructor(node) {
    this.table = scroller(words().operationTabs.changes);
    node.append(this.table);
    this.timer = setInterval(() => this.ask(), ASK_MS);
    this.ask();
  }

  destroy() {
    clearInterval(this.timer);
  }

  show() {}

  async ask() {
    const answer = await fetch("/api/v1/commands?limit=100").catch(() => null);
    if (!answer?.ok || !this.table.isConnected) return;
    const text = words();
    const time = now();
    const { items } = await answer.json();
    const kinds = { true: "good", false: "bad", null: "unknown" };
    const rows = items.map((one) => [
      el("span", {}, mark(kinds[one.ok]), ` ${text.outcomes[kinds[one.ok]]}`),
      moment(one.at, time),
      one.by,
      text.commandKinds[one.kind] ?? one.kind.replaceAll("_", " "),
      one.target,
      one.message,
    ]);
    this.table.replaceChildren(rows.length ? plainTable(text.operationTabs.changes, text.changeHeads, rows) : el("p", { class: "muted" }, text.noChange));
  }
}
