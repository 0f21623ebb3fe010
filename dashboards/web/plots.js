// uPlot with our colours and time zone.

import { zoneId } from "./format.js";

const uPlot = window.uPlot;
const alive = new Set();

export const seconds = (iso) => new Date(iso).getTime() / 1000;

// Series with times of their own, as [times, values], on one axis of times.
export const join = (tables) => uPlot.join(tables);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// series: [{label, values, colour, points?}]; marks: vertical lines [{at, colour}]; levels: [{value, colour}]
export function plot(node, { times, series, height = 120, unit = "", marks = [], levels = [], range = null }) {
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  const font = "11px system-ui, sans-serif";
  const options = {
    width: Math.max(120, node.clientWidth),
    height,
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), zoneId()),
    legend: { show: false },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    padding: [6, 8, 0, 0],
    scales: { y: { range: range ?? ((_, low, high) => padded(low, high, levels)) } },
    axes: [
      { ...axis, font, size: 22, space: 64, values: TIME_LABELS },
      { ...axis, font, size: 44, space: 20 },
    ],
    series: [{}, ...series.map(lineOrPoints)],
    hooks: { draw: [(chart) => drawLines(chart, marks, levels)], setCursor: [(chart) => readOut(chart, series, unit)] },
  };
  const chart = new uPlot(options, [times, ...series.map((s) => s.values)], node);
  chart.readOut = node.appendChild(document.createElement("output"));
  chart.readOut.className = "readout";
  const resize = new ResizeObserver(() => {
    if (node.clientWidth && node.clientWidth !== chart.width) chart.setSize({ width: node.clientWidth, height });
  });
  resize.observe(node);
  const handle = {
    node,
    destroy() {
      resize.disconnect();
      chart.destroy();
      alive.delete(handle);
    },
    setData: (newTimes, values) => chart.setData([newTimes, ...values]),
  };
  alive.add(handle);
  return handle;
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
  for (const { value, colour: name } of levels) {
    const y = chart.valToPos(value, "y", true);
    if (y >= bbox.top && y <= bbox.top + bbox.height) line(bbox.left, y, bbox.left + bbox.width, y, name);
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
  const time = new Intl.DateTimeFormat("en-CA", { timeZone: zoneId(), hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const values = series.map((s) => s.values[index]).filter((v) => v !== null && v !== undefined);
  const shown = values.length ? `${Number(values[0].toPrecision(5))} ${unit}` : "no value";
  chart.readOut.textContent = `${time.format(new Date(chart.data[0][index] * 1000))}  ${shown}`;
}
