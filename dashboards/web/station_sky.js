// Where satellites are over a station: now, with the tracks of its stored hours; and what each signal brought in them.

import { el, scroller, setText, svg } from "./dom.js";
import { clockTime, dateAndTime, number } from "./format.js";
import { LiveSky, strengthOf } from "./live_sky.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";

const RELOAD_MS = 120_000;
const HOURS = 3;
const R = 100;
const RINGS_DEG = [0, 30, 60];
const BAR = 90;
const CN0_FULL_DBHZ = 55;
const MULTIPATH_FULL_M = 1;

export class StationSky {
  constructor(sky, signals, satellites, id) {
    this.nodes = { sky, signals };
    this.live = new LiveSky(satellites, id, (seen) => this.drawNow(seen));
    this.path = `/api/v1/stations/${encodeURIComponent(id)}/recent`;
    this.loadedAt = 0;
    this.say(words().loading);
  }

  destroy() {
    this.isGone = true;
    this.live.destroy();
  }

  say(text) {
    this.nodes.sky.replaceChildren(el("h2", {}, words().sky), el("p", { class: "muted" }, text));
    this.nodes.signals.replaceChildren(el("h2", {}, words().signals), el("p", { class: "muted" }, text));
  }

  show(s) {
    if (!s.latest) return;
    this.live.show();
    if (Date.now() - this.loadedAt < RELOAD_MS) return;
    this.loadedAt = Date.now();
    this.load();
  }

  async load() {
    const answer = await fetch(`${this.path}?hours=${HOURS + 1}`).catch(() => null);
    if (!answer?.ok) return;
    const [report] = (await answer.json()).items;
    if (this.isGone) return;
    this.report = report ?? null;
    if (!report) {
      if (!this.shown) this.say(words().noHour);
      this.drawNow(this.seen);
      return;
    }
    this.drawSky(report);
    this.drawSignals(report);
  }

  drawSky({ sky, end }) {
    const text = words();
    const until = sky.time.at(-1);
    const begin = until ? new Date(until) - HOURS * 3_600_000 : 0;
    const tracks = new Map();
    sky.satellite.forEach((name, i) => {
      if (new Date(sky.time[i]) < begin) return;
      const track = tracks.get(name) ?? [];
      tracks.set(name, track);
      track.push({ at: sky.time[i], ...place(sky.azimuth_deg[i], sky.elevation_deg[i]), cn0: sky.cn0_dbhz[i] });
    });
    const picture = this.picture(text.skySaid(tracks.size));
    for (const [name, track] of tracks) {
      for (const [a, b] of track.slice(1).map((point, i) => [track[i], point])) {
        picture.append(svg("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y, class: `track ${b.cn0 === null ? "unseen" : strength(b.cn0)}` }));
      }
    }
    const last = [...tracks].map(([name, track]) => ({ name, ...track.at(-1) })).filter(({ at }) => at === until);
    this.stored = last.map(({ name, x, y, cn0 }) => ({ name, x, y, dbhz: cn0, said: cn0 === null ? text.notSeen : number(cn0, 1, "dB-Hz") }));
    this.place(picture, text.skyNote(HOURS, dateAndTime(new Date(until ?? end))));
    this.drawNow(this.seen);
  }

  // The rings and names of the sky, without anything in it.
  picture(said) {
    const picture = svg("svg", { viewBox: "-118 -118 236 236", class: "sky", role: "img", "aria-label": said });
    for (const ring of RINGS_DEG) picture.append(svg("circle", { r: R * (1 - ring / 90), class: "ring" }));
    picture.append(svg("path", { d: `M0 ${-R}V${R}M${-R} 0H${R}`, class: "ring" }));
    for (const [name, x, y] of [["N", 0, -106], ["E", 109, 4], ["S", 0, 113], ["W", -109, 4]]) picture.append(svg("text", { x, y, class: "north" }, words().points[name]));
    return picture;
  }

  place(picture, note) {
    const text = words();
    this.dots = svg("g");
    this.said = el("p", { class: "muted live-note" });
    this.shown = picture;
    picture.append(this.dots);
    const legend = [["strong", "> 45 dB-Hz"], ["usual", "35–45"], ["weak", "< 35"], ["unseen", text.notSeen]];
    this.nodes.sky.replaceChildren(
      el("h2", {}, text.sky),
      picture,
      el("p", { class: "legend-row" }, ...legend.map(([kind, name]) => el("span", {}, el("i", { class: `swatch ${kind}` }), name))),
      this.said,
      note ? el("p", { class: "muted" }, note) : "",
    );
  }

  // Satellites where they are now; while that is not known, where they were when the last stored hour ended.
  drawNow(seen) {
    const text = words();
    this.seen = seen;
    if (seen && this.report === null && !this.shown) this.place(this.picture(""), "");
    if (!this.shown) return;
    const live = seen?.satellites.filter((one) => one.elevation_deg !== null && one.elevation_deg >= 0);
    const dots = live?.map((one) => ({ name: one.name, ...place(one.azimuth_deg, one.elevation_deg), dbhz: strengthOf(one), said: Object.entries(one.cn0_dbhz).map(([code, dbhz]) => `${code} ${dbhz}`).join(", ") || text.notSeen }));
    setText(this.said, seen ? text.skyAt(clockTime(new Date(seen.time))) : "");
    this.said.hidden = !seen;
    this.shown.classList.toggle("is-live", Boolean(seen));
    if (dots) this.shown.setAttribute("aria-label", text.skySaid(dots.length));
    const wanted = dots ?? this.stored ?? [];
    const names = new Set(wanted.map(({ name }) => name));
    for (const mark of [...this.dots.children]) if (!names.has(mark.dataset.name)) mark.remove();
    const marks = new Map([...this.dots.children].map((mark) => [mark.dataset.name, mark]));
    for (const one of wanted) this.move(marks.get(one.name) ?? this.dots.appendChild(markOf(one.name)), one);
  }

  // Moved and not made anew: who points at one reads what it says.
  move(mark, { name, x, y, dbhz, said }) {
    const [dot] = mark.children;
    mark.setAttribute("transform", `translate(${x} ${y})`);
    dot.setAttribute("class", `dot ${dbhz === null ? "unseen" : strength(dbhz)}`);
    setText(dot.firstChild, `${name}: ${said}`);
  }

  drawSignals({ signals, systems, begin, end }) {
    const text = words();
    const rows = signals.map((one) => [
      el("b", {}, `${one.system} ${one.signal}`),
      number(one.share_above_mask === null ? null : one.share_above_mask * 100, 1, "%"),
      bar(one.cn0_mean_dbhz, CN0_FULL_DBHZ, number(one.cn0_mean_dbhz, 1)),
      bar(one.multipath_rms_m, MULTIPATH_FULL_M, number(one.multipath_rms_m, 2)),
      number(one.slips_per_1000_observations, 2),
    ]);
    this.nodes.signals.replaceChildren(
      el("h2", {}, text.signals),
      rows.length ? scroller(text.signals, plainTable(text.signals, text.signalHeads, rows, ["", "figure", "bars", "bars", "figure"])) : el("p", { class: "muted" }, text.noSignals),
      el("p", { class: "muted" }, text.systemsNote(systems.map((one) => one.system).join(", "), `${dateAndTime(new Date(begin))} – ${dateAndTime(new Date(end))}`)),
    );
  }
}

const markOf = (name) => svg("g", { "data-name": name }, svg("circle", { r: 3.4 }, svg("title")), svg("text", { x: 5, y: 3, class: "satellite" }, name));

function place(azimuth_deg, elevation_deg) {
  const r = R * (1 - Math.max(0, elevation_deg) / 90);
  const angle = (azimuth_deg * Math.PI) / 180;
  return { x: (r * Math.sin(angle)).toFixed(1), y: (-r * Math.cos(angle)).toFixed(1) };
}

const strength = (cn0) => (cn0 > 45 ? "strong" : cn0 >= 35 ? "usual" : "weak");

function bar(value, full, shown) {
  const length = value === null ? 0 : Math.min(1, value / full) * BAR;
  return el("span", { class: "barred" }, svg("svg", { viewBox: `0 0 ${BAR} 10`, "aria-hidden": "true" }, svg("rect", { width: length.toFixed(1), height: 10, rx: 2 })), el("span", {}, shown));
}
