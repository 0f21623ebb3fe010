// A map with land polygons of our own, in the colours of the page.

import { words } from "./texts.js";

const L = window.L;
const GRATICULE_DEG = 10;

// Leaflet asks for a frame, and forgets that it did when it draws before the frame comes: it cannot take it back
// when the map is removed then, and would draw without a pen.
const Pen = L.Canvas.extend({
  _redraw() {
    if (this._ctx) L.Canvas.prototype._redraw.call(this);
  },
});

let land = null; // one for all maps of the page

export class BaseMap {
  constructor(node) {
    this.touched = false;
    this.map = L.map(node, {
      preferCanvas: true,
      minZoom: 2,
      maxZoom: 13,
      zoomSnap: 0.5,
      worldCopyJump: true,
      zoomAnimation: false, // its timer would find no map when the view is left meanwhile
      attributionControl: false,
    }).setView([33, 108], 4);
    L.control.attribution({ prefix: false }).addAttribution(words().landFrom).addTo(this.map);
    L.control.scale({ imperial: false }).addTo(this.map);
    this.map.createPane("base").style.zIndex = 150;
    this.renderer = new Pen({ pane: "base", padding: 0.5 });
    for (const kind of ["pointerdown", "wheel", "keydown"]) {
      node.addEventListener(kind, () => (this.touched = true), { passive: true });
    }
    this.drawBase();
    // Leaflet measures its node when the map is made, which may be before the page is laid out.
    this.watcher = new ResizeObserver(() => this.map.invalidateSize({ animate: false, pan: false }));
    this.watcher.observe(node);
  }

  remove() {
    this.watcher.disconnect();
    this.map.stop();
    this.map.remove();
    this.isRemoved = true;
  }

  async drawBase() {
    const lines = [];
    for (let lon = -180; lon <= 180; lon += GRATICULE_DEG) lines.push([[-80, lon], [80, lon]]);
    for (let lat = -80; lat <= 80; lat += GRATICULE_DEG) lines.push([[lat, -180], [lat, 180]]);
    const shared = { renderer: this.renderer, pane: "base", interactive: false };
    this.graticule = L.polyline(lines, { ...shared, weight: 0.6 }).addTo(this.map);
    land ??= fetch("/assets/vendor/world-atlas/land.geojson").then((answer) => answer.json());
    const shape = await land;
    if (this.isRemoved) return;
    this.land = L.geoJSON(shape, { ...shared, style: { weight: 0.8, fillOpacity: 1 } }).addTo(this.map);
    this.graticule.bringToFront();
    this.paintBase();
  }

  paintBase() {
    this.land?.setStyle({ color: colour("--coast"), fillColor: colour("--land") });
    this.graticule.setStyle({ color: colour("--graticule") });
  }

  // All of these places in sight, until a person has moved the map.
  fit(places, maxZoom = 9) {
    if (this.touched || !places.length) return;
    const bounds = L.latLngBounds(places.map((one) => [one.latitude, one.longitude]));
    this.map.fitBounds(bounds, { padding: [30, 30], maxZoom, animate: false });
  }
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
