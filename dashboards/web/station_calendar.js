// The gaps of a month at a glance: a square for each hour, a row for each day.

import { el, svg } from "./dom.js";
import { dateAndTime, dayAndHour } from "./format.js";
import { now } from "./model.js";
import { seconds } from "./plots.js";
import { words } from "./texts.js";

const DAYS = 30;
const RELOAD_MS = 300_000;
const CELL = 14;
const LEFT = 44;
const HOUR_MS = 3_600_000;

export class Calendar {
  constructor(node, id) {
    this.node = node;
    this.path = `/api/v1/stations/${encodeURIComponent(id)}/quality`;
    this.loadedAt = 0;
    node.append(el("h2", {}, words().calendar), el("p", { class: "muted" }, words().loading));
  }

  destroy() {
    this.isGone = true;
  }

  show(s) {
    if (Date.now() - this.loadedAt < RELOAD_MS) return;
    this.loadedAt = Date.now();
    this.load(s.latest ? new Date(s.latest.judged_at) : now());
  }

  async load(newest) {
    const until = (Math.floor(newest / HOUR_MS) + 1) * HOUR_MS;
    const from = until - DAYS * 24 * HOUR_MS;
    const range = `start=${new Date(from).toISOString()}&end=${new Date(until).toISOString()}`;
    const answer = await fetch(`${this.path}?${range}&window=1h`).catch(() => null);
    if (!answer?.ok) return;
    const { items } = await answer.json();
    if (!this.isGone) this.draw(items, from, until);
  }

  draw(items, from, until) {
    const text = words();
    const hours = new Map(items.map((one) => [seconds(one.start) * 1000, one]));
    const first = items.length ? seconds(items[0].start) * 1000 : until;
    const days = new Map();
    const lacking = [];
    for (let at = from; at < until; at += HOUR_MS) {
      const { day, hour } = dayAndHour(new Date(at));
      if (!days.has(day)) days.set(day, []);
      const one = hours.get(at);
      const share = one ? (one.epochs_expected ? one.epochs / one.epochs_expected : null) : at >= first ? 0 : null;
      days.get(day).push({ at, hour, share });
      if (share !== null && share < 0.999) lacking.push([at, share]);
    }
    const picture = svg("svg", { viewBox: `0 0 ${LEFT + 24 * CELL} ${(days.size + 1) * CELL + 4}`, class: "calendar", role: "img", "aria-label": text.calendarSaid(lacking.length) });
    for (let hour = 0; hour < 24; hour += 3) picture.append(svg("text", { x: LEFT + hour * CELL, y: 10, class: "north" }, String(hour).padStart(2, "0")));
    [...days].reverse().forEach(([day, cells], row) => {
      picture.append(svg("text", { x: 0, y: (row + 2) * CELL - 3, class: "north" }, day.slice(5)));
      for (const { at, hour, share } of cells) {
        const title = `${dateAndTime(new Date(at))}: ${share === null ? text.notKept : percent(share)}`;
        picture.append(svg("rect", { x: LEFT + hour * CELL, y: (row + 1) * CELL + 2, width: CELL - 2, height: CELL - 2, rx: 2, class: `hour ${kindOf(share)}` }, svg("title", {}, title)));
      }
    });
    const legend = [["whole", "≥ 99.9 %"], ["some", "≥ 99 %"], ["part", "≥ 90 %"], ["little", "< 90 %"], ["none", text.noData], ["unkept", text.notKept]];
    const worst = lacking.sort((a, b) => a[1] - b[1]).slice(0, 8);
    this.node.replaceChildren(
      el("h2", {}, text.calendar),
      el(
        "div",
        { class: "calendar-row" },
        picture,
        el(
          "div",
          {},
          el("p", { class: "legend-row" }, ...legend.map(([kind, name]) => el("span", {}, el("i", { class: `swatch ${kind}` }), name))),
          el("p", {}, lacking.length ? text.lacking(lacking.length) : text.noneLacking),
          el("ul", { class: "lacking" }, ...worst.map(([at, share]) => el("li", {}, `${dateAndTime(new Date(at))}: ${percent(share)}`))),
        ),
      ),
    );
  }
}

const percent = (share) => `${(Math.floor(share * 1000) / 10).toFixed(1)}\u202f%`;

function kindOf(share) {
  if (share === null) return "unkept";
  if (share === 0) return "none";
  if (share >= 0.999) return "whole";
  if (share >= 0.99) return "some";
  return share >= 0.9 ? "part" : "little";
}
