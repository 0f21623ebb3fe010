// uPlot with our colours and time zone.

import { colour } from "./base_map.js";
import { zoneId } from "./format.js";
import { words } from "./texts.js";

const uPlot = window.uPlot;

export const seconds = (iso) => new Date(iso).getTime() / 1000;

// Series with times of their own, as [times, values], on one axis of times.
export const join = (tables) => uPlot.join(tables);

// series: [{label, values, colour, points?, dash?, width?, spanGaps?}]; marks: vertical lines [{at, colour}]; levels:
// horizontal ones [{value, colour, label?}]; span: [from, until] of the axis; onZoom(from, until) when a part is drawn.
export function plot(node, { times, series, height = 120, unit = "", marks = [], levels = [], range = null, span = null, onZoom = null }) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  const font = "11px system-ui, sans-serif";
  const options = {
    width: Math.max(120, node.clientWidth),
    height,
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), zoneId()),
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: onZoom !== null, y: false, setScale: false } },
    padding: [6, 20, 0, 0],
    scales: { x: span ? { range: () => span } : {}, y: { range: range ?? ((_, low, high) => padded(low, high, levels)) } },
    axes: [
      { ...axis, font, size: 22, space: 64, values: TIME_LABELS },
      { ...axis, font, size: 44, space: 20 },
    ],
    series: [{}, ...series.map(lineOrPoints)],
    hooks: {
      draw: [(chart) => drawLines(chart, marks, levels)],
      setCursor: [(chart) => readOut(chart, series, unit)],
      setSelect: [(chart) => onZoom && chart.select.width > 4 && onZoom(chart.posToVal(chart.select.left, "x"), chart.posToVal(chart.select.left + chart.select.width, "x"))],
    },
  };
  const chart = new uPlot(options, [times, ...series.map((s) => s.values)], node);
  chart.root.setAttribute("role", "img");
  chart.root.setAttribute("aria-label", said(node, times, series, unit));
  chart.readOut = node.appendChild(document.createElement("output"));
  chart.readOut.className = "readout";
  const resize = new ResizeObserver(() => {
    if (node.clientWidth && node.clientWidth !== chart.width) chart.setSize({ width: node.clientWidth, height });
  });
  resize.observe(node);
  return {
    destroy() {
      resize.disconnect();
      chart.destroy();
    },
  };
}

const TIME_LABELS = [
  [86400, "{MM}-{DD}", null, null, null, null, null, null, 1],
  [3600, "{HH}:{mm}", "\n{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [60, "{HH}:{mm}", null, null, null, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", null, null, null, null, null, null, 1],
];

function lineOrPoints(s) {
  const stroke = colour(s.colour);
  if (s.points) {
    return { label: s.label, stroke, width: 0, paths: () => null, points: { show: true, size: 7, fill: stroke, stroke } };
  }
  return { label: s.label, stroke, width: s.width ?? 1.5, dash: s.dash, points: { show: s.values.length < 3, size: 5 }, spanGaps: s.spanGaps ?? false };
}

function padded(low, high, levels) {
  const all = [low, high, ...levels.map((l) => l.value)].filter((v) => v !== null && Number.isFinite(v));
  if (!all.length) return [0, 1];
  const [min, max] = [Math.min(...all), Math.max(...all)];
  const pad = (max - min) * 0.08 || Math.abs(max) * 0.05 || 1;
  return [min - pad, max + pad];
}

function drawLines(chart, marks, levels) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.setLineDash([4, 3]);
  ctx.lineWidth = devicePixelRatio;
  ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  const line = (x1, y1, x2, y2, name) => {
    ctx.strokeStyle = colour(name);
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  };
  for (const { at, colour: name } of marks) {
    const x = chart.valToPos(at, "x", true);
    if (x >= bbox.left && x <= bbox.left + bbox.width) line(x, bbox.top, x, bbox.top + bbox.height, name);
  }
  for (const { value, colour: name, label } of levels) {
    const y = chart.valToPos(value, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    line(bbox.left, y, bbox.left + bbox.width, y, name);
    if (!label) continue;
    ctx.fillStyle = colour("--muted");
    ctx.fillText(label, bbox.left + bbox.width - 4, y - 3 * devicePixelRatio);
  }
  ctx.restore();
}

function readOut(chart, series, unit) {
  if (!chart.readOut) return;
  const index = chart.cursor.idx;
  if (index === null || index === undefined) {
    chart.readOut.textContent = "";
    return;
  }
  const time = new Intl.DateTimeFormat("en-CA", { timeZone: zoneId(), hourCycle: "h23", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const values = series.filter((s) => !s.points).map((s) => s.values[index]).filter((v) => v !== null && v !== undefined);
  const shown = values.length ? `${values.map((v) => Number(v.toPrecision(5))).join(" · ")} ${unit}` : words().noValue;
  chart.readOut.textContent = `${time.format(new Date(chart.data[0][index] * 1000)).replace(",", "")}  ${shown}`;
}

// For who cannot see it: the newest value and the range of the first series.
function said(node, times, series, unit) {
  const values = series[0].values.filter((v) => v !== null && v !== undefined);
  const title = node.querySelector("figcaption")?.textContent ?? series[0].label ?? "";
  if (!times.length || !values.length) return `${title}: ${words().noValue}`;
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const brief = (v) => `${Number(v.toPrecision(4))}`;
  return words().plotSaid(title, brief(values.at(-1)), brief(low), brief(high), unit);
}
