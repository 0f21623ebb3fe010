// Open alerts: what, how grave, since when, on which evidence, and who has seen it.

import { byId, el, setText } from "./dom.js";
import { age, moment, shownUnit } from "./format.js";
import { gravestFirst, model, now } from "./model.js";
import { expectation, facts, particulars } from "./evidence.js";
import { join, plot, seconds } from "./plots.js";

const BEFORE_MS = 60 * 60 * 1000;
const AFTER_MS = 10 * 60 * 1000;
const RELOAD_MS = 15_000;
const PICTURES = 4; // of the gravest alerts; a click on Details shows the others

export class Alerts {
  constructor({ onShow, onAcknowledge }) {
    this.onShow = onShow;
    this.onAcknowledge = onAcknowledge;
    this.cards = new Map();
    this.node = byId("alerts");
    this.nothing = el("p", { class: "muted note" }, "No open alert.");
    this.node.append(this.nothing);
  }

  show() {
    const wanted = gravestFirst(model.alerts.values());
    setText(byId("alert-count"), wanted.length ? String(wanted.length) : "");
    this.nothing.hidden = wanted.length > 0;
    document.title = wanted.length ? `(${wanted.length}) Groundswell` : "Groundswell";
    for (const [id, card] of this.cards) {
      if (!model.alerts.has(id)) {
        card.remove();
        this.cards.delete(id);
      }
    }
    wanted.forEach((alert, i) => {
      let card = this.cards.get(alert.id);
      if (!card) {
        card = new Card(alert, this);
        this.cards.set(alert.id, card);
      }
      card.show(alert, i < PICTURES);
      if (this.node.children[i] !== card.node) this.node.insertBefore(card.node, this.node.children[i]);
    });
  }

  repaint() {
    for (const card of this.cards.values()) card.draw();
  }
}

class Card {
  constructor(alert, owner) {
    this.id = alert.id;
    this.loadedAt = 0;
    this.level = el("span", { class: "level" });
    this.title = el("h3");
    this.when = el("span", { class: "muted" });
    this.evidence = el("dl", { class: "evidence" });
    this.particulars = el("dl", { class: "particulars" });
    const whole = el("a", { href: `/api/v1/alerts/${encodeURIComponent(alert.id)}`, target: "_blank" }, "All evidence as JSON");
    const how = el("details", {}, el("summary", {}, "How it was found"), this.particulars, whole);
    this.seen = el("span", { class: "seen" });
    this.picture = el("div", { class: "plot" });
    this.button = el("button", { type: "button", class: "primary", onclick: () => owner.onAcknowledge(this.alert) }, "Acknowledge");
    const look = el("button", { type: "button", class: "quiet", onclick: () => owner.onShow(this.alert) }, "Details");
    this.node = el(
      "article",
      { "data-alert": alert.id },
      el("div", { class: "head" }, this.level, this.title),
      this.when,
      this.picture,
      this.evidence,
      how,
      el("div", { class: "actions" }, this.seen, look, this.button),
    );
  }

  remove() {
    this.chart?.destroy();
    this.node.remove();
  }

  show(alert, pictured) {
    const changed = this.alert?.number !== alert.number || this.alert !== alert;
    this.alert = alert;
    const time = now();
    this.node.className = `alert ${alert.level} ${alert.state}`;
    setText(this.level, alert.level);
    setText(this.title, alert.title);
    setText(this.when, `Since ${moment(alert.onset_at, time)} (${age(alert.onset_at, time)} ago) · ${subjectName(alert)}`);
    const over = alert.ended_at ? `Over since ${moment(alert.ended_at, time)}` : "";
    const answered = alert.state === "acknowledged" ? `Acknowledged${alert.acknowledged_by ? ` by ${alert.acknowledged_by}` : ""}` : "";
    const silenced = alert.silenced && "silenced: it calls nobody";
    const proposed = alert.proposed && `people are asked about ${alert.proposed}`;
    setText(this.seen, [over, answered || (over && "not answered yet"), proposed, silenced].filter(Boolean).join(", "));
    this.button.hidden = !(alert.state === "open" || alert.state === "consultation") || model.writes === "closed";
    if (changed) {
      this.evidence.replaceChildren(...facts(alert.evidence, time, model.datastreams.get(alert.subject_id)?.unit));
      this.particulars.replaceChildren(...particulars(alert.evidence, time));
    }
    if (pictured && Date.now() - this.loadedAt > RELOAD_MS) this.load();
  }

  // The series about the onset as stored, beside what the detector expected.
  async load() {
    this.loadedAt = Date.now();
    const datastream = model.datastreams.get(this.alert.subject_id);
    if (!datastream?.latest) return;
    const onset = new Date(this.alert.onset_at).getTime();
    const until = Math.max(onset + AFTER_MS, new Date(datastream.latest.phenomenon_time).getTime());
    const span = until - onset + BEFORE_MS;
    const query = new URLSearchParams({
      start: new Date(onset - BEFORE_MS).toISOString(),
      end: new Date(until).toISOString(),
      window: `${Math.max(1, Math.ceil(span / 1000 / 360))}s`,
      aggregate: "mean",
      quality: "all",
    });
    const answer = await fetch(`/api/v1/datastreams/${encodeURIComponent(datastream.id)}/observations?${query}`);
    if (!answer.ok) return;
    this.items = (await answer.json()).items;
    this.unit = datastream.unit;
    this.draw();
  }

  draw() {
    if (!this.items?.length || !this.node.isConnected) return;
    this.chart?.destroy();
    this.picture.replaceChildren();
    const measured = [this.items.map((w) => seconds(w.start)), this.items.map((w) => w.mean)];
    const from = measured[0][0];
    const expected = expectation(this.alert.evidence, from);
    const [times, values, expectedValues] = join(expected ? [measured, expected] : [measured]);
    const series = [{ label: "measured", values, colour: "--line", spanGaps: true }];
    if (expected) series.push({ label: "expected", values: expectedValues, colour: "--muted", dash: [4, 3], width: 1, spanGaps: true });
    this.chart = plot(this.picture, {
      times,
      series,
      height: 96,
      unit: shownUnit(this.unit),
      marks: [{ at: seconds(this.alert.onset_at), colour: `--level-${this.alert.level}` }],
    });
  }
}

export function subjectName(alert) {
  const subject = model.datastreams.get(alert.subject_id) ?? model.things.get(alert.subject_id);
  if (!subject) return alert.subject_id; // it names its region itself
  return alert.region ? `${alert.region} · ${subject.name}` : subject.name;
}
