// Alerts: those that are open by level, on the map and in a list; one with its evidence, its story and who was called.

import { needsAnswer } from "../alarm.js";
import { AlertDetail } from "../alert_detail.js";
import { BaseMap } from "../base_map.js";
import { el, setText } from "../dom.js";
import { age, moment } from "../format.js";
import { LEVELS, gravestFirst, model, now, placeOf } from "../model.js";
import { go, remember } from "../router.js";
import { Rehearsal } from "../rehearsal.js";
import { SpotLayer } from "../spot_layer.js";
import { Table } from "../table.js";
import { panelTabs } from "../tabs.js";
import { words } from "../texts.js";

const PAST = 300;
const WORST_FIRST = [...LEVELS].reverse();

export const open = (node, asked) => new AlertsView(node, asked);

class AlertsView {
  constructor(node, { id, query }) {
    const text = words();
    this.id = id;
    this.level = query.get("level") ?? "";
    this.past = [];
    this.chips = new Map(WORST_FIRST.map((level) => [level, this.chip(level)]));
    const open = el("div");
    const past = el("div");
    const rehearsal = el("div");
    const act = (alert) => go("alerts", alert.id);
    this.tables = {
      open: new Table(open, text.alertHeads, { act, label: text.openAlerts }),
      past: new Table(past, text.alertHeads, { act, label: text.pastAlerts }),
    };
    this.rehearsal = new Rehearsal(rehearsal);
    this.tabs = panelTabs(text.lists, [["open", text.openAlerts, open], ["past", text.pastAlerts, past], ["rehearsal", text.rehearsal, rehearsal]]);
    this.tabs.querySelector("#tab-past").addEventListener("click", () => this.loadPast());
    const mapNode = el("div", { class: "map", role: "region", "aria-label": text.alertMap });
    const detail = el("section", { class: "detail", "aria-label": text.details, hidden: !id });
    node.append(
      el("section", { class: "place" }, detail, mapNode),
      el("section", { class: "side" }, el("h1", { class: "hidden" }, text.nav.alerts), el("div", { class: "controls chips", role: "group", "aria-label": text.byLevel }, ...[...this.chips.values()].map(({ chip }) => chip)), this.tabs),
    );
    this.detail = id ? new AlertDetail(detail, id) : null;
    node.classList.toggle("with-detail", Boolean(id));
    this.base = new BaseMap(mapNode);
    this.layer = new SpotLayer({ onPick: (spot) => go("alerts", spot.id), describe: (spots) => text.alertsHere(spots.length) }).addTo(this.base.map);
  }

  destroy() {
    this.detail?.destroy();
    this.base.remove();
  }

  chip(level) {
    const count = el("b", {}, "0");
    const chip = el("button", { type: "button", class: "chip", "data-level": level }, el("i", { class: `swatch ${level}` }), count, ` ${words().levels[level]}`);
    chip.addEventListener("click", () => {
      this.level = this.level === level ? "" : level;
      remember({ level: this.level });
      this.show();
    });
    return { chip, count };
  }

  show() {
    const all = gravestFirst(model.alerts.values());
    for (const [level, { chip, count }] of this.chips) {
      setText(count, String(all.filter((alert) => alert.level === level).length));
      chip.setAttribute("aria-pressed", String(this.level === level));
    }
    const wanted = all.filter((alert) => !this.level || alert.level === this.level);
    this.fill(this.tables.open, wanted, words().noAlert);
    this.fill(this.tables.past, this.past.filter((alert) => !this.level || alert.level === this.level), words().noPastAlert);
    this.showMap(wanted);
    this.detail?.show();
    this.rehearsal.show();
  }

  fill(table, alerts, nothing) {
    const text = words();
    const time = now();
    table.fill(alerts, nothing, {
      kind: (alert) => `level-${alert.level}`,
      kindName: (alert) => text.levels[alert.level],
      title: (alert) => [alert.title, subjectName(alert), stateOf(alert)],
      cells: (alert) => [moment(alert.onset_at, time), age(alert.onset_at, time)],
      chosen: (alert) => alert.id === this.id,
    });
  }

  showMap(alerts) {
    const spots = alerts
      .map((alert) => [alert, placeOf(alert.subject_id)])
      .filter(([, place]) => place)
      .map(([alert, place]) => ({ id: alert.id, short: place.name, name: `${words().levels[alert.level]}: ${alert.title}`, latitude: place.latitude, longitude: place.longitude, kind: "unknown", level: alert.level }));
    this.layer.show(spots, { isClustered: spots.length > 60, selected: this.id });
    const key = spots.map((spot) => spot.id).join();
    if (this.fitted === key) return;
    this.fitted = key;
    const chosen = spots.filter((spot) => spot.id === this.id);
    this.base.fit(chosen.length ? chosen : spots, 6);
  }

  async loadPast() {
    const answer = await fetch(`/api/v1/alerts?limit=${PAST}`).catch(() => null);
    if (!answer?.ok) return;
    this.past = (await answer.json()).items.filter((alert) => alert.state === "closed" || alert.historic);
    this.show();
  }
}

export function subjectName(alert) {
  const subject = model.datastreams.get(alert.subject_id) ?? model.things.get(alert.subject_id) ?? model.stations.get(alert.subject_id);
  if (!subject) return alert.subject_id; // it names its region itself
  return alert.region ? `${alert.region} · ${subject.name}` : subject.name;
}

export function stateOf(alert) {
  const text = words();
  const time = now();
  return [
    alert.ended_at && alert.state !== "closed" ? text.overSince(moment(alert.ended_at, time)) : "",
    alert.state === "acknowledged" ? text.acknowledgedBy(alert.acknowledged_by ?? "") : needsAnswer(alert) ? text.notAnswered : text.alertStates[alert.state],
    alert.proposed ? text.proposed(text.levels[alert.proposed]) : "",
    alert.silenced ? text.silenced : "",
    alert.historic ? text.historic : "",
  ].filter(Boolean).join(text.comma);
}
