// One station: what is wrong and what to check, its figures, its past at any zoom, its sky, signals, gaps and sources.

import { el, fill, fillFigures, mark, setText } from "../dom.js";
import { age, moment } from "../format.js";
import { fullName, model, now } from "../model.js";
import { Calendar } from "../station_calendar.js";
import { figureRows, latestRows } from "../station_figures.js";
import { StationPlots } from "../station_plots.js";
import { StationSky } from "../station_sky.js";
import { StationSources } from "../station_sources.js";
import { languageName, reasonText, words } from "../texts.js";
import { ask, byQuery, mayWrite, send } from "../writing.js";

export const open = (node, asked) => new StationView(node, asked);

class StationView {
  constructor(node, { id, query }) {
    this.id = id;
    this.node = node;
    const text = words();
    if (!model.stations.has(id)) node.append(this.missing = el("p", { class: "muted note" }, model.version ? text.noSuchStation(id) : text.connection.connecting));
    this.state = el("span", { class: "badge" });
    this.title = el("h1");
    this.more = el("span", { class: "muted" });
    this.pause = el("button", { type: "button", class: "quiet", onclick: () => this.switchPause() });
    this.reasons = el("ul", { class: "reasons" });
    this.latest = el("dl", { class: "figures" });
    this.figures = el("dl", { class: "figures" });
    const past = el("section", { class: "card wide" });
    const sky = el("section", { class: "card" });
    const signals = el("section", { class: "card broad" });
    const satellites = el("section", { class: "card wide" });
    const calendar = el("section", { class: "card wide" });
    const sources = el("section", { class: "card wide" });
    this.page = el(
      "div",
      { class: "sheet", hidden: !model.stations.has(id) },
      el("div", { class: "head" }, el("a", { href: "#/network", class: "back" }, `← ${text.nav.network}`), this.state, this.title, this.more, el("span", { class: "tools end" }, ...this.reports(), this.pause)),
      el("section", { class: "card" }, el("h2", {}, text.reasonsTitle), this.reasons),
      el("section", { class: "card" }, el("h2", {}, text.nowTitle), this.latest),
      el("section", { class: "card" }, el("h2", {}, text.minuteTitle), this.figures),
      past,
      sky,
      signals,
      satellites,
      calendar,
      sources,
    );
    node.append(this.page);
    this.parts = [new StationPlots(past, id, query), new StationSky(sky, signals, satellites, id), new Calendar(calendar, id), new StationSources(sources, id)];
  }

  destroy() {
    for (const part of this.parts) part.destroy();
  }

  reports() {
    const text = words();
    this.links = [[1, text.day], [30, text.month]].map(([days, name]) => ({ days, node: el("a", { target: "_blank", rel: "noopener" }, name) }));
    return [el("span", { class: "muted" }, text.report), ...this.links.map(({ node }) => node)];
  }

  // Until the station's newest report, which the server knows; a day is what it gives without a range.
  reportOf(days) {
    const newest = Math.floor(new Date(model.stations.get(this.id)?.last_epoch ?? now()) / 60_000) * 60_000;
    const range = days > 1 ? `&from=${new Date(newest - days * 86_400_000).toISOString()}` : "";
    return `/api/v1/stations/${encodeURIComponent(this.id)}/report?format=html&language=${languageName()}${range}`;
  }

  show() {
    const s = model.stations.get(this.id);
    const text = words();
    if (!s) return this.missing && setText(this.missing, model.version ? text.noSuchStation(this.id) : text.connection.connecting);
    this.missing?.remove();
    this.page.hidden = false;
    const time = now();
    const state = s.paused ? text.paused : text.states[s.state];
    if (this.state.dataset.shown !== `${s.state} ${s.score} ${s.paused}`) {
      this.state.dataset.shown = `${s.state} ${s.score} ${s.paused}`;
      this.state.className = `badge ${s.state}`;
      this.state.replaceChildren(mark(s.state), ` ${s.score === null ? state : `${state} ${s.score}`}`);
    }
    setText(this.title, s.id);
    setText(this.more, `${s.name === s.id ? "" : fullName(s)} · ${text.lastEpoch} ${moment(s.last_epoch, time)} (${age(s.last_epoch, time)})`);
    for (const { days, node } of this.links) {
      const address = this.reportOf(days);
      if (node.getAttribute("href") !== address) node.setAttribute("href", address);
    }
    setText(this.pause, s.paused ? text.resume : text.pause);
    this.pause.hidden = !mayWrite();
    const reasons = s.reasons.length ? s.reasons.map((reason) => reasonText(reason)) : [{ text: text.nothingWrong, check: "" }];
    fill(this.reasons, reasons, (r) => el("li", {}, el("strong", {}, r.text), r.check ? el("span", { class: "check" }, `${text.check} ${r.check}`) : null));
    fillFigures(this.latest, latestRows(s, time));
    fillFigures(this.figures, figureRows(s.figures, time));
    for (const part of this.parts) part.show(s);
  }

  switchPause() {
    const s = model.stations.get(this.id);
    const text = words();
    ask({
      title: s.paused ? text.resumeTitle(s.id) : text.pauseTitle(s.id),
      text: s.paused ? text.resumeText : text.pauseText,
      action: s.paused ? text.resume : text.pause,
      run: async (values) => {
        const answer = await send("PATCH", `/api/v1/stations/${encodeURIComponent(s.id)}?${byQuery(values)}`, { paused: !s.paused });
        if (answer.ok) s.paused = !s.paused;
        return answer;
      },
    });
  }
}
