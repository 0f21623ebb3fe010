// A series as stored, every sample or windows, with its flags in colour.

import { el } from "./dom.js";
import { shownUnit } from "./format.js";
import { join, plot, seconds } from "./plots.js";
import { words } from "./texts.js";

const POINTS = 600;
const SAMPLES = 4000;

// Returns { times, values, low, high, flagged: { 3: values, 4: values }, counts, window_s } over [from, until]; shifted
// ones lie shift_s later than they were.
export async function loadSeries(id, [from, until], period_s, shift_s = 0) {
  const time = (s) => new Date((s - shift_s) * 1000).toISOString();
  const base = `/api/v1/datastreams/${encodeURIComponent(id)}/observations?start=${time(from)}&end=${time(until)}`;
  if ((until - from) / period_s <= SAMPLES / 2) {
    const told = await items(`${base}&limit=${SAMPLES}`);
    if (told.next === null) return samplesOf(told.items, shift_s);
  }
  const window_s = Math.max(1, Math.ceil((until - from) / POINTS));
  return windowsOf((await items(`${base}&window=${window_s}s&aggregate=mean,min,max&quality=all`)).items, shift_s, window_s);
}

async function items(url) {
  const answer = await fetch(url);
  return answer.ok ? answer.json() : { items: [], next: null };
}

function samplesOf(rows, shift_s) {
  const of = (flag) => rows.map((o) => (o.flag === flag ? o.value : null));
  const counts = {};
  for (const { flag } of rows) counts[flag] = (counts[flag] ?? 0) + 1;
  return { times: rows.map((o) => seconds(o.phenomenon_time) + shift_s), values: rows.map((o) => o.value), flagged: { 2: of(2), 3: of(3), 4: of(4) }, counts, window_s: 0 };
}

function windowsOf(rows, shift_s, window_s) {
  const of = (flag) => rows.map((w) => (w.flags[flag] ? w.max : null));
  const counts = {};
  for (const { flags } of rows) for (const [flag, count] of Object.entries(flags)) counts[flag] = (counts[flag] ?? 0) + count;
  const times = rows.map((w) => seconds(w.start) + shift_s);
  return { times, values: rows.map((w) => w.mean), low: rows.map((w) => w.min), high: rows.map((w) => w.max), flagged: { 3: of(3), 4: of(4) }, counts, window_s };
}

const FLAG_COLOURS = { 2: "--second", 3: "--degraded", 4: "--bad" };

export class SeriesPlot {
  constructor(node, onZoom) {
    this.node = node;
    this.onZoom = onZoom;
  }

  destroy() {
    this.chart?.destroy();
  }

  draw(d, main, { beside, marks, span, levels }) {
    this.destroy();
    const unit = shownUnit(d.unit);
    const frame = el("figure", { class: "plot" }, el("figcaption", {}, unit));
    this.node.replaceChildren(frame);
    if (!main.times.length && !beside.some((one) => one.times.length)) return;
    // What failed may be anything: it is shown at the edge of the others rather than making them a flat line.
    const failed = main.flagged[4];
    const known = [main.values.filter((_, i) => failed[i] === null), ...beside.map((one) => one.values)].flat().filter(Number.isFinite);
    const [low, high] = known.length ? known.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]) : [0, 1];
    const edge = Math.max(high - low, 1e-9) * 0.25;
    const clipped = (v) => (v === null ? null : Math.min(high + edge, Math.max(low - edge, v)));
    const own = [main.values.map((v, i) => (failed[i] === null ? v : null)), ...(main.low ? [main.low, main.high] : []), ...Object.entries(main.flagged).map(([flag, values]) => (flag === "4" ? values.map(clipped) : values))];
    const tables = join([[main.times, ...own], ...beside.map((one) => [one.times, one.values])]);
    const [times, ...columns] = tables;
    const series = [{ label: d.name, values: columns.shift(), colour: "--line", spanGaps: true }];
    if (main.low) for (const label of ["min", "max"]) series.push({ label, values: columns.shift(), colour: "--faint", width: 1, spanGaps: true });
    for (const flag of Object.keys(main.flagged)) series.push({ label: words().flags[flag], values: columns.shift(), colour: FLAG_COLOURS[flag], points: true });
    for (const one of beside) series.push({ label: one.name, values: columns.shift(), colour: one.colour, spanGaps: true, width: 1.25 });
    // A threshold far away must not flatten the series.
    const reach = Math.max(high - low, Math.abs(high) * 0.02, 1e-9) * 1.5;
    const near = levels.filter(({ value }) => value >= low - reach && value <= high + reach);
    this.chart = plot(frame, { times, series, marks, levels: near.map(({ value, colour, name }) => ({ value, colour, label: name })), unit, span, height: 300, onZoom: this.onZoom });
  }
}
