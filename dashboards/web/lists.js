// The tables of stations and sensors, and the counts by state.

import { byId, el, mark, setText } from "./dom.js";
import { FLAGS, age, flagKind, measured, number } from "./format.js";
import { model, now, worstFirst } from "./model.js";
import { setUpTabs } from "./tabs.js";

const ROWS = 200;
const STATES = ["good", "degraded", "bad", "unknown"];

export class Lists {
  constructor({ onStation, onDatastream }) {
    this.onStation = onStation;
    this.onDatastream = onDatastream;
    this.onlyState = null;
    this.text = "";
    this.stations = new Table(byId("stations"), ["", "Station", "Score", "Latency", "C/N0", "Sats"]);
    this.sensors = new Table(byId("sensors"), ["", "Series", "Latest", "Age"]);
    byId("find").addEventListener("input", (event) => {
      this.text = event.target.value.trim().toLowerCase();
      this.show(this.selected);
    });
    setUpTabs(["stations", "sensors"]);
    this.setUpChips();
  }

  setUpChips() {
    this.chips = new Map();
    for (const state of STATES) {
      const count = el("b", {}, "0");
      const chip = el("button", { type: "button", class: "chip", "aria-pressed": "false", "data-state": state }, mark(state), count, ` ${state}`);
      chip.addEventListener("click", () => {
        this.onlyState = this.onlyState === state ? null : state;
        for (const [name, other] of this.chips) other.chip.setAttribute("aria-pressed", name === this.onlyState);
        this.show(this.selected);
      });
      this.chips.set(state, { chip, count });
      byId("chips").append(chip);
    }
  }

  show(selected) {
    this.selected = selected;
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const station of model.stations.values()) counts[station.state] += 1;
    for (const [state, { count }] of this.chips) setText(count, String(counts[state]));
    this.showStations();
    this.showSensors();
  }

  showStations() {
    const wanted = worstFirst(
      [...model.stations.values()].filter(
        (s) => (!this.onlyState || s.state === this.onlyState) && this.matches(s.id, s.name),
      ),
    );
    this.stations.fill(wanted, "No station here.", {
      chosen: (s) => this.selected?.kind === "station" && this.selected.id === s.id,
      act: (s) => this.onStation(s.id),
      kind: (s) => s.state,
      title: (s) => [s.id, s.name === s.id ? "" : s.name, s.state === "good" ? "" : (s.reasons[0]?.text ?? "")],
      cells: (s) => [
        s.score === null ? "–" : String(s.score),
        number(s.latest?.latency_s, 2, "s"),
        number(s.latest?.cn0_dbhz, 1),
        s.latest ? String(s.latest.satellites) : "–",
      ],
    });
  }

  showSensors() {
    const time = now();
    const wanted = [...model.datastreams.values()]
      .filter((d) => this.matches(d.id, d.name))
      .sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
    this.sensors.fill(wanted, "No sensor here.", {
      chosen: (d) => this.selected?.kind === "datastream" && this.selected.id === d.id,
      act: (d) => this.onDatastream(d.id),
      kind: (d) => (d.latest ? flagKind(d.latest.flag) : "unknown"),
      title: (d) => [d.name, d.region, d.latest && d.latest.flag > 2 ? `Latest value: ${FLAGS[d.latest.flag]}` : ""],
      cells: (d) => [measured(d.latest?.value, d.unit), age(d.latest?.phenomenon_time, time)],
    });
  }

  matches(...texts) {
    return !this.text || texts.some((text) => text.toLowerCase().includes(this.text));
  }
}

const rank = (d) => (d.latest ? { 4: 0, 3: 1, 9: 2 }[d.latest.flag] ?? 3 : 2);

// Rows are kept and moved, so that the focus stays where it is while figures change four times a second.
class Table {
  constructor(node, heads) {
    this.rows = new Map();
    this.columns = heads.length;
    this.body = el("tbody");
    this.note = el("p", { class: "muted note" });
    const head = el("tr", {}, ...heads.map((text) => el("th", { scope: "col" }, text || el("span", { class: "hidden" }, "State"))));
    node.append(el("table", {}, el("thead", {}, head), this.body), this.note);
  }

  fill(items, nothing, { chosen, act, kind, title, cells }) {
    const shown = items.slice(0, ROWS);
    const present = new Set(shown.map((item) => item.id));
    for (const [id, row] of this.rows) {
      if (!present.has(id)) {
        row.node.remove();
        this.rows.delete(id);
      }
    }
    shown.forEach((item, i) => {
      const row = this.rows.get(item.id) ?? this.add(item, act);
      const state = kind(item);
      if (row.state !== state) {
        row.state = state;
        row.node.className = state;
        row.cells[0].replaceChildren(mark(state));
      }
      row.node.setAttribute("aria-selected", chosen(item));
      const [name, more, reason] = title(item);
      setText(row.name, name);
      setText(row.more, more);
      setText(row.reason, reason);
      row.reason.hidden = !reason;
      cells(item).forEach((text, column) => setText(row.cells[column + 2], text));
      if (this.body.children[i] !== row.node) this.body.insertBefore(row.node, this.body.children[i] ?? null);
    });
    setText(this.note, !items.length ? nothing : items.length > ROWS ? `${ROWS} of ${items.length} shown: narrow down with Find.` : "");
  }

  add(item, act) {
    const name = el("b");
    const more = el("span", { class: "muted" });
    const reason = el("span", { class: "reason" });
    const button = el("button", { type: "button", class: "row", onclick: () => act(item) }, name, " ", more, reason);
    const cells = Array.from({ length: this.columns }, (_, i) => el("td", i > 1 ? { class: "figure" } : {}));
    cells[1].append(button);
    const node = el("tr", { "data-id": item.id }, ...cells);
    node.addEventListener("click", (event) => {
      if (event.target !== button && !button.contains(event.target)) act(item);
    });
    const row = { node, cells, name, more, reason, state: null };
    this.rows.set(item.id, row);
    return row;
  }
}
