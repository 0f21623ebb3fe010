// A table whose rows are kept and moved, so that the focus stays where it is while figures change.

import { el, mark, setText } from "./dom.js";
import { words } from "./texts.js";

const ROWS = 200;

export class Table {
  // heads: texts of the columns behind the one of marks; act: what a click on a row does.
  constructor(node, heads, { act, label }) {
    this.act = act;
    this.rows = new Map();
    this.columns = heads.length + 1;
    this.body = el("tbody");
    this.note = el("p", { class: "muted note" });
    const head = ["", ...heads].map((text) => el("th", { scope: "col" }, text || el("span", { class: "hidden" }, words().state)));
    node.append(el("table", { class: "rows", "aria-label": label }, el("thead", {}, el("tr", {}, ...head)), this.body), this.note);
  }

  // Of an item: kind and kindName (the mark), title ([name, more, reason]), cells (texts of the further columns).
  fill(items, nothing, { kind, kindName, title, cells, chosen = () => false }) {
    const shown = items.slice(0, ROWS);
    const present = new Set(shown.map((item) => item.id));
    for (const [id, row] of this.rows) {
      if (!present.has(id)) {
        row.node.remove();
        this.rows.delete(id);
      }
    }
    shown.forEach((item, i) => {
      const row = this.rows.get(item.id) ?? this.add(item);
      row.item = item;
      const state = kind(item);
      if (row.state !== state) {
        row.state = state;
        row.node.className = state;
        row.cells[0].replaceChildren(mark(state, kindName(item)));
      }
      row.node.classList.toggle("chosen", chosen(item));
      const [name, more, reason] = title(item);
      setText(row.name, name);
      setText(row.more, more ?? "");
      setText(row.reason, reason ?? "");
      row.reason.hidden = !reason;
      cells(item).forEach((text, column) => setText(row.cells[column + 2], text));
      if (this.body.children[i] !== row.node) this.body.insertBefore(row.node, this.body.children[i] ?? null);
    });
    setText(this.note, !items.length ? nothing : items.length > ROWS ? words().someShown(ROWS, items.length) : "");
  }

  add(item) {
    const name = el("b");
    const more = el("span", { class: "muted" });
    const reason = el("span", { class: "reason" });
    const row = { item, name, more, reason, state: null };
    const button = el("button", { type: "button", class: "row", onclick: () => this.act(row.item) }, name, " ", more, reason);
    row.cells = Array.from({ length: this.columns }, (_, i) => el("td", i > 1 ? { class: "figure" } : {}));
    row.cells[1].append(button);
    row.node = el("tr", { "data-id": item.id }, ...row.cells);
    row.node.addEventListener("click", (event) => {
      if (!button.contains(event.target)) this.act(row.item);
    });
    this.rows.set(item.id, row);
    return row;
  }
}

// A table that is made anew each time: heads, rows of cells (texts or nodes), the classes of columns.
export function plainTable(label, heads, rows, classes = []) {
  const cells = (row) => row.map((cell, i) => el("td", classes[i] ? { class: classes[i] } : {}, cell ?? "–"));
  const head = heads.map((text, i) => el("th", { scope: "col", class: classes[i] || null }, text));
  return el("table", { class: "plain", "aria-label": label }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows.map((row) => el("tr", {}, ...cells(row)))));
}
