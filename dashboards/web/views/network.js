// The network: where stations are and how they are, by state and region, with the trend; the worst first.

import { BaseMap } from "../base_map.js";
import { el, mark, setText } from "../dom.js";
import { number } from "../format.js";
import { STATES, alertsBySubject, model, worstFirst } from "../model.js";
import { plot, seconds } from "../plots.js";
import { go, remember } from "../router.js";
import { SpotLayer } from "../spot_layer.js";
import { Table, plainTable } from "../table.js";
import { panelTabs } from "../tabs.js";
import { reasonText, words } from "../texts.js";

const LIST_MS = 1000; // between two looks of the list where there are many stations
const MANY = 400;
const TREND_MS = 60_000;
const TRENDS = { "24 h": 24, "7 d": 168, "30 d": 720 };

export const open = (node, asked) => new Network(node, asked);

class Network {
  constructor(node, { query }) {
    this.query = query;
    this.only = { state: query.get("state") ?? "", region: query.get("region"), text: "" };
    this.listedAt = 0;
    this.trend = "24 h";
    this.build(node);
    this.timer = setInterval(() => this.loadTrend(), TREND_MS);
    this.loadTrend();
  }

  destroy() {
    clearInterval(this.timer);
    clearTimeout(this.later);
    this.chart?.destroy();
    this.base.remove();
  }

  build(node) {
    const text = words();
    this.chips = new Map(STATES.map((state) => [state, this.chip(state)]));
    this.find = el("input", { type: "search", placeholder: text.find, "aria-label": text.findStation, autocomplete: "off" });
    this.find.addEventListener("input", () => {
      this.only.text = this.find.value.trim().toLowerCase();
      this.refresh();
    });
    this.clusters = el("input", { type: "checkbox", checked: localStorage.getItem("clusters") !== "off" });
    this.clusters.addEventListener("change", () => {
      localStorage.setItem("clusters", this.clusters.checked ? "on" : "off");
      this.refresh();
    });
    this.region = el("select", { "aria-label": text.region });
    this.region.addEventListener("change", () => this.narrow({ region: this.region.value === "*" ? null : this.region.value }));
    this.total = el("p", { class: "total" });
    this.trendNode = el("div", { class: "trend" });
    this.regions = el("div");
    const stations = el("div");
    this.table = new Table(stations, text.stationHeads, { act: ({ id }) => go("station", id), label: text.stations });
    const mapNode = el("div", { class: "map", role: "region", "aria-label": text.networkMap });
    node.append(
      el(
        "section",
        { class: "place" },
        el(
          "div",
          { class: "controls" },
          el("div", { class: "chips", role: "group", "aria-label": text.byState }, ...[...this.chips.values()].map(({ chip }) => chip)),
          this.region,
          el("label", {}, this.clusters, ` ${text.clusters}`),
        ),
        mapNode,
      ),
      el(
        "section",
        { class: "side" },
        el("h1", { class: "hidden" }, text.nav.network),
        this.total,
        this.trendNode,
        panelTabs(text.lists, [["stations", text.worstFirst, stations], ["regions", text.regions, this.regions]], this.find),
      ),
    );
    this.base = new BaseMap(mapNode);
    this.layer = new SpotLayer({ onPick: ({ id }) => go("station", id), describe: (spots) => this.describe(spots) }).addTo(this.base.map);
  }

  chip(state) {
    const text = words();
    const count = el("b", {}, "0");
    const chip = el("button", { type: "button", class: "chip", "data-state": state }, mark(state), count, ` ${text.states[state]}`);
    chip.addEventListener("click", () => this.narrow({ state: this.only.state === state ? "" : state }));
    return { chip, count };
  }

  narrow(only) {
    Object.assign(this.only, only);
    remember({ state: this.only.state, region: this.only.region });
    this.refresh();
  }

  refresh() {
    this.listedAt = 0;
    this.show();
  }

  describe(spots) {
    const text = words();
    const counts = STATES.map((state) => [state, spots.filter((spot) => spot.kind === state).length]).filter(([, count]) => count);
    return counts.map(([state, count]) => `${count} ${text.states[state]}`).join(", ");
  }

  wanted() {
    const { state, region, text } = this.only;
    return [...model.stations.values()].filter(
      (s) =>
        (!state || s.state === state) &&
        (region === null || s.region === region || s.region.startsWith(`${region}:`)) &&
        (!text || s.id.toLowerCase().includes(text) || s.name.toLowerCase().includes(text)),
    );
  }

  show() {
    const counts = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const station of model.stations.values()) counts[station.state] += 1;
    for (const [state, { chip, count }] of this.chips) {
      setText(count, String(counts[state]));
      chip.setAttribute("aria-pressed", String(this.only.state === state));
    }
    const wanted = this.wanted();
    this.showMap(wanted);
    clearTimeout(this.later);
    const wait = model.stations.size > MANY ? LIST_MS - (Date.now() - this.listedAt) : 0;
    if (wait > 0) this.later = setTimeout(() => this.showLists(this.wanted(), counts), wait);
    else this.showLists(wanted, counts);
  }

  showMap(wanted) {
    const alerts = alertsBySubject();
    const spots = wanted
      .filter((s) => s.longitude !== null)
      .map((s) => ({
        id: s.id,
        short: s.id.slice(0, 4),
        name: `${s.id} ${s.name === s.id ? "" : s.name}: ${words().states[s.state]}`,
        latitude: s.latitude,
        longitude: s.longitude,
        kind: s.state,
        level: alerts.get(s.id)?.level,
      }));
    this.layer.show(spots, { isClustered: this.clusters.checked });
    if (spots.length !== this.fitted) {
      this.fitted = spots.length;
      this.base.fit(spots);
    }
  }

  showLists(wanted, counts) {
    const text = words();
    this.listedAt = Date.now();
    const all = model.stations.size;
    const share = all ? ((100 * counts.good) / all).toFixed(1) : "–";
    setText(this.total, text.networkTotal(all, share));
    this.table.fill(worstFirst(wanted), all ? text.noStationMatches : text.noStation, {
      kind: (s) => s.state,
      kindName: (s) => text.states[s.state],
      title: (s) => [s.id, s.name === s.id ? "" : s.name, s.state === "good" || !s.reasons[0] ? "" : reasonText(s.reasons[0]).text],
      cells: (s) => [
        s.paused ? text.paused : s.score === null ? "–" : String(s.score),
        number(s.latest?.latency_s, 2, "s"),
        number(s.latest?.cn0_dbhz, 1),
        s.latest ? String(s.latest.satellites) : "–",
      ],
    });
    this.showRegions();
  }

  showRegions() {
    const text = words();
    const regions = new Map();
    for (const { region, state } of model.stations.values()) {
      const sum = regions.get(region) ?? { all: 0, good: 0, degraded: 0, bad: 0, unknown: 0 };
      sum.all += 1;
      sum[state] += 1;
      regions.set(region, sum);
    }
    const order = [...regions].sort((a, b) => b[1].bad / b[1].all - a[1].bad / a[1].all || b[1].all - a[1].all);
    const key = JSON.stringify([order, this.only.region]);
    if (this.regions.dataset.key === key) return;
    this.regions.dataset.key = key;
    const nameOf = (region) => region.replaceAll(":", " · ") || text.here;
    this.region.replaceChildren(
      el("option", { value: "*" }, text.allRegions),
      ...[...regions.keys()].sort().map((region) => el("option", { value: region, selected: region === this.only.region }, nameOf(region))),
    );
    this.region.hidden = regions.size < 2;
    const rows = order.map(([region, sum]) => [
      el("button", { type: "button", class: "row", onclick: () => this.narrow({ region: this.only.region === region ? null : region }) }, el("b", {}, nameOf(region))),
      ...["all", ...STATES].map((name) => String(sum[name])),
    ]);
    const heads = [text.region, text.all, ...STATES.map((state) => text.states[state])];
    this.regions.replaceChildren(plainTable(text.regions, heads, rows, ["", ...Array(5).fill("figure")]));
  }

  async loadTrend() {
    const answer = await fetch(`/api/v1/network/trend?hours=${TRENDS[this.trend]}`).catch(() => null);
    if (!answer?.ok || !this.trendNode.isConnected) return;
    const { items } = await answer.json();
    this.chart?.destroy();
    const text = words();
    const chosen = Object.keys(TRENDS).map((name) =>
      el("button", { type: "button", class: "chip", "aria-pressed": String(name === this.trend), onclick: () => {
        this.trend = name;
        this.loadTrend();
      } }, name),
    );
    const focused = this.trendNode.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.trendNode.replaceChildren(el("div", { class: "tools" }, el("h2", {}, text.trend), ...chosen));
    chosen.find((one) => one.textContent === focused)?.focus({ preventScroll: true });
    if (items.length < 2) return this.trendNode.append(el("p", { class: "muted" }, text.noTrend));
    const frame = el("figure", { class: "plot" }, el("figcaption", {}, text.trendTitle));
    this.trendNode.append(frame);
    const of = (state) => items.map((one) => one.stations[state]);
    this.chart = plot(frame, {
      times: items.map((one) => seconds(one.start)),
      series: ["unknown", "degraded", "bad"].map((state) => ({ label: text.states[state], values: of(state), colour: `--${state}` })),
      range: (_, low, high) => [0, Math.max(4, high * 1.15)],
      height: 110,
    });
  }
}
