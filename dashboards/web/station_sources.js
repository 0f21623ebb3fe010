// Where a station's stream comes from: each source, what it is doing, and when another one took over.

import { el, fill, mark, scroller } from "./dom.js";
import { moment, number } from "./format.js";
import { now } from "./model.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";
import { ask, byQuery, mayWrite, send } from "./writing.js";

const RELOAD_MS = 5000;

export const phaseKind = (phase) => ({ streaming: "good", stalled: "bad", connecting: "degraded", waiting: "degraded", standby: "fresh" })[phase] ?? "unknown";

export class StationSources {
  constructor(node, id) {
    this.path = `/api/v1/stations/${encodeURIComponent(id)}`;
    this.sources = scroller(words().sources);
    this.changes = el("ul", { class: "lacking" });
    this.loadedAt = 0;
    node.append(el("h2", {}, words().sources), this.sources, this.changes);
  }

  destroy() {
    this.isGone = true;
  }

  show() {
    if (Date.now() - this.loadedAt < RELOAD_MS) return;
    this.loadedAt = Date.now();
    this.load();
  }

  async load() {
    const answers = await Promise.all([fetch(`${this.path}/sources`), fetch(`${this.path}/source-changes?limit=10`)]).catch(() => []);
    const tables = await Promise.all(answers.map(async (answer) => (answer.ok ? (await answer.json()).items : [])));
    if (this.isGone || tables.length < 2) return;
    const text = words();
    const time = now();
    const key = JSON.stringify(tables);
    if (this.sources.dataset.key !== key) {
      this.sources.dataset.key = key;
      const rows = tables[0].map((one) => [
        el("span", {}, mark(phaseKind(one.phase)), ` ${text.phases[one.phase] ?? one.phase}`),
        el("b", {}, one.name || one.id),
        el("span", { class: "address" }, one.source),
        one.chosen ? text.yes : text.no,
        number(one.latency_s, 2, "s"),
        number(one.bytes_per_s / 1000, 2, "kB/s"),
        String(one.reconnects),
        moment(one.last_received, time),
        one.last_error || "–",
        mayWrite() ? el("button", { type: "button", class: "quiet", onclick: () => this.pause(one) }, one.phase === "paused" ? text.resume : text.pause) : "",
      ]);
      this.sources.replaceChildren(rows.length ? plainTable(text.sources, [...text.sourceHeads, ""], rows, ["", "", "", "", "figure", "figure", "figure", "figure"]) : el("p", { class: "muted" }, text.noSource));
    }
    fill(this.changes, tables[1].map((one) => [moment(one.at, time), one.text || `${one.before} → ${one.after}: ${one.why}`]), ([at, what]) => el("li", {}, `${at}: ${what}`));
  }

  pause(source) {
    const text = words();
    const name = source.name || "main";
    const isPaused = source.phase === "paused";
    ask({
      title: isPaused ? text.resumeTitle(name) : text.pauseTitle(name),
      text: text.pauseSourceText,
      action: isPaused ? text.resume : text.pause,
      run: (values) => send("PATCH", `${this.path}/sources/${encodeURIComponent(name)}?${byQuery(values)}`, { paused: !isPaused }),
    });
  }
}
