// The page: one live stream in, one view at a time out.

import { Alarm } from "./alarm.js";
import { byId, el, setText } from "./dom.js";
import { clockTime, switchZone, zoneName } from "./format.js";
import { connect } from "./live.js";
import { model, now, takeState, takeUpdate } from "./model.js";
import { addressOf, route } from "./router.js";
import { languageTag, switchLanguage, words } from "./texts.js";

const VIEWS = {
  network: () => import("./views/network.js"),
  station: () => import("./views/station.js"),
  sensors: () => import("./views/sensors.js"),
  sensor: () => import("./views/sensor.js"),
  alerts: () => import("./views/alerts.js"),
  rovers: () => import("./views/rovers.js"),
  operation: () => import("./views/operation.js"),
  chain: () => import("./views/chain.js"),
};
const PLACES = { network: "network", station: "network", sensors: "sensors", sensor: "sensors", alerts: "alerts", rovers: "rovers", operation: "operation", chain: "operation" };

const alarm = new Alarm();
let view = null;
let connection = "connecting";
let turn = 0;
let isLacking = false;

// A view is { show(), destroy() }, made by `open(node, { id, query })` of its module.
async function open() {
  const { name, id, query } = route();
  const mine = (turn += 1);
  const known = name in VIEWS ? name : "network";
  const made = await VIEWS[known]().catch(() => null);
  if (mine !== turn) return;
  isLacking = made === null; // the server went away before its file came
  if (!made) return;
  view?.destroy();
  const node = byId("view");
  node.replaceChildren();
  node.className = known;
  view = made.open(node, { id, query });
  view.show();
  showNav();
}

function showNav() {
  const place = PLACES[route().name] ?? "network";
  byId("nav").setAttribute("aria-label", words().views);
  const links = [...new Set(Object.values(PLACES))].map((name) => {
    const count = name === "alerts" && model.alerts.size ? el("span", { class: `count ${alarm.worst}` }, String(model.alerts.size)) : null;
    return el("a", { href: addressOf(name), "aria-current": name === place ? "page" : null }, words().nav[name], count);
  });
  const key = links.map((link) => link.outerHTML).join("");
  if (byId("nav").dataset.key === key) return;
  byId("nav").dataset.key = key;
  byId("nav").replaceChildren(...links);
}

function show() {
  alarm.show();
  showNav();
  view?.show();
}

async function learn(id) {
  const answer = await fetch(`/api/v1/stations/${encodeURIComponent(id)}`);
  if (answer.ok) model.stations.set(id, { ...(await answer.json()), askedAt: Date.now() });
}

function tellConnection() {
  const node = byId("connection");
  node.dataset.state = connection;
  setText(node, words().connection[connection]);
}

function tellTime() {
  setText(byId("clock"), clockTime(now()));
}

// In another language, zone or colours everything is made anew.
function repaint() {
  const text = words();
  document.documentElement.lang = languageTag();
  setText(byId("skip"), text.skip);
  for (const [id, shown, title] of [
    ["zone", text.zones[zoneName()], text.zoneTitle],
    ["theme", text.themes[window.theme.choice], text.themeTitle],
    ["language", text.otherLanguage, text.otherLanguageTitle],
  ]) {
    setText(byId(id), shown);
    byId(id).title = title;
  }
  alarm.repaint();
  tellTime();
  tellConnection();
  open();
}

connect({
  onState: (state) => {
    if (isLacking) location.reload();
    takeState(state);
    show();
  },
  onUpdate: (update) => {
    for (const id of takeUpdate(update)) learn(id);
    show();
  },
  onConnection: (state) => {
    if (state === connection) return;
    connection = state;
    tellConnection();
  },
});

for (const [id, act] of [["zone", switchZone], ["language", switchLanguage], ["theme", () => window.theme.next()]]) {
  byId(id).addEventListener("click", () => {
    act();
    repaint();
  });
}
byId("sound").addEventListener("click", () => alarm.switchSound());
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("view").focus();
});
window.theme.dark.addEventListener("change", repaint);
window.addEventListener("hashchange", () => {
  open();
  byId("view").scrollTop = 0;
});
document.addEventListener("shown", show); // something was changed by a person
setInterval(tellTime, 1000);
repaint();
