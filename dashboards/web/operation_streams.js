// What comes in: each stream, what it is doing, its rates and errors; those in trouble first.

import { el, mark, scroller } from "./dom.js";
import { age, number } from "./format.js";
import { now } from "./model.js";
import { phaseKind } from "./station_sources.js";
import { addressOf } from "./router.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";

const ASK_MS = 4000;
const ROWS = 300;
const GRAVITY = ["bad", "degraded", "unknown", "fresh", "good"];

export class Streams {
  constructor(node) {
    const text = words();
    this.rows = [];
    this.find = el("input", { type: "search", placeholder: text.find, "aria-label": text.findStream, autocomplete: "off" });
    this.only = el("select", { "aria-label": text.state }, el("option", { value: "" }, text.all), el("option", { value: "trouble" }, text.inTrouble));
    for (const one of [this.find, this.only]) one.addEventListener("input", () => this.draw());
    this.total = el("p", { class: "total" });
    this.table = scroller(text.operationTabs.streams);
    node.append(el("div", { class: "controls" }, this.only, this.find, this.total), this.table);
    this.timer = setInterval(() => this.ask(), ASK_MS);
    this.ask();
  }

  destroy() {
    clearInterval(this.timer);
  }

  show() {}

  async ask() {
    if (this.table.closest("[hidden]") && this.rows.length) return;
    const answer = await fetch("/api/v1/streams").catch(() => null);
    if (!answer?.ok || !this.table.isConnected) return;
    this.rows = (await answer.json()).items;
    this.draw();
  }

  draw() {
    const text = words();
    const time = now();
    const find = this.find.value.trim().toLowerCase();
    const wanted = this.rows
      .filter((one) => !find || `${one.id} ${one.kind} ${one.source} ${one.gatherer}`.toLowerCase().includes(find))
      .filter((one) => !this.only.value || ["bad", "degraded"].includes(phaseKind(one.phase)) || one.last_error)
      .sort((a, b) => GRAVITY.indexOf(phaseKind(a.phase)) - GRAVITY.indexOf(phaseKind(b.phase)) || (a.id < b.id ? -1 : 1));
    this.total.textContent = text.streamTotal(wanted.length, this.rows.length);
    const rows = wanted.slice(0, ROWS).map((one) => [
      el("span", {}, mark(phaseKind(one.phase)), ` ${text.phases[one.phase] ?? one.phase}`),
      one.station ? el("a", { href: addressOf("station", one.station) }, one.id) : el("b", {}, one.id),
      one.kind,
      number(one.latency_s, 2, "s"),
      number(one.bytes_per_s / 1000, 2, "kB/s"),
      number(one.messages_per_s, 1, "/s"),
      String(one.bad_messages),
      String(one.overload_drops),
      String(one.reconnects),
      age(one.last_received, time),
      one.last_error || "–",
    ]);
    this.table.replaceChildren(plainTable(text.operationTabs.streams, text.streamHeads, rows, ["", "", "", ...Array(7).fill("figure")]), el("p", { class: "muted" }, wanted.length > ROWS ? text.someShown(ROWS, wanted.length) : ""));
  }
}
