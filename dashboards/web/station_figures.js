// A station's figures as rows of name, text and what it means.

import { moment, number } from "./format.js";
import { words } from "./texts.js";

export function latestRows(s, time) {
  const l = s.latest;
  const text = words().latest;
  const observations = l ? (l.observations_expected === null ? `${l.observations}` : `${l.observations} / ${l.observations_expected}`) : "–";
  return [
    [...text.latency, number(l?.latency_s, 2, "s")],
    [...text.jitter, number(l?.jitter_s, 3, "s")],
    [...text.cn0, number(l?.cn0_dbhz, 1, "dB-Hz")],
    [...text.satellites, l ? String(l.satellites) : "–"],
    [...text.observations, observations],
    [...text.multipath, number(l?.multipath_m, 2, "m")],
    [...text.slips, l ? String(l.slips) : "–"],
    [...text.badFrames, l ? `${l.bad_frames} / ${l.frames + l.bad_frames}` : "–"],
    [...text.position, s.longitude === null ? "–" : `${number(s.latitude, 4)}°, ${number(s.longitude, 4)}°`],
  ].map(([name, title, shown]) => [name, shown, title]);
}

export function figureRows(f, time) {
  const say = words();
  const text = say.figures;
  const usable = f && f.usable_share !== null ? ` ${f.usable_systems}` : "";
  let step = "–";
  if (f) step = f.clock_step_ms === null ? say.none : `${signed(f.clock_step_ms, 0, "ms")}, ${moment(f.clock_step_at, time)}`;
  const off = f && f.east_m !== null ? `${number(Math.hypot(f.east_m, f.north_m), 2, "m")}, ${say.up} ${signed(f.up_m, 2, "m")}` : "–";
  return [
    [...text.expected, share(f?.expected_share, f?.mask_expected)],
    [...text.horizon, share(f?.horizon_expected ? f.horizon_have / f.horizon_expected : null, f?.horizon_expected)],
    [...text.usable, share(f?.usable_share) + usable],
    [...text.slips, number(f?.slips_a_thousand, 2)],
    [...text.cn0Loss, number(f?.cn0_loss_db, 1, "dB")],
    [...text.roti, number(f?.roti_tecu_min, 2, "TECU/min")],
    [...text.clockStep, step],
    [...text.off, off],
  ].map(([name, title, shown]) => [name, shown, title]);
}

const share = (value, of) => {
  const text = number(value === null || value === undefined ? null : value * 100, 1, "%");
  return of && text !== "–" ? `${text} / ${of}` : text;
};
const signed = (value, digits, unit) => (value > 0 ? "+" : "") + number(value, digits, unit);
