// A station's past: quality by windows, and what is made once a minute, at any zoom.

import { el } from "./dom.js";
import { now } from "./model.js";
import { plot, seconds } from "./plots.js";
import { Span } from "./spans.js";
import { words } from "./texts.js";

const RELOAD_MS = 15_000;
const POINTS = 360;
const FIGURES_LONGEST_S = 8 * 86_400;

export class StationPlots {
  constructor(node, id, query) {
    this.path = `/api/v1/stations/${encodeURIComponent(id)}`;
    this.charts = [];
    this.loadedAt = 0;
    this.span = new Span(query, { usual: "6 h", onChange: () => this.load() });
    this.plots = el("div", { class: "plots" });
    this.note = el("p", { class: "muted note", role: "status" });
    node.append(el("h2", {}, words().past), this.span.node, this.note, this.plots);
  }

  destroy() {
    this.isGone = true;
    for (const chart of this.charts) chart.destroy();
  }

  show(s) {
    this.newest_s = s.latest ? seconds(s.latest.judged_at) + 1 : now() / 1000;
    this.span.newest_s = this.newest_s;
    if (Date.now() - this.loadedAt > RELOAD_MS && !(this.span.part && this.loadedAt)) this.load();
  }

  async load() {
    this.loadedAt = Date.now();
    const asked = (this.asked = {});
    const [from, until] = this.span.range(this.newest_s);
    const window_s = Math.max(1, Math.ceil((until - from) / POINTS));
    const range = `start=${new Date(from * 1000).toISOString()}&end=${new Date(until * 1000).toISOString()}`;
    const quality = fetch(`${this.path}/quality?${range}&window=${window_s}s`);
    const figures = until - from <= FIGURES_LONGEST_S ? fetch(`${this.path}/figures?${range}&limit=10000`) : null;
    const answers = await Promise.all([quality, figures]).catch(() => []);
    const tables = await Promise.all(answers.map(async (answer) => (answer?.ok ? (await answer.json()).items : [])));
    if (this.asked !== asked || this.isGone) return;
    this.draw(tables[0] ?? [], tables[1] ?? [], [from, until], window_s);
  }

  draw(windows, figures, span, window_s) {
    const text = words();
    for (const chart of this.charts) chart.destroy();
    this.charts = [];
    this.plots.replaceChildren();
    this.note.textContent = windows.length ? "" : text.nothingThen;
    this.note.hidden = windows.length > 0;
    const [times, rows] = withGaps(windows, window_s);
    const add = (name, values, range, unit = "") => this.add(text.plots[name], times, values, range, unit, span);
    const zero = (least) => (_, low, high) => [0, Math.max(least, (high ?? 0) * 1.1)];
    if (windows.length) {
      add("score", rows.map((w) => w?.score_min), () => [0, 104]);
      add("completeness", rows.map((w) => percent(w?.completeness)), (_, low) => [Math.min(90, (low ?? 100) - 2), 101], "%");
      add("latency", rows.map((w) => w?.latency_p95_s), zero(0.5), "s");
      add("cn0", rows.map((w) => w?.cn0_dbhz), (_, low, high) => around(low, high, 6), "dB-Hz");
      add("multipath", rows.map((w) => w?.multipath_m), zero(0.5), "m");
      add("slips", rows.map((w) => w?.slips), zero(5));
    }
    const minutes = figures.map((f) => seconds(f.at));
    const some = (values) => values.length > 1 && values.some((v) => v !== null);
    const shares = figures.map((f) => percent(f.expected_share));
    if (some(shares)) this.add(text.plots.expected, minutes, shares, () => [0, 104], "%", span);
    const roti = figures.map((f) => f.roti_tecu_min);
    if (some(roti)) this.add(text.plots.roti, minutes, roti, zero(0.5), "TECU/min", span);
  }

  add(title, times, values, range, unit, span) {
    const frame = el("figure", { class: "plot" }, el("figcaption", {}, title));
    this.plots.append(frame);
    const series = [{ label: title, values: values.map((v) => v ?? null), colour: "--line" }];
    this.charts.push(plot(frame, { times, series, range, unit, span, height: 140, onZoom: (from, until) => this.span.zoom(from, until) }));
  }
}

const percent = (value) => (value === null || value === undefined ? null : value * 100);

// Where windows are absent a line must not go on.
function withGaps(windows, window_s) {
  const times = [];
  const rows = [];
  for (const one of windows) {
    const at = seconds(one.start);
    if (times.length && at - times.at(-1) > 1.5 * window_s) {
      times.push(times.at(-1) + window_s);
      rows.push(null);
    }
    times.push(at);
    rows.push(one);
  }
  return [times, rows];
}

// At least so wide a range that noise does not look like a change.
function around(low, high, width) {
  if (low === null || high === null || low === undefined) return [0, width];
  const half = Math.max(width, (high - low) * 1.2) / 2;
  return [(low + high) / 2 - half, (low + high) / 2 + half];
}
