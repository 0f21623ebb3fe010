// A map with land polygons of our own, in the colours of the page.

const L = window.L;
const GRATICULE_DEG = 10;

export class BaseMap {
  constructor(node) {
    this.touched = false;
    this.map = L.map(node, {
      preferCanvas: true,
      minZoom: 2,
      maxZoom: 13,
      zoomSnap: 0.5,
      worldCopyJump: true,
      attributionControl: false,
    }).setView([33, 108], 4);
    L.control.attribution({ prefix: false }).addAttribution("Land: Natural Earth").addTo(this.map);
    L.control.scale({ imperial: false }).addTo(this.map);
    this.map.createPane("base").style.zIndex = 150;
    this.renderer = L.canvas({ pane: "base", padding: 0.5 });
    for (const kind of ["pointerdown", "wheel", "keydown"]) {
      node.addEventListener(kind, () => (this.touched = true), { passive: true });
    }
    this.drawBase();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paintBase());
  }

  async drawBase() {
    const lines = [];
    for (let lon = -180; lon <= 180; lon += GRATICULE_DEG) lines.push([[-80, lon], [80, lon]]);
    for (let lat = -80; lat <= 80; lat += GRATICULE_DEG) lines.push([[lat, -180], [lat, 180]]);
    const shared = { renderer: this.renderer, pane: "base", interactive: false };
    this.graticule = L.polyline(lines, { ...shared, weight: 0.6 }).addTo(this.map);
    const land = await (await fetch("/assets/vendor/world-atlas/land.geojson")).json();
    this.land = L.geoJSON(land, { ...shared, style: { weight: 0.8, fillOpacity: 1 } }).addTo(this.map);
    this.graticule.bringToFront();
    this.paintBase();
  }

  paintBase() {
    this.land?.setStyle({ color: colour("--coast"), fillColor: colour("--land") });
    this.graticule.setStyle({ color: colour("--graticule") });
  }

  resized() {
    this.map.invalidateSize({ animate: false });
  }
}

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
