// The rovers' page: who uses which station now, on a map and in lists. All data need the token.

import { BaseMap } from "./base_map.js";
import { byId, setText } from "./dom.js";
import { switchZone, zoneName } from "./format.js";
import { RoverFeed } from "./rover_feed.js";
import { RoverLayer } from "./rover_layer.js";
import { showCounts, showDetail, showLegend, showOnly, showRovers, translate } from "./rover_lists.js";
import { languageTag, switchLanguage, words } from "./rover_texts.js";
import { setUpTabs } from "./tabs.js";

const L = window.L;
const STATIONS = "/api/v1/stations?limit=10000";
const PRIVACY_MS = 60_000;

const controls = byId("controls").elements;
const base = new BaseMap(byId("map"));
const layer = new RoverLayer({ onPick: (rovers) => pick(rovers) }).addTo(base.map);
const stations = new Map();
let only = {};
let selected = null;
let state = "connecting";
let decimals;
let isFitted = false;

const feed = new RoverFeed({
  onChange: () => show(),
  onState: (now, why = "") => {
    state = now;
    if (now !== "live") setText(byId("refusal"), why);
    byId("unlock").hidden = now !== "locked";
    byId("listing").hidden = now === "locked";
    showState();
  },
});

function showState() {
  const node = byId("connection");
  node.dataset.state = { lost: "reconnecting", locked: "silent" }[state] ?? state;
  setText(node, words()[state]);
}

function wanted() {
  const find = byId("find").value.trim().toLowerCase();
  return [...feed.sessions.values()].filter(
    (one) =>
      (only.base === undefined || one.base === only.base) &&
      (only.region === undefined || one.region === only.region) &&
      (!only.box || (one.longitude !== null && only.box.contains([one.latitude, one.longitude]))) &&
      (!find || [one.account, one.base, one.mountpoint, one.agent, one.caster].some((text) => text.toLowerCase().includes(find))),
  );
}

function show() {
  const rovers = wanted();
  const placed = rovers.filter((one) => one.longitude !== null);
  setText(byId("count"), String(rovers.length));
  setText(byId("placed"), String(placed.length));
  fit(placed);
  const mode = controls.mode.value;
  layer.show(rovers, { mode, lines: controls.lines.checked, stations, selected });
  const text = words();
  showRovers(rovers, selected, choose);
  showCounts(byId("stations"), text.base, rovers, (one) => one.base, text.none, (name) => narrow("base", name));
  showCounts(byId("regions"), text.regions, rovers, (one) => one.region, text.here, (name) => narrow("region", name));
  showOnly(only, (what) => {
    delete only[what];
    show();
  });
  const wasHidden = byId("detail").hidden;
  showDetail(byId("detail"), feed.sessions.get(selected), () => choose(null));
  if (wasHidden !== byId("detail").hidden) base.resized();
}

function fit(placed) {
  if (isFitted || base.touched || !placed.length) return;
  isFitted = true;
  const bounds = L.latLngBounds(placed.map((one) => [one.latitude, one.longitude]));
  base.map.fitBounds(bounds, { padding: [36, 36], maxZoom: 9, animate: false });
}

function choose(id) {
  selected = id === selected ? null : id;
  show();
}

function narrow(what, value) {
  only = { ...only, [what]: value };
  byId("tab-list").click();
  show();
}

// One rover is shown; of several those of their place are listed.
function pick(rovers) {
  if (rovers.length === 1) choose(rovers[0].id);
  else narrow("box", L.latLngBounds(rovers.map((one) => [one.latitude, one.longitude])).pad(0.001));
}

async function learnPrecision() {
  const answer = await fetch("/api/v1/privacy/rovers").catch(() => null);
  if (answer?.ok) decimals = (await answer.json()).position_decimals;
  showPrecision();
}

async function learnStations() {
  let next = "";
  do {
    const page = await fetch(STATIONS + (next ? `&after=${encodeURIComponent(next)}` : "")).catch(() => null);
    if (!page?.ok) return;
    const told = await page.json();
    for (const one of told.items) stations.set(one.id, one);
    next = told.next;
  } while (next);
}

function showPrecision() {
  if (decimals === undefined) return;
  setText(byId("precision"), decimals === null ? words().off : words().rounded(decimals));
}

function repaint() {
  document.documentElement.lang = languageTag();
  translate();
  setText(byId("zone"), zoneName());
  showLegend(controls.mode.value);
  showState();
  showPrecision();
  show();
}

byId("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  feed.unlock(event.target.elements.token.value);
});
byId("language").addEventListener("click", () => {
  switchLanguage();
  repaint();
});
byId("zone").addEventListener("click", () => {
  switchZone();
  repaint();
});
byId("find").addEventListener("input", show);
byId("controls").addEventListener("change", repaint);
byId("controls").addEventListener("submit", (event) => event.preventDefault());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
document.addEventListener("keydown", (event) => event.key === "Escape" && selected && choose(null));
setUpTabs(["list", "stations", "regions"]);
setInterval(learnPrecision, PRIVACY_MS);
repaint();
learnPrecision();
learnStations();
feed.ask();
