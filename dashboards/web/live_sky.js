// What a station sees now, asked each second while somebody looks: the server follows its stream for so long.

import { el, fill, scroller, setText } from "./dom.js";
import { clockTime, number } from "./format.js";
import { now } from "./model.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";

const EVERY_MS = 1000;
const SELDOM_MS = 15_000;
const OLD_MS = 10_000;

export class LiveSky {
  // onSky gets what is seen now, or null when nothing is.
  constructor(node, id, onSky) {
    this.path = `/api/v1/stations/${encodeURIComponent(id)}/sky`;
    this.onSky = onSky;
    this.askAt = 0;
    this.note = el("p", { class: "muted", role: "status" }, words().loading);
    this.table = scroller(words().satellitesNow);
    this.table.classList.add("tall");
    this.table.hidden = true;
    node.append(el("h2", {}, words().satellitesNow), this.note, this.table);
  }

  destroy() {
    this.isGone = true;
  }

  show() {
    if (document.hidden || Date.now() < this.askAt) return;
    this.askAt = Infinity;
    this.ask();
  }

  async ask() {
    const answer = await fetch(this.path).catch(() => null);
    const told = answer?.ok ? await answer.json().catch(() => null) : null;
    if (this.isGone) return;
    this.askAt = Date.now() + (told?.state === "live" || told?.state === "waiting" ? EVERY_MS : SELDOM_MS);
    this.draw(told);
  }

  draw(told) {
    const text = words();
    const isLive = told?.state === "live" && now() - new Date(told.time) < OLD_MS;
    const at = told?.time ? clockTime(new Date(told.time)) : "";
    setText(this.note, [isLive ? text.skyAt(at) : at ? text.skyOld(at) : text.noSky[told?.state ?? "none"], told?.trouble].filter(Boolean).join(" "));
    this.onSky(isLive ? told : null);
    const rows = (told?.satellites ?? []).map((one) => [
      one.name,
      number(one.elevation_deg, 1, "°"),
      number(one.azimuth_deg, 1, "°"),
      Object.entries(one.cn0_dbhz).map(([code, dbhz]) => `${code}\u00a0${dbhz.toFixed(1)}`).join(" · ") || text.notSeen,
    ]);
    this.table.hidden = !rows.length;
    fill(this.table, [rows], () => plainTable(text.satellitesNow, text.satelliteHeads, rows, ["", "figure", "figure"]));
  }
}

// The strength of a satellite is that of its strongest signal; null: none comes.
export const strengthOf = ({ cn0_dbhz }) => (Object.keys(cn0_dbhz).length ? Math.max(...Object.values(cn0_dbhz)) : null);
