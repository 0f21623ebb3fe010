// Ten thousand rovers on one canvas: dots, and circles with a count where several would lie on each other.

import { colour } from "./base_map.js";
import { outline, penOf } from "./canvas.js";
import { fixOf } from "./rover_feed.js";

const L = window.L;
const CELL_PX = 30;
const REACH_PX = 12;
const SHAPES = { fixed: "disc", floating: "triangle", other: "square", lost: "diamond", unknown: "disc" };
const COLOURS = { fixed: "--good", floating: "--degraded", other: "--line", lost: "--bad", unknown: "--unknown" };

export const RoverLayer = L.Layer.extend({
  initialize({ onPick }) {
    this.onPick = onPick;
    this.rovers = [];
    this.stations = new Map();
    this.mode = "fix";
    this.lines = false;
    this.selected = null;
    this.spots = [];
  },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "rovers leaflet-zoom-hide");
    map.getPanes().overlayPane.append(this.canvas);
    map.on("moveend zoomend viewreset resize", this.draw, this);
    map.on("click", this.pick, this);
    this.draw();
  },

  onRemove(map) {
    this.canvas.remove();
    map.off("moveend zoomend viewreset resize", this.draw, this);
    map.off("click", this.pick, this);
  },

  show(rovers, { mode, lines, stations, selected }) {
    Object.assign(this, { rovers, mode, lines, stations, selected });
    this.draw();
  },

  draw() {
    if (!this._map) return;
    const { pen, size } = penOf(this._map, this.canvas);
    const palette = Object.fromEntries(Object.entries(COLOURS).map(([fix, name]) => [fix, colour(name)]));
    const shared = { pen, palette, ink: colour("--ink"), paper: colour("--panel"), line: colour("--muted") };
    this.spots = this.gather(size);
    if (this.lines) this.drawLines(shared);
    for (const spot of this.spots) this.drawSpot(spot, shared);
    this.canvas.dataset.spots = String(this.spots.length);
    this.canvas.dataset.rovers = String(this.spots.reduce((sum, spot) => sum + spot.rovers.length, 0));
  },

  // Rovers in sight, those of a small square of the screen together.
  gather(size) {
    const cells = new Map();
    for (const rover of this.rovers) {
      if (rover.longitude === null) continue;
      const at = this._map.latLngToContainerPoint([rover.latitude, rover.longitude]);
      if (at.x < -20 || at.y < -20 || at.x > size.x + 20 || at.y > size.y + 20) continue;
      const key = Math.floor(at.x / CELL_PX) * 100_000 + Math.floor(at.y / CELL_PX);
      const spot = cells.get(key) ?? { x: 0, y: 0, rovers: [] };
      cells.set(key, spot);
      spot.rovers.push(rover);
      spot.x += at.x;
      spot.y += at.y;
    }
    const spots = [...cells.values()];
    for (const spot of spots) {
      spot.x /= spot.rovers.length;
      spot.y /= spot.rovers.length;
    }
    return spots;
  },

  kindOf(spot) {
    const kinds = new Map();
    for (const rover of spot.rovers) {
      const kind = this.mode === "base" ? rover.base : fixOf(rover);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    return [...kinds].sort((a, b) => b[1] - a[1])[0][0];
  },

  drawLines({ pen, line }) {
    pen.strokeStyle = line;
    pen.lineWidth = 0.7;
    pen.beginPath();
    for (const spot of this.spots) {
      const seen = new Set();
      for (const rover of spot.rovers) {
        const station = this.stations.get(rover.base);
        if (!station || station.longitude === null || seen.has(rover.base)) continue;
        seen.add(rover.base);
        const to = this._map.latLngToContainerPoint([station.latitude, station.longitude]);
        pen.moveTo(spot.x, spot.y);
        pen.lineTo(to.x, to.y);
      }
    }
    pen.stroke();
  },

  drawSpot(spot, { pen, palette, ink, paper }) {
    const kind = this.kindOf(spot);
    const count = spot.rovers.length;
    const radius = count === 1 ? 4.5 : Math.min(7 + 1.3 * Math.log2(count), 15);
    pen.beginPath();
    if (count === 1 && this.mode === "fix") outline(pen, SHAPES[kind], spot.x, spot.y, kind === "unknown" ? radius - 1.5 : radius);
    else pen.arc(spot.x, spot.y, radius, 0, 2 * Math.PI);
    pen.fillStyle = this.mode === "base" ? hueOf(kind) : palette[kind];
    pen.globalAlpha = count === 1 ? 1 : 0.85;
    pen.fill();
    pen.globalAlpha = 1;
    pen.lineWidth = 1;
    pen.strokeStyle = paper;
    pen.stroke();
    if (count > 1) {
      pen.fillStyle = "#fff";
      pen.strokeStyle = "rgb(0 0 0 / 55%)";
      pen.lineWidth = 2;
      pen.font = "600 11px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.strokeText(String(count), spot.x, spot.y);
      pen.fillText(String(count), spot.x, spot.y);
    }
    if (spot.rovers.some((rover) => rover.id === this.selected)) {
      pen.beginPath();
      pen.arc(spot.x, spot.y, radius + 4, 0, 2 * Math.PI);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.stroke();
    }
  },

  pick(event) {
    let best = null;
    let least = Infinity;
    for (const spot of this.spots) {
      const far = Math.hypot(spot.x - event.containerPoint.x, spot.y - event.containerPoint.y);
      if (far < least) [best, least] = [spot, far];
    }
    if (best && least <= REACH_PX + (best.rovers.length > 1 ? 12 : 0)) this.onPick(best.rovers);
  },
});

function hueOf(name) {
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return name ? `hsl(${(hash * 137) % 360} 62% 46%)` : colour("--unknown");
}
