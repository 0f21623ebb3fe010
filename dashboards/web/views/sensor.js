// One series: its values with their flags, what was detected, the thresholds, beside other series and times.

import { el, fill, fillFigures, mark, setText } from "../dom.js";
import { age, flagKind, measured, moment, number } from "../format.js";
import { datastreamsOf, fullName, model, now } from "../model.js";
import { addressOf, go, remember } from "../router.js";
import { SeriesPlot, loadSeries } from "../series_plot.js";
import { thresholdsOf } from "../thresholds.js";
import { Span } from "../spans.js";
import { plain, words } from "../texts.js";
import { seconds } from "../plots.js";

const RELOAD_MS = 15_000;
const SHIFTS_S = { day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000 };

export const open = (node, asked) => new SensorView(node, asked);

class SensorView {
  constructor(node, { id, query }) {
    this.id = id;
    this.loadedAt = 0;
    this.chain = null;
    this.others = query.getAll("beside").filter((one) => one !== id).slice(0, 3);
    this.shift = query.get("shift") ?? "";
    const text = words();
    this.state = el("span", { class: "badge" });
    this.title = el("h1");
    this.more = el("span", { class: "muted" });
    this.figures = el("dl", { class: "figures" });
    this.span = new Span(query, { usual: "6 h", onChange: () => this.load() });
    this.note = el("p", { class: "muted note", role: "status" });
    this.plot = el("div", { class: "series" });
    this.legend = el("p", { class: "legend-row" });
    this.siblings = el("select", { "aria-label": text.seriesOfSite });
    this.siblings.addEventListener("change", () => go("sensor", this.siblings.value));
    this.beside = el("select", { "aria-label": text.beside });
    this.beside.addEventListener("change", () => this.addBeside(this.beside.value));
    this.earlier = el("select", { "aria-label": text.earlier }, ...["", ...Object.keys(SHIFTS_S)].map((name) => el("option", { value: name, selected: name === this.shift }, text.shifts[name])));
    this.earlier.addEventListener("change", () => {
      this.shift = this.earlier.value;
      remember({ shift: this.shift });
      this.load();
    });
    this.alerts = el("ul", { class: "lacking" });
    this.limits = el("dl", { class: "figures" });
    this.page = el(
      "div",
      { class: "sheet" },
      el("div", { class: "head" }, el("a", { href: "#/sensors", class: "back" }, `← ${text.nav.sensors}`), this.state, this.title, this.more, el("span", { class: "tools end" }, this.siblings, el("a", { href: addressOf("chain", id) }, text.chain))),
      el("section", { class: "card wide" }, el("h2", {}, text.nowTitle), this.figures),
      el("section", { class: "card wide" }, el("h2", {}, text.past), el("div", { class: "tools" }, this.span.node, this.beside, this.earlier), this.legend, this.note, this.plot),
      el("section", { class: "card" }, el("h2", {}, text.thresholds), this.limits),
      el("section", { class: "card" }, el("h2", {}, text.detections), this.alerts),
    );
    this.missing = el("p", { class: "muted note" });
    node.append(this.missing, this.page);
    this.view = new SeriesPlot(this.plot, (from, until) => this.span.zoom(from, until));
    this.learn();
  }

  destroy() {
    this.isGone = true;
    this.view.destroy();
  }

  // What the chain of the series says of its limits, and all alerts about it that are kept.
  async learn() {
    const answers = await Promise.all([fetch(`/api/v1/datastreams/${encodeURIComponent(this.id)}/chain`), fetch("/api/v1/alerts?limit=300")]).catch(() => []);
    if (answers.length < 2 || !answers.every((one) => one.ok) || this.isGone) return;
    this.chain = await answers[0].json();
    const { items } = await answers[1].json();
    this.kept = items.filter((one) => one.subject_id === this.id);
    if (this.isGone) return;
    this.loadedAt = 0;
    this.show();
  }

  addBeside(id) {
    if (!id) return;
    this.others = this.others.includes(id) ? this.others.filter((one) => one !== id) : [...this.others, id].slice(-3);
    this.rememberBeside();
    this.load();
  }

  rememberBeside() {
    remember({ beside: this.others });
    this.beside.dataset.key = "";
    this.showChoices();
  }

  show() {
    const d = model.datastreams.get(this.id);
    const text = words();
    this.page.hidden = !d;
    this.missing.hidden = Boolean(d);
    if (!d) return setText(this.missing, model.version ? text.noSuchSensor(this.id) : text.connection.connecting);
    const time = now();
    const l = d.latest;
    const thing = model.things.get(d.thing_id);
    const kind = l ? flagKind(l.flag) : "unknown";
    const word = l ? text.flags[l.flag] : text.noData;
    if (this.state.dataset.shown !== kind + word) {
      this.state.dataset.shown = kind + word;
      this.state.className = `badge ${kind}`;
      this.state.replaceChildren(mark(kind), ` ${word}`);
    }
    setText(this.title, d.name);
    setText(this.more, thing ? fullName(thing) : "");
    fillFigures(this.figures, [
      [text.latestValue, measured(l?.value, d.unit)],
      [text.time, moment(l?.phenomenon_time, time)],
      [text.ageName, age(l?.phenomenon_time, time)],
      [text.flag, word],
      [text.property, plain(d.property_id, model.properties.get(d.property_id)?.name)],
      [text.detectors, d.detectors.map((one) => plain(one)).join(", ") || text.none],
      [text.positionName, thing ? `${number(thing.latitude, 4)}°, ${number(thing.longitude, 4)}°` : "–"],
    ]);
    this.showChoices();
    this.showLimits(d);
    this.showAlerts(time);
    this.span.newest_s = l ? seconds(l.phenomenon_time) + 0.001 : time / 1000;
    if (Date.now() - this.loadedAt > RELOAD_MS && !(this.span.part && this.loadedAt)) this.load();
    return null;
  }

  showChoices() {
    const text = words();
    const d = model.datastreams.get(this.id);
    const siblings = datastreamsOf(d.thing_id);
    const same = [...model.datastreams.values()].filter((one) => one.property_id === d.property_id && one.id !== d.id).slice(0, 500);
    const key = `${siblings.length} ${same.length} ${this.others}`;
    if (this.beside.dataset.key === key) return;
    this.beside.dataset.key = key;
    this.siblings.hidden = siblings.length < 2;
    this.siblings.replaceChildren(...siblings.map((one) => el("option", { value: one.id, selected: one.id === this.id }, one.name)));
    this.beside.replaceChildren(el("option", { value: "" }, text.beside), ...same.map((one) => el("option", { value: one.id }, `${this.others.includes(one.id) ? "✓ " : ""}${one.name}`)));
    this.beside.disabled = !same.length;
  }

  showLimits(d) {
    const rows = this.thresholds(d).map(({ value, name }) => [name, measured(value, d.unit)]);
    fillFigures(this.limits, rows.length ? rows : [[words().none, ""]]);
  }

  thresholds(d) {
    return thresholdsOf(model.properties.get(d.property_id), this.chain, d.unit, words());
  }

  alertsOf() {
    const found = new Map((this.kept ?? []).map((one) => [one.id, one]));
    for (const one of model.alerts.values()) if (one.subject_id === this.id) found.set(one.id, one);
    return [...found.values()].sort((a, b) => new Date(b.onset_at) - new Date(a.onset_at));
  }

  showAlerts(time) {
    const text = words();
    const rows = this.alertsOf().slice(0, 20).map((one) => [one.id, one.level, one.title, moment(one.onset_at, time), text.alertStates[one.state]]);
    fill(this.alerts, rows.length ? rows : [[null]], ([id, level, title, at, state]) =>
      id ? el("li", {}, el("span", { class: `level ${level}` }, text.levels[level]), " ", el("a", { href: addressOf("alerts", id) }, title), el("span", { class: "muted" }, ` ${at}, ${state}`)) : el("li", { class: "muted" }, text.noDetection));
  }

  async load() {
    const d = model.datastreams.get(this.id);
    if (!d) return;
    this.loadedAt = Date.now();
    const asked = (this.asked = {});
    const text = words();
    const span = this.span.range(this.span.newest_s);
    const shift_s = SHIFTS_S[this.shift] ?? 0;
    const period = model.properties.get(d.property_id)?.sampling_period_s ?? 60;
    const wanted = [loadSeries(d.id, span, period)];
    if (shift_s) wanted.push(loadSeries(d.id, span, period, shift_s));
    for (const other of this.others) wanted.push(loadSeries(other, span, period));
    const tables = await Promise.all(wanted).catch(() => null);
    if (!tables || this.asked !== asked || this.isGone) return;
    const [main, ...rest] = tables;
    const names = [...(shift_s ? [text.shifts[this.shift]] : []), ...this.others.map((id) => model.datastreams.get(id)?.name ?? id)];
    setText(this.note, main.times.length ? "" : text.nothingThen);
    this.note.hidden = main.times.length > 0;
    const colours = ["--second", "--third", "--fourth", "--muted"];
    const beside = rest.map((table, i) => ({ ...table, name: names[i], colour: colours[i] }));
    const marks = this.alertsOf().map((one) => ({ at: seconds(one.onset_at), colour: `--level-${one.level}` }));
    this.view.draw(d, main, { beside, marks, span, levels: this.thresholds(d) });
    this.legend.replaceChildren(
      el("span", {}, el("i", { class: "swatch line" }), d.name),
      ...beside.map((one) => el("span", {}, el("i", { class: `swatch line${one.colour}` }), one.name, this.others.length ? this.removal(one.name) : null)),
      ...[["fresh", 2], ["degraded", 3], ["bad", 4]].map(([kind, flag]) => el("span", {}, mark(kind), ` ${text.flags[flag]} ${main.counts[flag] ?? 0}`)),
      main.window_s ? el("span", { class: "muted" }, text.windowsOf(main.window_s)) : "",
    );
  }

  removal(name) {
    const id = this.others.find((one) => (model.datastreams.get(one)?.name ?? one) === name);
    return id ? el("button", { type: "button", class: "quiet close", "aria-label": words().remove(name), onclick: () => this.addBeside(id) }, "×") : null;
  }
}
