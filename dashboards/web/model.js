// What the page knows: a snapshot at first, then four times a second what changed.

export const model = {
  version: "",
  writes: "open",
  stations: new Map(),
  things: new Map(),
  datastreams: new Map(),
  properties: new Map(),
  alerts: new Map(),
  clockOffset: 0, // of the server's clock from this one, ms
  heardAt: 0,
};

export const now = () => new Date(Date.now() + model.clockOffset);

const byIdentity = (items) => new Map(items.map((item) => [item.id, item]));

export function takeState(state) {
  model.heardAt = Date.now();
  model.version = state.version;
  model.writes = state.writes;
  model.stations = byIdentity(state.stations);
  model.things = byIdentity(state.things);
  model.datastreams = byIdentity(state.datastreams);
  model.properties = byIdentity(state.properties);
  model.alerts = byIdentity(state.alerts);
  model.clockOffset = new Date(state.at) - Date.now();
}

const POSITION_RETRY_MS = 30_000;

// Returns ids of stations to ask for: new ones, and those whose position may be known by now.
export function takeUpdate(update) {
  const unknown = [];
  model.heardAt = Date.now();
  model.clockOffset = new Date(update.at) - Date.now();
  for (const verdict of update.stations) {
    const station = model.stations.get(verdict.id);
    if (!station || lacksPosition(station)) unknown.push(verdict.id);
    if (station && isNewer(verdict.latest?.judged_at, station.latest?.judged_at)) {
      Object.assign(station, verdict, { last_epoch: verdict.last_epoch ?? station.last_epoch });
    }
  }
  for (const figures of update.figures) {
    const station = model.stations.get(figures.station_id);
    if (station && isNewer(figures.at, station.figures?.at)) station.figures = figures;
  }
  for (const sample of update.observations) {
    const datastream = model.datastreams.get(sample.datastream_id);
    if (datastream && isNewer(sample.phenomenon_time, datastream.latest?.phenomenon_time)) {
      datastream.latest = sample;
    }
  }
  for (const alert of update.alerts) takeAlert(alert);
  return unknown;
}

function takeAlert(alert) {
  const known = model.alerts.get(alert.id);
  if (known && known.number > alert.number) return;
  if (alert.historic && !known) return;
  if (alert.state === "closed") model.alerts.delete(alert.id);
  else {
    const acknowledged_by = alert.acknowledged_by ?? known?.acknowledged_by ?? null;
    model.alerts.set(alert.id, { ...alert, acknowledged_by });
  }
}

function lacksPosition(station) {
  if (station.longitude !== null || Date.now() - (station.askedAt ?? 0) < POSITION_RETRY_MS) return false;
  station.askedAt = Date.now();
  return true;
}

function isNewer(time, than) {
  return !than || !time || new Date(time) >= new Date(than);
}

const SEVERITY = { bad: 0, degraded: 1, unknown: 2, good: 3 };
export const LEVELS = ["blue", "yellow", "orange", "red"];
export const STATES = ["good", "degraded", "bad", "unknown"];

// Scores count in steps of ten, so that rows do not change places with each update.
export function worstFirst(stations) {
  const step = (station) => Math.min(9, Math.floor((station.score ?? 100) / 10));
  return [...stations].sort(
    (a, b) => SEVERITY[a.state] - SEVERITY[b.state] || step(a) - step(b) || (a.id < b.id ? -1 : 1),
  );
}

const isAnswered = (alert) => Number(alert.state !== "open" && alert.state !== "consultation");

export function gravestFirst(alerts) {
  return [...alerts].sort(
    (a, b) =>
      isAnswered(a) - isAnswered(b) ||
      LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level) ||
      new Date(b.opened_at) - new Date(a.opened_at),
  );
}

// A name is unique in its region only.
export const fullName = (one) => (one.region ? `${one.region} · ${one.name}` : one.name);

export const datastreamsOf = (thingId) => [...model.datastreams.values()].filter((d) => d.thing_id === thingId);

// The same for all things at once.
export function datastreamsByThing() {
  const found = new Map([...model.things.keys()].map((id) => [id, []]));
  for (const datastream of model.datastreams.values()) found.get(datastream.thing_id)?.push(datastream);
  return found;
}

// The gravest open alert about a site or one of its series; null: there is none.
export function alertsBySubject() {
  const found = new Map();
  for (const alert of gravestFirst(model.alerts.values())) {
    const place = model.datastreams.get(alert.subject_id)?.thing_id ?? alert.subject_id;
    for (const id of new Set([alert.subject_id, place])) if (!found.has(id)) found.set(id, alert);
  }
  return found;
}

// Where the subject of an alert is, if it is anywhere.
export function placeOf(subjectId) {
  const one = model.things.get(model.datastreams.get(subjectId)?.thing_id ?? subjectId) ?? model.stations.get(subjectId);
  return one && one.longitude !== null ? one : null;
}
