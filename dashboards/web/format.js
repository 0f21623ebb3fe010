// Numbers and times for people.

const ZONES = { beijing: "Asia/Shanghai", utc: "UTC" };
let zone = localStorage.getItem("zone") === "utc" ? "utc" : "beijing";
let formats = makeFormats();

function makeFormats() {
  const base = { timeZone: ZONES[zone], hourCycle: "h23" };
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const date = { year: "numeric", month: "2-digit", day: "2-digit" };
  return {
    time: new Intl.DateTimeFormat("en-CA", { ...base, ...time }),
    both: new Intl.DateTimeFormat("en-CA", { ...base, ...date, ...time }),
    day: new Intl.DateTimeFormat("en-CA", { ...base, ...date }),
  };
}

export const zoneName = () => zone;
export const zoneId = () => ZONES[zone];

export function switchZone() {
  zone = zone === "utc" ? "beijing" : "utc";
  localStorage.setItem("zone", zone);
  formats = makeFormats();
}

export const clockTime = (date) => formats.time.format(date);
export const dateAndTime = (date) => formats.both.format(date).replace(",", "");

// The day as YYYY-MM-DD and the hour as a number, in the zone of the page.
export function dayAndHour(date) {
  const [day, time] = dateAndTime(date).split(" ");
  return { day, hour: Number(time.slice(0, 2)) };
}

// The time alone for today, with the date for any other day.
export function moment(iso, now) {
  if (!iso) return "–";
  const date = new Date(iso);
  return formats.day.format(date) === formats.day.format(now) ? clockTime(date) : dateAndTime(date);
}

export function age(iso, now) {
  if (!iso) return "–";
  const seconds = Math.max(0, Math.round((now - new Date(iso)) / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function number(value, digits, unit = "") {
  if (value === null || value === undefined) return "–";
  return value.toFixed(digits) + (unit ? `\u202f${unit}` : "");
}

// As many digits as make sense for a measured value.
export function measured(value, unit = "") {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  return number(value, digits, shownUnit(unit));
}

// A figure of which only the leading digits matter.
export const brief = (value, unit = "") => `${Number(value.toPrecision(4))}${unit ? `\u202f${unit}` : ""}`;

// UCUM codes as people write them.
const UNITS = { Cel: "°C", deg: "°", "deg/s": "°/s", "mm/h": "mm/h", "%": "%" };
export const shownUnit = (unit) => UNITS[unit] ?? unit;

export const flagKind = (flag) => ({ 1: "good", 2: "fresh", 3: "degraded", 4: "bad" })[flag] ?? "unknown";
