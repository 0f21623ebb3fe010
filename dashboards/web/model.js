// What the page knows: a snapshot at first, then four times a second what changed.

export const model = {
  version: "",
  writes: "open",
  stations: new Map(),
  things: new Map(),
  datastreams: new Map(),
  properties: new Map(),
  alerts: new Map(),
  clockOffset: 0,
};

export const now = () => new Date(Date.now() + model.clockOffset);

const byIdentity = (items) => new Map(items.map((item) => [item.id, item]));

export function takeState(state) {
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

export function takeAlert(alert) {
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
const LEVELS = { red: 0, orange: 1, yellow: 2, blue: 3 };

// Scores count in steps of ten, so that rows do not change places with each update.
export function worstFirst(stations) {
  const step = (station) => Math.min(9, Math.floor((station.score ?? 100) / 10));
  return [...stations].sort(
    (a, b) => SEVERITY[a.state] - SEVERITY[b.state] || step(a) - step(b) || (a.id < b.id ? -1 : 1),
  );
}

export function gravestFirst(alerts) {
  return [...alerts].sort(
    (a, b) =>
      (a.state === "open" ? 0 : 1) - (b.state === "open" ? 0 : 1) ||
      LEVELS[a.level] - LEVELS[b.level] ||
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
