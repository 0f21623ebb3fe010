// One alert: what, how grave, since when, on which evidence, who was called and who has answered.

import { needsAnswer } from "./alarm.js";
import { el, fill, setText } from "./dom.js";
import { expectation, facts, particulars, pictures } from "./evidence.js";
import { age, moment, shownUnit } from "./format.js";
import { LEVELS, model, now } from "./model.js";
import { join, plot, seconds } from "./plots.js";
import { addressOf } from "./router.js";
import { words } from "./texts.js";
import { stateOf, subjectName } from "./views/alerts.js";
import { ask, byQuery, mayWrite, send } from "./writing.js";

const BEFORE_MS = 60 * 60 * 1000;
const AFTER_MS = 10 * 60 * 1000;
const RELOAD_MS = 15_000;

export class AlertDetail {
  constructor(node, id) {
    this.id = id;
    this.path = `/api/v1/alerts/${encodeURIComponent(id)}`;
    this.loadedAt = 0;
    this.charts = [];
    const text = words();
    this.level = el("span", { class: "level" });
    this.title = el("h2");
    this.when = el("p", { class: "muted" });
    this.escalation = el("p", { class: "escalation" });
    this.facts = el("dl", { class: "evidence" });
    this.particulars = el("dl", { class: "particulars" });
    this.picture = el("figure", { class: "plot" });
    this.story = el("ol", { class: "story" });
    this.links = el("p", { class: "tools" });
    this.buttons = el("div", { class: "actions" });
    node.append(
      el("div", { class: "head" }, this.level, this.title, el("a", { class: "quiet close", href: "#/alerts", "aria-label": text.close }, "×")),
      this.when,
      this.escalation,
      this.buttons,
      this.picture,
      el("h3", {}, text.evidence),
      this.facts,
      el("details", {}, el("summary", {}, text.howFound), this.particulars, el("a", { href: this.path, target: "_blank", rel: "noopener" }, text.asJson)),
      el("h3", {}, text.timeline),
      this.story,
      this.links,
    );
    this.node = node;
    this.load();
  }

  destroy() {
    this.isGone = true;
    this.clear();
  }

  // The alert with its steps, and the calls about it.
  async load() {
    this.loadedAt = Date.now();
    const answers = await Promise.all([fetch(this.path), fetch(`${this.path}/calls`)]).catch(() => []);
    const [alert, calls] = await Promise.all(answers.map((one) => (one.ok ? one.json() : null)));
    if (this.isGone) return;
    if (alert) this.whole = alert;
    this.calls = calls;
    this.show();
    if (this.alert) this.loadPicture();
  }

  get alert() {
    return model.alerts.get(this.id) ?? this.whole;
  }

  show() {
    const alert = this.alert;
    const text = words();
    if (!alert) return setText(this.title, text.noSuchAlert);
    if (Date.now() - this.loadedAt > RELOAD_MS || (this.whole && alert.number > this.whole.number)) this.load();
    const time = now();
    this.level.className = `level ${alert.level}`;
    setText(this.level, text.levels[alert.level]);
    setText(this.title, alert.title);
    setText(this.when, `${subjectName(alert)} · ${text.sinceAgo(moment(alert.onset_at, time), age(alert.onset_at, time))} · ${stateOf(alert)}`);
    setText(this.escalation, this.escalationNow(alert, time));
    this.showButtons(alert);
    const unit = model.datastreams.get(alert.subject_id)?.unit;
    if (this.shown !== alert.number) {
      this.shown = alert.number;
      this.facts.replaceChildren(...facts(alert.evidence, time, unit));
      this.particulars.replaceChildren(...particulars(alert.evidence, time));
    }
    this.showStory(alert, time);
    const subject = model.datastreams.has(alert.subject_id) ? addressOf("sensor", alert.subject_id) : model.stations.has(alert.subject_id) ? addressOf("station", alert.subject_id) : null;
    fill(this.links, subject ? [[subject, text.openSubject]] : [], ([href, name]) => el("a", { href }, name));
    return null;
  }

  // Who is waited for now, or how calling ended.
  escalationNow(alert, time) {
    const text = words();
    const { calls = [], answers = [] } = this.calls ?? {};
    if (!calls.length) return needsAnswer(alert) ? text.nobodyCalled : "";
    const answered = new Set(answers.map(({ person, turn, step }) => `${person} ${turn} ${step}`));
    const waiting = calls.filter((one) => !one.withdrawn && !answered.has(`${one.person} ${one.turn} ${one.step}`) && new Date(one.deadline) > time);
    if (waiting.length && needsAnswer(alert)) {
      const next = waiting.reduce((a, b) => (a.deadline < b.deadline ? a : b));
      return text.waitingFor([...new Set(waiting.map((one) => one.person))].join(", "), moment(next.deadline, time), next.turn, next.step);
    }
    const taken = answers.find((one) => one.answer === "acknowledged" || one.answer === "confirmed");
    return taken ? text.takenBy(taken.person, Math.round(taken.seconds)) : text.calledNobodyAnswered(calls.length);
  }

  showStory(alert, time) {
    const text = words();
    const steps = (this.whole?.transitions ?? []).map((one) => [one.at, `level ${one.level}`, text.levels[one.level], text.changes[one.change] ?? one.change, [one.by, one.comment].filter(Boolean).join(": ")]);
    const calls = (this.calls?.calls ?? []).flatMap((one) => [
      [one.at, "call", text.called, `${one.person} (${one.channel} ${one.to})`, one.withdrawn ? text.withdrawn : text.until(moment(one.deadline, time))],
      ...one.receipts.map((receipt) => [receipt.at, "call", text.receipts[receipt.state] ?? receipt.state, one.person, receipt.detail]),
    ]);
    const answers = (this.calls?.answers ?? []).map((one) => [one.at, "call", text.answers[one.answer] ?? one.answer, one.person, text.afterSeconds(Math.round(one.seconds))]);
    const rows = [...steps, ...calls, ...answers].sort((a, b) => new Date(a[0]) - new Date(b[0]));
    fill(this.story, rows.map(([at, ...rest]) => [moment(at, time), ...rest]), ([at, kind, name, what, more]) =>
      el("li", {}, el("time", {}, at), el("span", { class: kind }, name), el("span", {}, what), more ? el("q", {}, more) : null));
  }

  showButtons(alert) {
    const text = words();
    const may = mayWrite() && alert.state !== "closed";
    const wanted = !may ? [] : [
      ...(needsAnswer(alert) ? [["acknowledge", text.acknowledge, "primary"]] : []),
      ...(alert.proposed || alert.state === "consultation" ? [["confirm", text.confirm, "primary"], ["decline", text.decline, "quiet"]] : []),
      ...(alert.level === "blue" ? [] : [["lower", text.lower, "quiet"]]),
      ["comment", text.comment, "quiet"],
      ["silence", text.silence, "quiet"],
    ];
    fill(this.buttons, wanted, ([name, shown, kind]) => el("button", { type: "button", class: kind, "data-act": name, onclick: () => this.act(name) }, shown));
  }

  async act(name) {
    const alert = this.alert;
    const text = words();
    const comment = { name: "comment", label: text.commentField, type: "area", maxlength: 2000 };
    const said = (values) => ({ by: values.by, comment: values.comment });
    const acts = {
      acknowledge: { title: text.acknowledge, fields: [comment], run: (values) => send("POST", `${this.path}/acknowledge`, said(values)) },
      comment: { title: text.comment, fields: [{ ...comment, required: true }], run: (values) => send("POST", `${this.path}/comments`, said(values)) },
      confirm: { title: text.confirm, fields: [comment], run: (values) => send("POST", `${this.path}/decide`, { answer: "confirm", ...said(values) }) },
      decline: { title: text.decline, fields: [comment], run: (values) => send("POST", `${this.path}/decide`, { answer: "decline", ...said(values) }) },
      lower: {
        title: text.lower,
        fields: [{ name: "level", label: text.toLevel, options: LEVELS.slice(0, LEVELS.indexOf(alert.level)).reverse().map((level) => [level, text.levels[level]]) }, comment],
        run: (values) => send("POST", `${this.path}/lower`, { level: values.level, ...said(values) }),
      },
      silence: {
        title: text.silence,
        note: text.silenceText,
        fields: [{ name: "hours", label: text.hours, type: "number", value: "1", min: "0.1", max: "720", step: "0.1", required: true }, comment],
        run: (values) => {
          const about = model.datastreams.has(alert.subject_id) ? { datastream: alert.subject_id } : model.things.has(alert.subject_id) ? { site: alert.subject_id } : { station: alert.subject_id };
          const end = new Date(now().getTime() + Number(values.hours) * 3_600_000).toISOString();
          return send("POST", `/api/v1/silences?${byQuery(values)}`, { end, reason: values.comment, rule: alert.rule, ...about });
        },
      },
    };
    const { title, note, fields, run } = acts[name];
    const told = await ask({ title, text: note ?? alert.title, fields, action: title, run });
    if (told === null) return;
    this.load();
  }

  // The series about the onset as stored, beside what the detector expected.
  async loadPicture() {
    const { subject_id, onset_at, evidence, level } = this.alert;
    const datastream = model.datastreams.get(subject_id);
    if (!datastream?.latest) return this.drawEvidence();
    const onset = new Date(onset_at).getTime();
    const until = Math.max(onset + AFTER_MS, Math.min(new Date(datastream.latest.phenomenon_time).getTime(), onset + 24 * BEFORE_MS));
    const query = new URLSearchParams({
      start: new Date(onset - BEFORE_MS).toISOString(),
      end: new Date(until).toISOString(),
      window: `${Math.max(1, Math.ceil((until - onset + BEFORE_MS) / 1000 / 360))}s`,
      aggregate: "mean",
      quality: "all",
    });
    const answer = await fetch(`/api/v1/datastreams/${encodeURIComponent(datastream.id)}/observations?${query}`).catch(() => null);
    if (!answer?.ok) return null;
    const { items } = await answer.json();
    if (this.isGone) return null;
    if (!items.length) return this.drawEvidence();
    const text = words();
    this.clear();
    this.picture.replaceChildren(el("figcaption", {}, `${datastream.name}, ${shownUnit(datastream.unit)}`));
    const measured = [items.map((w) => seconds(w.start)), items.map((w) => w.mean)];
    const expected = expectation(evidence, measured[0][0]);
    const [times, values, expectedValues] = join(expected ? [measured, expected] : [measured]);
    const series = [{ label: text.measured, values, colour: "--line", spanGaps: true }];
    if (expected) series.push({ label: text.expected, values: expectedValues, colour: "--muted", dash: [4, 3], width: 1, spanGaps: true });
    this.charts.push(plot(this.picture, { times, series, height: 170, unit: shownUnit(datastream.unit), marks: [{ at: seconds(onset_at), colour: `--level-${level}` }] }));
    return null;
  }

  // What the detector itself gives, where the alert is about no single series.
  drawEvidence() {
    const { evidence, level, onset_at } = this.alert;
    const colours = ["--line", "--second", "--third", "--fourth"];
    this.clear();
    this.picture.replaceChildren();
    for (const { name, times, series } of pictures(evidence)) {
      const frame = el("div", { class: "plot" }, el("p", { class: "legend-row" }, name, ...series.slice(0, 4).map(([label], i) => el("span", {}, el("i", { class: `swatch line${colours[i]}` }), label))));
      this.picture.append(frame);
      const lines = series.slice(0, 4).map(([label, values], i) => ({ label, values, colour: colours[i], spanGaps: true }));
      this.charts.push(plot(frame, { times, series: lines, height: 120, marks: [{ at: seconds(onset_at), colour: `--level-${level}` }] }));
    }
    return null;
  }

  clear() {
    for (const chart of this.charts) chart.destroy();
    this.charts = [];
  }
}
