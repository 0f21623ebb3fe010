// Thousands of places on one canvas: each by shape and colour of its kind, those of a small square of the screen as
// one ring that shows the share of each kind. A spot: { id, name, latitude, longitude, kind, level?, value? }.

import { colour } from "./base_map.js";
import { outline, penOf } from "./canvas.js";
import { el } from "./dom.js";

const L = window.L;
const CELL_PX = 46;
const REACH_PX = 14;
const LABELS_FROM_ZOOM = 7;
const SINGLE_FROM_ZOOM = 9; // from here on nothing is put together

// By gravity; what is graver is drawn over the others.
const KINDS = ["good", "fresh", "unknown", "degraded", "bad", "blue", "yellow", "orange", "red"];
const SHAPES = { good: "disc", fresh: "disc", unknown: "ring", degraded: "triangle", bad: "diamond" };
const COLOURS = { fresh: "--line" };
const nameOf = (kind) => COLOURS[kind] ?? (KINDS.indexOf(kind) < 5 ? `--${kind}` : `--level-${kind}`);
const rank = (kind) => KINDS.indexOf(kind);

export const SpotLayer = L.Layer.extend({
  initialize({ onPick, describe }) {
    this.onPick = onPick;
    this.describe = describe;
    this.spots = [];
    this.drawn = [];
    this.isClustered = true;
    this.selected = null;
  },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "spots leaflet-zoom-hide");
    map.getPanes().overlayPane.append(this.canvas);
    this.tip = L.tooltip({ direction: "top", offset: [0, -8] });
    map.on("moveend zoomend viewreset resize", this.draw, this);
    map.on("click", this.pick, this);
    map.on("mousemove", this.point, this);
    this.draw();
  },

  onRemove(map) {
    cancelAnimationFrame(this.frame);
    this.canvas.remove();
    map.off("moveend zoomend viewreset resize", this.draw, this);
    map.off("click", this.pick, this);
    map.off("mousemove", this.point, this);
  },

  show(spots, { isClustered = true, selected = null } = {}) {
    Object.assign(this, { spots, isClustered, selected });
    this.frame ??= requestAnimationFrame(() => this.draw());
  },

  draw() {
    this.frame = null;
    if (!this._map) return;
    const { pen, size } = penOf(this._map, this.canvas);
    const palette = Object.fromEntries(KINDS.map((kind) => [kind, colour(nameOf(kind))]));
    const shared = { pen, palette, ink: colour("--ink"), paper: colour("--panel"), land: colour("--land"), rule: colour("--rule") };
    this.drawn = this.gather(size);
    for (const one of this.drawn) (one.spots.length > 1 ? drawCluster : drawSpot)(one, shared, this.isDense);
    if (this._map.getZoom() >= LABELS_FROM_ZOOM || this.drawn.length < 40) this.drawLabels(shared);
    this.drawSelected(shared);
    this.canvas.dataset.drawn = String(this.drawn.length);
    this.canvas.dataset.spots = String(this.drawn.reduce((sum, one) => sum + one.spots.length, 0));
  },

  // What is in sight, the gravest last. Squares belong to the ground, so that rings stay while the map is moved.
  gather(size) {
    const zoom = this._map.getZoom();
    const origin = this._map.getPixelOrigin().subtract(this._map.layerPointToContainerPoint([0, 0]));
    const together = this.isClustered && zoom < SINGLE_FROM_ZOOM;
    const cells = new Map();
    for (const [number, spot] of this.spots.entries()) {
      const at = this._map.latLngToContainerPoint([spot.latitude, spot.longitude]);
      if (at.x < -30 || at.y < -30 || at.x > size.x + 30 || at.y > size.y + 30) continue;
      const key = together ? `${Math.floor((at.x + origin.x) / CELL_PX)},${Math.floor((at.y + origin.y) / CELL_PX)}` : number;
      const cell = cells.get(key) ?? { x: 0, y: 0, spots: [], kind: "good" };
      cells.set(key, cell);
      cell.spots.push(spot);
      cell.x += at.x;
      cell.y += at.y;
      if (rank(kindOf(spot)) > rank(cell.kind)) cell.kind = kindOf(spot);
    }
    const drawn = [...cells.values()];
    for (const one of drawn) {
      one.x /= one.spots.length;
      one.y /= one.spots.length;
    }
    this.isDense = drawn.length > 600;
    return drawn.sort((a, b) => rank(a.kind) - rank(b.kind));
  },

  drawLabels({ pen, ink, land, paper, rule, palette }) {
    pen.font = "600 11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    for (const { x, y, spots } of this.drawn) {
      if (spots.length > 1) continue;
      const [spot] = spots;
      if (spot.value === undefined) {
        pen.textAlign = "left";
        pen.lineWidth = 3;
        pen.strokeStyle = land;
        pen.strokeText(spot.short ?? spot.id, x + 11, y);
        pen.fillStyle = ink;
        pen.fillText(spot.short ?? spot.id, x + 11, y);
        continue;
      }
      const width = pen.measureText(spot.value).width + 11;
      pen.fillStyle = paper;
      pen.fillRect(x - 9 - width, y - 9, width, 18);
      pen.strokeStyle = rule;
      pen.lineWidth = 1;
      pen.strokeRect(x - 9.5 - width, y - 9.5, width, 18);
      pen.fillStyle = palette[kindOf(spot)];
      pen.fillRect(x - 9 - width, y - 9, 3, 18);
      pen.fillStyle = ink;
      pen.textAlign = "right";
      pen.fillText(spot.value, x - 13, y + 0.5);
    }
  },

  drawSelected({ pen, ink }) {
    const one = this.drawn.find(({ spots }) => spots.some((spot) => spot.id === this.selected));
    if (!one) return;
    pen.beginPath();
    pen.arc(one.x, one.y, 16, 0, 2 * Math.PI);
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.stroke();
  },

  nearest({ containerPoint }) {
    let best = null;
    let least = REACH_PX;
    for (const one of this.drawn) {
      const far = Math.hypot(one.x - containerPoint.x, one.y - containerPoint.y) - (one.spots.length > 1 ? 6 : 0);
      if (far <= least) [best, least] = [one, far];
    }
    return best;
  },

  point(event) {
    const one = this.nearest(event);
    this._map.getContainer().classList.toggle("pointing", one !== null);
    if (!one) return this._map.closeTooltip(this.tip);
    const text = one.spots.length > 1 ? this.describe(one.spots) : one.spots[0].name;
    this.tip.setContent(el("span", {}, text)).setLatLng(this._map.containerPointToLatLng([one.x, one.y]));
    this._map.openTooltip(this.tip);
  },

  // One is opened; several are brought nearer, or listed where they lie on each other.
  pick(event) {
    const one = this.nearest(event);
    if (!one) return;
    if (one.spots.length === 1) return this.onPick(one.spots[0]);
    const bounds = L.latLngBounds(one.spots.map((spot) => [spot.latitude, spot.longitude]));
    const zoom = Math.max(this._map.getBoundsZoom(bounds.pad(0.2)), this._map.getZoom() + 1);
    this._map.setView(bounds.getCenter(), Math.min(zoom, 13), { animate: false });
  },
});

const kindOf = (spot) => spot.level ?? spot.kind;

function drawSpot({ x, y, spots, kind }, { pen, palette, paper, ink }, isDense) {
  const isGrave = rank(kind) > rank("unknown");
  const r = isDense && !isGrave ? 2.5 : isGrave ? 7 : 5;
  if (spots[0].level) {
    pen.beginPath();
    pen.arc(x, y, 13, 0, 2 * Math.PI);
    pen.globalAlpha = 0.3;
    pen.fillStyle = palette[kind];
    pen.fill();
    pen.globalAlpha = 1;
  }
  pen.beginPath();
  outline(pen, SHAPES[kind] ?? "square", x, y, r);
  if (SHAPES[kind] === "ring") {
    pen.strokeStyle = palette[kind];
    pen.lineWidth = 2;
  } else {
    pen.fillStyle = palette[kind];
    pen.fill();
    pen.strokeStyle = spots[0].level ? ink : paper;
    pen.lineWidth = 1;
  }
  pen.stroke();
}

function drawCluster({ x, y, spots }, { pen, palette, paper, ink }) {
  const counts = new Map();
  for (const spot of spots) counts.set(kindOf(spot), (counts.get(kindOf(spot)) ?? 0) + 1);
  const r = Math.min(10 + 1.5 * Math.log2(spots.length), 21);
  pen.beginPath();
  pen.arc(x, y, r + 1.5, 0, 2 * Math.PI);
  pen.fillStyle = paper;
  pen.fill();
  let from = -Math.PI / 2;
  for (const [kind, count] of [...counts].sort((a, b) => rank(b[0]) - rank(a[0]))) {
    // A single bad one among hundreds must be seen, too.
    const share = rank(kind) > rank("unknown") ? Math.max(count / spots.length, 0.09) : count / spots.length;
    const to = Math.min(from + share * 2 * Math.PI, 1.5 * Math.PI);
    pen.beginPath();
    pen.arc(x, y, r - 1.5, from, to);
    pen.lineWidth = 4.5;
    pen.strokeStyle = palette[kind];
    pen.stroke();
    from = to;
  }
  pen.fillStyle = ink;
  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(String(spots.length), x, y + 0.5);
}
