// Is all well: the heartbeat, clocks, the database, what waits, what was left out; and every figure there is.

import { el, fill, mark, scroller } from "./dom.js";
import { number } from "./format.js";
import { model, now } from "./model.js";
import { has, parse, sumOf } from "./prometheus.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";

const ASK_MS = 5000;
const CLOCK_GOOD_S = 2;
const BEAT_GOOD_S = 3;
const BEHIND_GOOD_S = 60;
const ROWS = 400;

// Sums that should not grow: what was lost, refused or not understood.
const ERRORS = [
  "dead_letters", "processor_left_out", "stream_bad_messages", "stream_overload_drops", "stream_faults", "stream_refused_connections", "stream_bad_samples",
  "live_failures", "live_dropped_viewers", "deliveries_given_up", "caster_refused", "bridge_unreadable", "bridge_lost", "bridge_too_large",
  "store_rows_apart", "relay_refused", "unheard_streams",
];
const LAGS = ["worker_lag_messages", "webhook_waiting", "bridge_lag_messages", "deliveries_pending", "journal_messages"];
const FAILINGS = ["storage_failing", "database_away", "bridge_failing", "webhook_disabled"];

export class Health {
  constructor(node) {
    const text = words();
    this.first = null;
    this.cards = el("div", { class: "cards" });
    this.errors = scroller(text.leftOut);
    this.all = scroller(text.allFigures);
    this.all.classList.add("tall");
    this.find = el("input", { type: "search", placeholder: text.find, "aria-label": text.findFigure, autocomplete: "off" });
    this.find.addEventListener("input", () => this.showAll());
    node.append(this.cards, el("section", { class: "card" }, el("h2", {}, text.leftOut), this.errors), el("section", { class: "card" }, el("div", { class: "tools" }, el("h2", {}, text.allFigures), this.find), this.all));
    this.timer = setInterval(() => this.ask(), ASK_MS);
    this.beat = setInterval(() => this.show(), 1000);
    this.ask();
  }

  destroy() {
    clearInterval(this.timer);
    clearInterval(this.beat);
    this.isGone = true;
  }

  async ask() {
    const begun = performance.now();
    const answers = await Promise.all([fetch("/metrics"), fetch("/readyz"), fetch("/api/v1/webhooks"), fetch("/api/v1/streams")]).catch(() => null);
    if (!answers || this.isGone) return;
    const [metrics, ready, webhooks, streams] = answers;
    const answer_ms = performance.now() - begun;
    const told = metrics.ok ? parse(await metrics.text()) : this.told;
    const refusal = ready.ok ? "" : (await ready.json().catch(() => ({}))).detail;
    const subscribers = webhooks.ok ? (await webhooks.json()).items : [];
    const sources = streams.ok ? (await streams.json()).items : [];
    if (this.isGone) return;
    // all at once: an update of the live stream may show this between two answers
    Object.assign(this, { answer_ms, told, ready: refusal, webhooks: subscribers, streams: sources });
    this.first ??= told?.rows;
    this.show();
    this.showErrors();
    this.showAll();
  }

  show() {
    const text = words();
    const rows = this.told?.rows;
    if (!rows) return;
    const beat_s = model.heardAt ? (Date.now() - model.heardAt) / 1000 : Infinity;
    const clock_s = model.clockOffset / 1000;
    const offClock = [...model.stations.values()].filter((s) => s.reasons.some(({ code }) => code === "clock")).length;
    const up = this.streams.filter((one) => one.phase === "streaming").length;
    const sum = (name) => this.streams.reduce((total, one) => total + one[name], 0);
    const failing = FAILINGS.filter((name) => sumOf(rows, name) > 0);
    const lags = LAGS.filter((name) => has(rows, name)).map((name) => `${text.lagNames[name]} ${sumOf(rows, name)}`);
    const behind_s = behind();
    if (behind_s !== null) lags.unshift(text.verdictsBehind(behind_s.toFixed(1)));
    const waiting = this.webhooks.reduce((total, one) => total + one.pending, 0);
    const disabled = this.webhooks.filter((one) => one.state === "disabled").map((one) => one.id);
    const cards = [
      [text.health.heartbeat, beat_s < BEAT_GOOD_S ? "good" : "bad", text.agoS(beat_s.toFixed(0)), text.health.heartbeatText],
      [text.health.ready, this.ready ? "bad" : "good", this.ready ? text.no : text.yes, this.ready || text.health.readyText(Math.round(this.answer_ms))],
      [text.health.clock, Math.abs(clock_s) < CLOCK_GOOD_S && !offClock ? "good" : "bad", number(clock_s, 1, "s"), offClock ? text.health.clockStations(offClock) : text.health.clockText],
      [text.health.storage, failing.length ? "bad" : "good", failing.length ? failing.map((name) => text.failingNames[name]).join(text.comma) : text.health.well, text.health.storageText((sumOf(rows, "database_bytes") / 1e6).toFixed(1))],
      [text.health.rates, up < this.streams.length ? "degraded" : "good", `${number(sum("bytes_per_s") / 1000, 1, "kB/s")}`, text.health.ratesText(up, this.streams.length, sum("messages_per_s").toFixed(1))],
      [text.health.lag, behind_s > BEHIND_GOOD_S || LAGS.slice(0, 3).some((name) => sumOf(rows, name) > 10_000) ? "bad" : "good", lags.join(text.comma) || "0", text.health.lagText],
      [text.health.webhooks, disabled.length ? "bad" : waiting > 100 ? "degraded" : "good", text.health.waiting(waiting), disabled.length ? text.health.disabled(disabled.join(", ")) : text.health.webhooksText(this.webhooks.length)],
      [text.health.viewers, "good", String(sumOf(rows, "live_viewers")), `Groundswell ${model.version}`],
    ];
    fill(this.cards, cards, ([name, kind, shown, more]) => el("section", { class: `card health ${kind}` }, el("h2", {}, mark(kind, text.kinds[kind]), ` ${name}`), el("p", { class: "big" }, shown), el("p", { class: "muted" }, more)));
  }

  showErrors() {
    const text = words();
    const key = ({ name, labels }) => `${name}|${Object.values(labels).join("|")}`;
    const before = new Map(this.first.map((row) => [key(row), row.value]));
    const rows = this.told.rows
      .filter(({ name, value }) => ERRORS.includes(name) && value > 0)
      .map((row) => ({ ...row, grown: row.value - (before.get(key(row)) ?? 0) }))
      .sort((a, b) => b.grown - a.grown || b.value - a.value)
      .slice(0, 60)
      .map(({ name, labels, value, grown }) => [this.told.texts.get(name) ?? name, Object.values(labels).join(" "), String(value), grown ? `+${grown}` : "0"]);
    const shown = JSON.stringify(rows);
    if (this.errors.dataset.key === shown) return;
    this.errors.dataset.key = shown;
    this.errors.replaceChildren(rows.length ? plainTable(text.leftOut, text.leftOutHeads, rows, ["", "", "figure", "figure"]) : el("p", { class: "muted" }, text.nothingLeftOut));
  }

  showAll() {
    const text = words();
    const wanted = this.find.value.trim().toLowerCase();
    const rows = (this.told?.rows ?? [])
      .map(({ name, labels, value }) => [name, Object.entries(labels).map(([label, one]) => `${label}=${one}`).join(" "), String(value)])
      .filter(([name, labels]) => !wanted || `${name} ${labels}`.toLowerCase().includes(wanted));
    this.all.replaceChildren(plainTable(text.allFigures, text.figureHeads, rows.slice(0, ROWS), ["", "", "figure"]), el("p", { class: "muted" }, rows.length > ROWS ? text.someShown(ROWS, rows.length) : ""));
  }
}

// How old the newest verdict of all stations is: from their bytes through Kafka and the judges to here. Null: there is none.
function behind() {
  let newest = 0;
  for (const { latest } of model.stations.values()) if (latest) newest = Math.max(newest, new Date(latest.judged_at));
  return newest ? Math.max(0, (now() - newest) / 1000) : null;
}
