// The table of rovers, and how many of them each station and region has.

import { byId, el, mark, setText } from "./dom.js";
import { age, moment, number } from "./format.js";
import { fixOf } from "./rover_feed.js";
import { words } from "./rover_texts.js";

const ROWS = 200;

export function volume(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1000)}\u202fkB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)}\u202fMB` : `${(bytes / 1e9).toFixed(2)}\u202fGB`;
}

export function showRovers(rovers, selected, onChoose) {
  const text = words();
  const shown = rovers.slice(0, ROWS);
  const rows = shown.map((one) => {
    const name = one.account || text.anonymous;
    const button = el("button", { type: "button", class: "row", onclick: () => onChoose(one.id) }, el("b", {}, name));
    return el(
      "tr",
      { "data-id": one.id, "aria-selected": String(one.id === selected), onclick: (event) => event.target.closest("button") || onChoose(one.id) },
      el("td", {}, button),
      el("td", {}, one.base || text.none),
      el("td", { class: "fix" }, mark(fixOf(one)), text.qualities[fixOf(one)]),
      el("td", { class: "figure" }, number(one.correction_age_s, 0, "s")),
      el("td", { class: "figure" }, volume(one.bytes_sent)),
    );
  });
  const note = !rovers.length ? text.nobody : rovers.length > ROWS ? text.some(ROWS, rovers.length) : "";
  fill(byId("list"), [text.account, text.base, text.fix, text.age, text.sent], rows, note);
}

export function showCounts(node, head, rovers, nameOf, empty, onChoose) {
  const text = words();
  const sums = new Map();
  for (const one of rovers) {
    const sum = sums.get(nameOf(one)) ?? { rovers: 0, fixed: 0, floating: 0 };
    sum.rovers += 1;
    if (fixOf(one) in sum) sum[fixOf(one)] += 1;
    sums.set(nameOf(one), sum);
  }
  const order = [...sums].sort((a, b) => b[1].rovers - a[1].rovers || (a[0] < b[0] ? -1 : 1));
  const rows = order.slice(0, ROWS).map(([name, sum]) => {
    const button = el("button", { type: "button", class: "row", onclick: () => onChoose(name) }, el("b", {}, name || empty));
    const figures = [sum.rovers, sum.fixed, sum.floating].map((n) => el("td", { class: "figure" }, String(n)));
    return el("tr", { "data-name": name, onclick: (event) => event.target.closest("button") || onChoose(name) }, el("td", {}, button), ...figures);
  });
  const note = !order.length ? text.nobody : order.length > ROWS ? text.some(ROWS, order.length) : "";
  fill(node, [head, text.list, text.fixed, text.floating], rows, note);
}

function fill(node, heads, rows, note) {
  const focused = node.contains(document.activeElement) ? document.activeElement.closest("tr")?.dataset : null;
  const head = el("tr", {}, ...heads.map((one) => el("th", { scope: "col" }, one)));
  node.replaceChildren(
    el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)),
    el("p", { class: "muted note" }, note),
  );
  if (focused) {
    const again = rows.find((row) => row.dataset.id === focused.id && row.dataset.name === focused.name);
    again?.querySelector("button").focus({ preventScroll: true });
  }
}

export function showDetail(node, one, onClose) {
  node.hidden = !one;
  if (!one) return;
  const text = words();
  const time = new Date();
  const place = one.longitude === null ? "–" : `${one.latitude}°, ${one.longitude}°`;
  const values = {
    base: one.base || text.none,
    base_since: moment(one.base_since, time),
    reason: one.reason || "–",
    mountpoint: one.mountpoint,
    quality: one.quality === null ? "–" : `${one.quality} (${text.qualities[fixOf(one)]})`,
    correction_age_s: number(one.correction_age_s, 1, "s"),
    heard: age(one.heard, time),
    place,
    since: moment(one.since, time),
    bytes_sent: volume(one.bytes_sent),
    epochs_sent: String(one.epochs_sent),
    address: one.address || "–",
    agent: one.agent || "–",
    ntrip_version: String(one.ntrip_version ?? "–"),
    caster: one.caster,
    region: one.region || text.here,
  };
  const close = el("button", { type: "button", class: "quiet close", "aria-label": text.close, onclick: onClose }, "×");
  const figures = Object.entries(values).map(([name, value]) =>
    el("div", {}, el("dt", {}, text.fields[name]), el("dd", { "data-field": name }, value)),
  );
  node.replaceChildren(
    el("div", { class: "head" }, el("h2", {}, one.account || text.anonymous), close),
    el("dl", { class: "figures" }, ...figures),
  );
}

export function showLegend(mode) {
  const text = words();
  const kinds = mode === "fix" ? Object.entries(text.qualities) : [];
  byId("legend").replaceChildren(...kinds.map(([kind, name]) => el("span", {}, mark(kind), name)));
}

export function showOnly(only, onClear) {
  const text = words();
  const chips = Object.entries(only).map(([what, value]) => {
    const shown = what === "box" ? text.box : value || (what === "base" ? text.none : text.here);
    return el("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => onClear(what) }, `${text.only} ${shown} ×`);
  });
  byId("only").replaceChildren(...chips);
}

export function translate() {
  const text = words();
  for (const node of document.querySelectorAll("[data-text]")) setText(node, text[node.dataset.text]);
  setText(byId("language"), text.language);
  byId("find").placeholder = text.find;
  byId("find").setAttribute("aria-label", text.findLabel);
  byId("map").setAttribute("aria-label", text.map);
}
