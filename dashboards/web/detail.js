// The panel below the map: a station or a sensor series, its figures and its recent past.

import { byId, el, mark, setText } from "./dom.js";
import { FLAGS, age, flagKind, measured, moment, number, shownUnit } from "./format.js";
import { datastreamsOf, fullName, model, now } from "./model.js";
import { plot, seconds } from "./plots.js";

const RELOAD_MS = 15_000;
const SPANS = { "1 h": 3600, "6 h": 21600, "24 h": 86400, "7 d": 604800 };
const POINTS = 600;
const REPORTS = [
  ["en", "Report of the", [["day", 1], ["month", 30]]],
  ["zh", "报告：", [["一天", 1], ["一个月", 30]]],
];

export class Detail {
  constructor({ onChange }) {
    this.node = byId("detail");
    this.onChange = onChange;
    this.selected = null;
    this.span = "6 h";
    this.charts = [];
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.selected && !byId("acknowledge").open) this.close();
    });
  }

  open(kind, id) {
    this.opener = document.activeElement;
    this.selected = { kind, id };
    this.node.hidden = false;
    this.build();
    this.node.focus({ preventScroll: true });
    this.onChange();
  }

  openThing(thingId) {
    const series = datastreamsOf(thingId);
    const alarmed = series.find((d) => [...model.alerts.values()].some((a) => a.subject_id === d.id));
    if (series.length) this.open("datastream", (alarmed ?? series[0]).id);
  }

  close() {
    this.selected = null;
    this.clear();
    this.node.hidden = true;
    this.opener?.focus?.({ preventScroll: true });
    this.onChange();
  }

  clear() {
    for (const chart of this.charts) chart.destroy();
    this.charts = [];
  }

  build() {
    this.clear();
    this.loadedAt = 0;
    this.state = el("span", { class: "state" });
    this.title = el("h2");
    this.more = el("span", { class: "muted" });
    const close = el("button", { type: "button", class: "quiet close", "aria-label": "Close details", onclick: () => this.close() }, "×");
    this.tools = el("div", { class: "tools" });
    this.reasons = el("ul", { class: "reasons" });
    this.figures = el("dl", { class: "figures" });
    this.plots = el("div", { class: "plots" });
    this.node.replaceChildren(
      el("div", { class: "head" }, this.state, this.title, this.more, close),
      this.figures,
      el("div", { class: `content ${this.selected.kind}` }, this.reasons, el("div", { class: "past" }, this.tools, this.plots)),
    );
    if (this.selected.kind === "datastream") this.buildTools();
    else this.buildReports();
    this.show();
  }

  buildTools() {
    const thing = model.datastreams.get(this.selected.id)?.thing_id;
    const series = datastreamsOf(thing);
    if (series.length > 1) {
      const choice = el("select", { "aria-label": "Series of this site" });
      for (const d of series) choice.append(el("option", { value: d.id, selected: d.id === this.selected.id }, d.name));
      choice.addEventListener("change", () => {
        this.selected.id = choice.value;
        this.build();
        this.onChange();
      });
      this.tools.append(choice);
    }
    for (const name of Object.keys(SPANS)) {
      const button = el("button", { type: "button", class: "chip", "aria-pressed": String(name === this.span) }, name);
      button.addEventListener("click", () => {
        this.span = name;
        this.build();
      });
      this.tools.append(button);
    }
  }

  buildReports() {
    for (const [language, title, names] of REPORTS) {
      const links = names.flatMap(([name, days], i) => [
        i ? " · " : "",
        el("a", { target: "_blank", rel: "noopener", href: reportOf(this.selected.id, days, language) }, name),
      ]);
      this.tools.append(el("span", { class: "reports", lang: language }, `${title} `, ...links));
    }
  }

  repaint() {
    if (!this.selected) return;
    this.loadedAt = 0;
    this.show();
  }

  show() {
    if (!this.selected) return;
    const { kind, id } = this.selected;
    const subject = kind === "station" ? model.stations.get(id) : model.datastreams.get(id);
    if (!subject) return this.close();
    if (kind === "station") this.showStation(subject);
    else this.showDatastream(subject);
    if (Date.now() - this.loadedAt > RELOAD_MS) {
      this.loadedAt = Date.now();
      if (kind === "station") this.loadStation(subject);
      else this.loadDatastream(subject);
    }
  }

  head(kind, word, title, more) {
    if (this.state.dataset.kind !== kind || this.state.dataset.word !== word) {
      Object.assign(this.state.dataset, { kind, word });
      this.state.replaceChildren(mark(kind), ` ${word}`);
    }
    setText(this.title, title);
    setText(this.more, more);
  }

  showStation(s) {
    const time = now();
    const l = s.latest;
    this.head(s.state, s.score === null ? s.state : `${s.state} ${s.score}`, s.id, s.name === s.id ? "" : s.name);
    this.fill(this.reasons, s.reasons.length ? s.reasons : [{ text: "Nothing to complain about.", check: "" }], (r) =>
      el("li", {}, r.text, r.check ? el("span", { class: "muted" }, ` ${r.check}`) : null));
    const rows = [
      ["Last epoch", moment(s.last_epoch, time), "Time of the newest epoch that came."],
      ["Latency", number(l?.latency_s, 2, "s"), "From the epoch's time to its arrival."],
      ["Jitter", number(l?.jitter_s, 3, "s"), "How much the latency varies over the last 60 epochs."],
      ["C/N0", number(l?.cn0_dbhz, 1, "dB-Hz"), "Signal strength: mean over all signals of the epoch."],
      ["Satellites", l ? String(l.satellites) : "–", "Satellites of the epoch."],
      ["Observations", l ? (l.observations_expected === null ? `${l.observations}` : `${l.observations} of ${l.observations_expected}`) : "–", "Signals of the epoch, of those that were tracked before."],
      ["Multipath", number(l?.multipath_m, 2, "m"), "RMS of the reflections in the codes over the last minute."],
      ["Slips", l ? String(l.slips) : "–", "Breaks of carrier phases at this epoch."],
      ["Bad frames", l ? `${l.bad_frames} of ${l.frames + l.bad_frames}` : "–", "Frames of this epoch whose checksum is wrong."],
      ["Position", s.longitude === null ? "–" : `${number(s.latitude, 4)}°, ${number(s.longitude, 4)}°`, "The registered place, else the one that the stream tells."],
      ...figureRows(s.figures, time),
    ];
    this.fill(this.figures, rows, ([name, text, title]) => el("div", { title }, el("dt", {}, name), el("dd", {}, text)));
  }

  showDatastream(d) {
    const time = now();
    const l = d.latest;
    const thing = model.things.get(d.thing_id);
    this.head(l ? flagKind(l.flag) : "unknown", l ? FLAGS[l.flag] : "no data", d.name, thing ? `at ${fullName(thing)}` : "");
    this.fill(this.reasons, [], () => null);
    const rows = [
      ["Latest", measured(l?.value, d.unit)],
      ["Time", moment(l?.phenomenon_time, time)],
      ["Age", age(l?.phenomenon_time, time)],
      ["Flag", l ? FLAGS[l.flag] : "–"],
      ["Property", (model.properties.get(d.property_id)?.name ?? d.property_id).replaceAll("_", " ")],
      ["Detectors", d.detectors.join(", ").replaceAll("_", " ") || "none"],
      ["Position", thing ? `${number(thing.latitude, 4)}°, ${number(thing.longitude, 4)}°` : "–"],
    ];
    this.fill(this.figures, rows, ([name, text]) => el("div", {}, el("dt", {}, name), el("dd", {}, text)));
  }

  // Rebuilt only when something in it changed, so that selections of text survive.
  fill(node, rows, make) {
    const key = JSON.stringify(rows);
    if (node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...rows.map(make).filter(Boolean));
  }

  async load(url, draw) {
    const asked = this.selected;
    const answer = await fetch(url);
    if (!answer.ok || this.selected !== asked) return;
    const { items, next } = await answer.json();
    if (this.selected === asked) draw(items, next);
  }

  frame(title) {
    const node = el("figure", { class: "plot" }, el("figcaption", {}, title));
    this.plots.append(node);
    return node;
  }

  startDrawing() {
    this.clear();
    this.plots.replaceChildren();
  }

  loadStation(s) {
    return this.load(`/api/v1/stations/${encodeURIComponent(s.id)}/quality?window=10s`, (items) => {
      this.startDrawing();
      if (!items.length) return;
      const times = items.map((w) => seconds(w.start));
      const draw = (title, series, range = null, unit = "") =>
        this.charts.push(plot(this.frame(title), { times, series, range, unit, height: 150 }));
      draw("Score", [{ values: items.map((w) => w.score_min), colour: "--line" }], () => [0, 104]);
      draw("Latency, s", [{ values: items.map((w) => w.latency_p95_s), colour: "--line" }], (_, low, high) => [0, Math.max(0.5, high * 1.1)], "s");
      draw("C/N0, dB-Hz", [{ values: items.map((w) => w.cn0_dbhz), colour: "--line" }], (_, low, high) => around(low, high, 6), "dB-Hz");
      return this.loadFigures(s);
    });
  }

  // What is made once a minute, over six hours.
  loadFigures(s) {
    return this.load(`/api/v1/stations/${encodeURIComponent(s.id)}/figures`, (items) => {
      if (items.length < 2) return;
      const times = items.map((f) => seconds(f.at));
      const draw = (title, values, range, unit) =>
        this.charts.push(plot(this.frame(title), { times, series: [{ values, colour: "--line" }], range, unit, height: 150 }));
      const shares = items.map((f) => percentOf(f.expected_share));
      if (shares.some((v) => v !== null)) draw("Expected signals that came, %", shares, () => [0, 104], "%");
      const roti = items.map((f) => f.roti_tecu_min);
      if (roti.some((v) => v !== null)) draw("ROTI, TECU/min", roti, (_, low, high) => [0, Math.max(0.5, high * 1.1)], "TECU/min");
    });
  }

  loadDatastream(d) {
    if (!d.latest) return;
    const end = new Date(d.latest.phenomenon_time).getTime() + 1;
    const range = SPANS[this.span];
    const start = new Date(end - range * 1000).toISOString();
    const base = `/api/v1/datastreams/${encodeURIComponent(d.id)}/observations?start=${start}`;
    const period = model.properties.get(d.property_id)?.sampling_period_s ?? 60;
    if (range / period <= 2000) {
      return this.load(`${base}&limit=4000`, (items, next) =>
        next === null ? this.drawSamples(d, items) : this.loadWindows(d, base, range));
    }
    return this.loadWindows(d, base, range);
  }

  loadWindows(d, base, range) {
    const window = Math.max(1, Math.ceil(range / POINTS));
    return this.load(`${base}&window=${window}s&aggregate=mean,min,max&quality=all`, (items) => {
      const of = (flag) => items.map((w) => (w.flags[flag] ? w.max : null));
      this.drawSeries(d, items.map((w) => seconds(w.start)), items.map((w) => w.mean), of(3), of(4));
    });
  }

  drawSamples(d, items) {
    const of = (flag) => items.map((o) => (o.flag === flag ? o.value : null));
    this.drawSeries(d, items.map((o) => seconds(o.phenomenon_time)), items.map((o) => o.value), of(3), of(4));
  }

  drawSeries(d, times, values, suspect, fail) {
    this.startDrawing();
    if (!times.length) return;
    const title = `${d.unit ? `${shownUnit(d.unit)}, ` : ""}last ${this.span}`;
    const node = this.frame(title);
    node.append(
      el("span", { class: "legend" }, mark("degraded"), ` suspect ${count(suspect)}`, mark("bad"), ` fail ${count(fail)}`),
    );
    const marks = [...model.alerts.values()]
      .filter((a) => a.subject_id === d.id)
      .map((a) => ({ at: seconds(a.onset_at), colour: `--level-${a.level}` }));
    const series = [
      { label: "value", values, colour: "--line", spanGaps: true },
      { label: "suspect", values: suspect, colour: "--degraded", points: true },
      { label: "fail", values: fail, colour: "--bad", points: true },
    ];
    this.charts.push(plot(node, { times, series, marks, unit: shownUnit(d.unit), height: 168 }));
  }
}

// Until the station's newest report, which the server knows; a day is what it gives without a range.
function reportOf(id, days, language) {
  const newest = new Date(model.stations.get(id)?.last_epoch ?? now());
  const range = days > 1 ? `&from=${new Date(newest - days * 86_400_000).toISOString()}` : "";
  return `/api/v1/stations/${encodeURIComponent(id)}/report?format=html&language=${language}${range}`;
}

function figureRows(f, time) {
  const usable = f && f.usable_share !== null ? ` ${f.usable_systems}` : "";
  let step = "–";
  if (f) step = f.clock_step_ms === null ? "none" : `${signed(f.clock_step_ms, 0, "ms")} at ${moment(f.clock_step_at, time)}`;
  const off = f && f.east_m !== null ? `${number(Math.hypot(f.east_m, f.north_m), 2, "m")}, up ${signed(f.up_m, 2, "m")}` : "–";
  return [
    ["Expected signals", share(f?.expected_share, f?.mask_expected), "Signals above 10° that came in the last minute, of those that the ephemerides let expect."],
    ["Above horizon", share(f?.horizon_expected ? f.horizon_have / f.horizon_expected : null, f?.horizon_expected), "The same down to the horizon, at one epoch: obstructions and the receiver's mask show here."],
    ["Usable epochs", share(f?.usable_share) + usable, "Epochs of the last minute with four satellites of two carriers of one system; the systems that have them."],
    ["Slips per 1000", number(f?.slips_a_thousand, 2), "Breaks of carrier phases for each thousand observations of the last minute."],
    ["C/N0 loss", number(f?.cn0_loss_db, 1, "dB"), "Signal strength below this station's own at the same elevations."],
    ["ROTI", number(f?.roti_tecu_min, 2, "TECU/min"), "Irregularity of the ionosphere: above 0.5 signals scintillate and carriers break."],
    ["Clock step", step, "The last step of the receiver's clock by whole milliseconds."],
    ["Off its place", off, "Mean of positions from codes over a quarter of an hour, from the station's coordinates: level and up."],
  ];
}

const percentOf = (value) => (value === null || value === undefined ? null : value * 100);
const share = (value, of) => {
  const text = number(percentOf(value), 1, "%");
  return of && text !== "–" ? `${text} of ${of}` : text;
};
const signed = (value, digits, unit) => (value > 0 ? "+" : "") + number(value, digits, unit);

// At least so wide a range that noise does not look like a change.
function around(low, high, width) {
  if (low === null || high === null) return [0, width];
  const half = Math.max(width, (high - low) * 1.2) / 2;
  return [(low + high) / 2 - half, (low + high) / 2 + half];
}

const count = (values) => values.filter((v) => v !== null).length;
