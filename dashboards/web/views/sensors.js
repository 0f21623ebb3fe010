// All sensors: where they are and what they measure, by property and flag.

import { BaseMap } from "../base_map.js";
import { el, setText } from "../dom.js";
import { age, flagKind, measured } from "../format.js";
import { alertsBySubject, datastreamsByThing, fullName, model, now } from "../model.js";
import { go, remember } from "../router.js";
import { SpotLayer } from "../spot_layer.js";
import { Table } from "../table.js";
import { plain, words } from "../texts.js";

const LIST_MS = 1000;
const MANY = 400;
const URGENCY = { 4: 0, 3: 1, 9: 2, 2: 3, 1: 3 };

export const open = (node, asked) => new Sensors(node, asked);

class Sensors {
  constructor(node, { query }) {
    const text = words();
    this.only = { property: query.get("property") ?? "", flag: query.get("flag") ?? "", text: "" };
    this.listedAt = 0;
    this.property = el("select", { "aria-label": text.property });
    this.property.addEventListener("change", () => this.narrow({ property: this.property.value }));
    this.flag = el("select", { "aria-label": text.flag }, el("option", { value: "" }, text.allFlags), ...[1, 2, 3, 4, 9].map((flag) => el("option", { value: flag, selected: String(flag) === this.only.flag }, text.flags[flag])));
    this.flag.addEventListener("change", () => this.narrow({ flag: this.flag.value }));
    this.find = el("input", { type: "search", placeholder: text.find, "aria-label": text.findSensor, autocomplete: "off" });
    this.find.addEventListener("input", () => this.narrow({ text: this.find.value.trim().toLowerCase() }));
    this.total = el("p", { class: "total" });
    const list = el("div");
    const mapNode = el("div", { class: "map", role: "region", "aria-label": text.sensorMap });
    node.append(
      el("section", { class: "place" }, el("div", { class: "controls" }, this.property, this.flag), mapNode),
      el("section", { class: "side" }, el("h1", { class: "hidden" }, text.nav.sensors), this.total, el("div", { class: "tabs" }, el("h2", {}, text.series), this.find), list),
    );
    this.table = new Table(list, text.seriesHeads, { act: ({ id }) => go("sensor", id), label: text.series });
    this.base = new BaseMap(mapNode);
    this.layer = new SpotLayer({ onPick: ({ series }) => go("sensor", series), describe: (spots) => text.sites(spots.length) }).addTo(this.base.map);
  }

  destroy() {
    clearTimeout(this.later);
    this.base.remove();
  }

  narrow(only) {
    Object.assign(this.only, only);
    remember({ property: this.only.property, flag: this.only.flag });
    this.listedAt = 0;
    this.show();
  }

  matches(d) {
    const { property, flag, text } = this.only;
    if (property && d.property_id !== property) return false;
    if (flag && String(d.latest?.flag ?? "") !== flag) return false;
    return !text || [d.id, d.name, model.things.get(d.thing_id)?.name ?? ""].some((one) => one.toLowerCase().includes(text));
  }

  show() {
    this.showProperties();
    this.showMap();
    clearTimeout(this.later);
    const wait = model.datastreams.size > MANY ? LIST_MS - (Date.now() - this.listedAt) : 0;
    if (wait > 0) this.later = setTimeout(() => this.showList(), wait);
    else this.showList();
  }

  showProperties() {
    const counts = new Map();
    for (const { property_id } of model.datastreams.values()) counts.set(property_id, (counts.get(property_id) ?? 0) + 1);
    const key = [...counts].join() + this.only.property;
    if (this.property.dataset.key === key) return;
    this.property.dataset.key = key;
    const options = [...counts].map(([id, count]) => [id, `${plain(id, model.properties.get(id)?.name)} (${count})`]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
    this.property.replaceChildren(el("option", { value: "" }, words().allProperties), ...options.map(([id, name]) => el("option", { value: id, selected: id === this.only.property }, name)));
  }

  showMap() {
    const alerts = alertsBySubject();
    const seriesOf = datastreamsByThing();
    const spots = [];
    for (const thing of model.things.values()) {
      const series = seriesOf.get(thing.id).filter((d) => this.matches(d));
      const first = series.find((d) => alerts.has(d.id)) ?? series.find((d) => d.latest) ?? series[0];
      if (!first) continue;
      spots.push({
        id: thing.id,
        series: first.id,
        name: `${fullName(thing)}: ${first.name}`,
        latitude: thing.latitude,
        longitude: thing.longitude,
        kind: first.latest ? flagKind(first.latest.flag) : "unknown",
        level: alerts.get(thing.id)?.level,
        value: first.latest ? measured(first.latest.value, first.unit) : "–",
      });
    }
    this.layer.show(spots, { isClustered: spots.length > 60 });
    if (this.fitted !== spots.length) {
      this.fitted = spots.length;
      this.base.fit(spots);
    }
  }

  showList() {
    const text = words();
    const time = now();
    this.listedAt = Date.now();
    const alerts = alertsBySubject();
    const wanted = [...model.datastreams.values()]
      .filter((d) => this.matches(d))
      .map((d) => [alerts.has(d.id) ? -1 : d.latest ? URGENCY[d.latest.flag] : 2, d])
      .sort(([a, one], [b, other]) => a - b || (one.id < other.id ? -1 : 1))
      .map(([, d]) => d);
    setText(this.total, text.sensorTotal(model.datastreams.size, model.things.size));
    this.table.fill(wanted, text.noSensor, {
      kind: (d) => (d.latest ? flagKind(d.latest.flag) : "unknown"),
      kindName: (d) => (d.latest ? text.flags[d.latest.flag] : text.noData),
      title: (d) => [d.name, model.things.get(d.thing_id)?.name ?? d.region, this.remark(d, alerts)],
      cells: (d) => [measured(d.latest?.value, d.unit), age(d.latest?.phenomenon_time, time)],
    });
  }

  remark(d, alerts) {
    const text = words();
    const alert = alerts.get(d.id);
    if (alert) return `${text.levels[alert.level]}: ${alert.title}`;
    return d.latest && d.latest.flag > 2 ? text.latestIs(text.flags[d.latest.flag]) : "";
  }
}
