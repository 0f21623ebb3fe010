// What a detector gives as evidence: figures for the eye, all of it for the expert.
//
// Evidence is free in form. Keys end in their unit; a table is an object of lists beside `time_us`.

import { el } from "./dom.js";
import { brief, moment, shownUnit } from "./format.js";
import { plain } from "./texts.js";

const FIGURES = 6;
const EXPECTED = /^(trend|tide|fit|expected|predicted)(_|$)/;
const RESIDUAL = /^residual(_|$)/;

// The figures that count: single ones at the top, and the largest residual (in the unit of the series).
export function facts(evidence, time, unit) {
  const rows = [];
  for (const table of tables(evidence)) {
    for (const [key, values] of Object.entries(table)) {
      if (!RESIDUAL.test(key) || !values.length) continue;
      const largest = values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      rows.push(key === "residual" ? ["largest residual", brief(largest, shownUnit(unit))] : named(`largest_${key}`, largest, time));
    }
  }
  for (const [key, value] of Object.entries(evidence)) {
    if (typeof value === "number" || typeof value === "boolean") rows.push(named(key, value, time));
    else if (typeof value === "string" && value.length < 30 && key !== "version") rows.push(named(key, value, time));
  }
  return rows.slice(0, FIGURES).map(row);
}

// Every single figure and word, however deep.
export function particulars(evidence, time) {
  const rows = [];
  const walk = (value, path) => {
    if (value === null || Array.isArray(value)) return;
    if (typeof value !== "object") rows.push(named(path, value, time));
    else for (const [key, inner] of Object.entries(value)) walk(inner, key);
  };
  walk(evidence, "");
  return rows.map(row);
}

// What the detector expected, as [times in seconds, values], from a time on; null when it does not say.
export function expectation(evidence, from) {
  const points = new Map();
  for (const table of tables(evidence)) {
    const key = Object.keys(table).find((name) => EXPECTED.test(name));
    if (key) table.time_us.forEach((time, i) => points.set(time / 1e6, table[key][i]));
  }
  const sorted = [...points].filter(([time]) => time >= from).sort((a, b) => a[0] - b[0]);
  return sorted.length ? [sorted.map((p) => p[0]), sorted.map((p) => p[1])] : null;
}

// What the evidence holds over time, as { name, times, series: [[name, values]] }: of alerts about no single series.
export function pictures(evidence) {
  const found = [];
  for (const [name, table] of [["", evidence], ...Object.entries(evidence)]) {
    if (!Array.isArray(table?.time_us) || table.time_us.length < 2) continue;
    const isColumn = (values) => Array.isArray(values) && values.length === table.time_us.length && values.every((v) => v === null || typeof v === "number");
    const series = Object.entries(table).filter(([key, values]) => key !== "time_us" && isColumn(values));
    if (series.length) found.push({ name: name.replaceAll("_", " "), times: table.time_us.map((us) => us / 1e6), series: series.map(([key, values]) => [key.replaceAll("_", " "), values]) });
  }
  return found.slice(0, 3);
}

function tables(evidence) {
  return [evidence, ...Object.values(evidence)].filter((value) => Array.isArray(value?.time_us));
}

const row = ([name, text]) => el("div", {}, el("dt", {}, plain(name)), el("dd", {}, text));

const UNITS = { m: "m", mm: "mm", s: "s", h: "h", deg: "°", dbhz: "dB-Hz", c: "°C" };

function named(key, value, time) {
  const words = key.split("_");
  const unit = words.length > 1 ? words.at(-1) : "";
  if (unit === "us" && value > 1e14) return [words.slice(0, -1).join(" "), moment(new Date(value / 1000).toISOString(), time)];
  if (typeof value !== "number") return [words.join(" "), String(value)];
  if (words.length > 3 && words.at(-2) === "per") return [words.slice(0, -3).join(" "), brief(value, `${UNITS[words.at(-3)] ?? words.at(-3)}/${unit}`)];
  if (unit in UNITS) return [words.slice(0, -1).join(" "), brief(value, UNITS[unit])];
  return [words.join(" "), brief(value)];
}
