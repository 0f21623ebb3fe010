// The table of rovers, how many of them each station and region has, and who was handed over lately.

import { el, mark } from "./dom.js";
import { age, moment, number } from "./format.js";
import { fixOf } from "./rover_feed.js";
import { words } from "./texts.js";

const ROWS = 200;

export function volume(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1000)}\u202fkB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)}\u202fMB` : `${(bytes / 1e9).toFixed(2)}\u202fGB`;
}

export function showRovers(node, rovers, selected, onChoose) {
  const text = words().rovers;
  const rows = rovers.slice(0, ROWS).map((one) =>
    row({ id: one.id, chosen: one.id === selected }, one.account || text.anonymous, () => onChoose(one.id), [
      el("td", { class: "base" }, one.base || text.none),
      el("td", { class: "fix" }, mark(fixOf(one)), text.qualities[fixOf(one)]),
      el("td", { class: "figure" }, number(one.correction_age_s, 0, "s")),
      el("td", { class: "figure" }, volume(one.bytes_sent)),
    ]),
  );
  fill(node, text.tabs.list, text.roverHeads, rows, noteOf(rovers.length));
}

export function showCounts(node, head, rovers, nameOf, empty, onChoose) {
  const text = words().rovers;
  const sums = new Map();
  for (const one of rovers) {
    const sum = sums.get(nameOf(one)) ?? { rovers: 0, fixed: 0, floating: 0, bytes: 0 };
    sum.rovers += 1;
    sum.bytes += one.bytes_sent;
    if (fixOf(one) in sum) sum[fixOf(one)] += 1;
    sums.set(nameOf(one), sum);
  }
  const order = [...sums].sort((a, b) => b[1].rovers - a[1].rovers || (a[0] < b[0] ? -1 : 1));
  const rows = order.slice(0, ROWS).map(([name, sum]) =>
    row({ id: name }, name || empty, () => onChoose(name), [...[sum.rovers, sum.fixed, sum.floating].map(String), volume(sum.bytes)].map((shown) => el("td", { class: "figure" }, shown))),
  );
  fill(node, head, [head, text.tabs.list, text.fixed, text.floating, text.sent], rows, noteOf(order.length));
}

// Those that got another base while they went on, the last one first.
export function handOvers(node, rovers, onChoose) {
  const text = words().rovers;
  const time = new Date();
  const moved = rovers.filter((one) => one.base_since && one.reason && one.base_since > one.since).sort((a, b) => (a.base_since < b.base_since ? 1 : -1));
  const rows = moved.slice(0, ROWS).map((one) =>
    row({ id: one.id }, one.account || text.anonymous, () => onChoose(one.id), [el("td", { class: "base" }, one.base || text.none), el("td", {}, one.reason), el("td", { class: "figure" }, moment(one.base_since, time))]),
  );
  fill(node, text.tabs.moves, text.moveHeads, rows, moved.length ? noteOf(moved.length) : text.noMove);
}

function noteOf(count) {
  if (!count) return words().rovers.nobody;
  return count > ROWS ? words().someShown(ROWS, count) : "";
}

function row({ id, chosen = false }, name, act, cells) {
  const button = el("button", { type: "button", class: "row", onclick: act }, el("b", {}, name));
  return el("tr", { "data-id": id, class: chosen ? "chosen" : null, onclick: (event) => event.target.closest("button") || act() }, el("td", {}, button), ...cells);
}

function fill(node, label, heads, rows, note) {
  const focused = node.contains(document.activeElement) ? document.activeElement.closest("tr")?.dataset.id : undefined;
  const head = el("tr", {}, ...heads.map((one) => el("th", { scope: "col" }, one)));
  node.replaceChildren(
    el("table", { class: "rovers", "aria-label": label }, el("thead", {}, head), el("tbody", {}, ...rows)),
    el("p", { class: "muted note" }, note),
  );
  rows.find((one) => one.dataset.id === focused)?.querySelector("button").focus({ preventScroll: true });
}

export function showDetail(node, one, onClose) {
  node.hidden = !one;
  if (!one) return;
  const text = words().rovers;
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
    region: one.region || words().here,
  };
  const close = el("button", { type: "button", class: "quiet close", "aria-label": words().close, onclick: onClose }, "×");
  const figures = Object.entries(values).map(([name, value]) => el("div", {}, el("dt", {}, text.fields[name]), el("dd", { "data-field": name }, value)));
  node.replaceChildren(el("div", { class: "head" }, el("h2", {}, one.account || text.anonymous), close), el("dl", { class: "figures" }, ...figures));
}
