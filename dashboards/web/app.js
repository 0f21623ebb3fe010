// The page: one live stream in, map, lists, alerts and details out.

import { acknowledgeDialog } from "./acknowledge.js";
import { Alerts } from "./alerts.js";
import { Detail } from "./detail.js";
import { byId, setText } from "./dom.js";
import { clockTime, switchZone, zoneName } from "./format.js";
import { Lists } from "./lists.js";
import { connect } from "./live.js";
import { StationMap } from "./map.js";
import { model, now, takeAlert, takeState, takeUpdate } from "./model.js";

const CONNECTION = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  silent: "No updates",
};

const map = new StationMap(byId("map"), {
  onStation: (id) => detail.open("station", id),
  onThing: (id) => detail.openThing(id),
});
const detail = new Detail({
  onChange: () => {
    map.resized();
    const { kind, id } = detail.selected ?? {};
    const thing = model.things.get(model.datastreams.get(id)?.thing_id);
    map.reveal(kind === "station" ? model.stations.get(id) : thing);
    showLists();
  },
});
const lists = new Lists({
  onStation: (id) => detail.open("station", id),
  onDatastream: (id) => detail.open("datastream", id),
});
const alerts = new Alerts({
  onShow: (alert) => {
    if (model.datastreams.has(alert.subject_id)) detail.open("datastream", alert.subject_id);
    else if (model.things.has(alert.subject_id)) detail.openThing(alert.subject_id);
    else if (model.stations.has(alert.subject_id)) detail.open("station", alert.subject_id);
  },
  onAcknowledge: (alert) => ask(alert),
});
const ask = acknowledgeDialog({
  onDone: (alert) => {
    takeAlert(alert);
    show();
  },
});

function showLists() {
  map.show(model, detail.selected);
  lists.show(detail.selected);
}

function show() {
  alerts.show();
  detail.show();
  showLists();
}

async function learn(id) {
  const answer = await fetch(`/api/v1/stations/${encodeURIComponent(id)}`);
  if (answer.ok) model.stations.set(id, { ...(await answer.json()), askedAt: Date.now() });
}

connect({
  onState: (state) => {
    takeState(state);
    show();
  },
  onUpdate: (update) => {
    for (const id of takeUpdate(update)) learn(id);
    show();
  },
  onConnection: (state) => {
    const node = byId("connection");
    node.dataset.state = state;
    setText(node, CONNECTION[state]);
  },
});

function tellTime() {
  setText(byId("clock"), clockTime(now()));
  setText(byId("zone"), zoneName());
}

function repaint() {
  tellTime();
  alerts.repaint();
  detail.repaint();
  show();
}

byId("zone").addEventListener("click", () => {
  switchZone();
  repaint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
setInterval(tellTime, 1000);
tellTime();
