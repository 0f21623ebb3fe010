// The map of stations by state, and of sensor sites with a value.

import { BaseMap } from "./base_map.js";
import { el } from "./dom.js";
import { measured, flagKind } from "./format.js";
import { datastreamsByThing, fullName } from "./model.js";

const L = window.L;
const LABELS_FROM_ZOOM = 6;
const DENSE_FROM = 400; // stations; healthy ones are drawn smaller then

export class StationMap extends BaseMap {
  constructor(node, { onStation, onThing }) {
    super(node);
    this.onStation = onStation;
    this.onThing = onThing;
    this.stations = new Map();
    this.things = new Map();
    this.fitted = 0;
    const labels = () => node.classList.toggle("labelled", this.map.getZoom() >= LABELS_FROM_ZOOM);
    this.map.on("zoomend", labels);
    labels();
  }

  show(model, selected) {
    this.showStations(model, selected);
    this.showThings(model, selected);
    this.map.getContainer().classList.toggle("dense", this.stations.size > DENSE_FROM);
    this.fit();
  }

  // All in sight, until a person has moved the map.
  fit() {
    const markers = [...this.stations.values(), ...this.things.values()];
    if (this.touched || markers.length === this.fitted) return;
    this.fitted = markers.length;
    const bounds = L.latLngBounds(markers.map((m) => m.getLatLng()));
    this.map.fitBounds(bounds, { padding: [36, 36], maxZoom: 9, animate: false });
  }

  showStations(model, selected) {
    this.prune(this.stations, model.stations);
    for (const station of model.stations.values()) {
      if (station.longitude === null || station.latitude === null) continue;
      const marker = this.stations.get(station.id) ?? this.addStation(station);
      const chosen = selected?.kind === "station" && selected.id === station.id;
      const look = `spot station ${station.state}${chosen ? " selected" : ""}`;
      if (marker.look !== look) {
        marker.look = look;
        marker.body.className = look;
        const score = station.score === null ? "" : `, score ${station.score}`;
        marker.body.setAttribute("aria-label", `${station.id} ${station.name}: ${station.state}${score}`);
        marker.setZIndexOffset({ bad: 300, degraded: 200, unknown: 100 }[station.state] ?? 0);
      }
    }
  }

  addStation(station) {
    const body = el(
      "span",
      { role: "img", "data-station": station.id },
      el("span", { class: "shape" }),
      el("span", { class: "label" }, station.id.slice(0, 4)),
    );
    const marker = this.place(station, body);
    marker.bindTooltip(() => this.tip(marker.name), { direction: "top", offset: [0, -8] });
    marker.name = `${station.id} ${station.name}`;
    marker.on("click", () => this.onStation(station.id));
    this.stations.set(station.id, marker);
    return marker;
  }

  showThings(model, selected) {
    this.prune(this.things, model.things);
    const seriesOf = datastreamsByThing();
    for (const thing of model.things.values()) {
      const series = seriesOf.get(thing.id);
      const marker = this.things.get(thing.id) ?? this.addThing(thing, series);
      const first = series.find((d) => d.latest) ?? series[0];
      const alarmed = [...model.alerts.values()].find((a) => about(a, thing, series));
      const kind = first?.latest ? flagKind(first.latest.flag) : "unknown";
      const chosen = selected?.kind === "datastream" && series.some((d) => d.id === selected.id);
      const level = alarmed ? ` alarmed ${alarmed.level}` : "";
      marker.body.className = `spot sensor flag-${kind}${level}${chosen ? " selected" : ""}`;
      marker.body.lastChild.textContent = first?.latest ? measured(first.latest.value, first.unit) : "–";
      marker.setZIndexOffset(alarmed ? 400 : 50);
    }
  }

  addThing(thing, series) {
    const body = el(
      "span",
      { role: "img", "aria-label": fullName(thing), "data-thing": thing.id },
      el("span", { class: "shape" }),
      el("span", { class: "value" }, ""),
    );
    const marker = this.place(thing, body);
    marker.name = fullName(thing);
    marker.bindTooltip(() => this.tip(marker.name), { direction: "top", offset: [0, -10] });
    marker.on("click", () => series.length && this.onThing(thing.id));
    this.things.set(thing.id, marker);
    return marker;
  }

  place(where, body) {
    const icon = L.divIcon({ className: "", html: body, iconSize: [0, 0] });
    // Markers are not stops of the Tab key: the tables hold the same and are quicker to walk.
    const marker = L.marker([where.latitude, where.longitude], { icon, keyboard: false }).addTo(this.map);
    marker.body = body;
    return marker;
  }

  tip(text) {
    return el("span", {}, text);
  }

  prune(markers, present) {
    for (const [id, marker] of markers) {
      if (!present.has(id)) {
        marker.remove();
        markers.delete(id);
      }
    }
  }

  reveal(where) {
    this.touched = true;
    if (where && where.longitude !== null && !this.map.getBounds().pad(-0.1).contains([where.latitude, where.longitude])) {
      this.map.panTo([where.latitude, where.longitude]);
    }
  }
}

const about = (alert, thing, series) =>
  alert.subject_id === thing.id || series.some((d) => d.id === alert.subject_id);
