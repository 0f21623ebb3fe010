// Rehearsals: those that the server keeps, beside what really came; begun by who may, or read from a file of the person's.

import { el, fill, scroller, setText } from "./dom.js";
import { dateAndTime } from "./format.js";
import { now } from "./model.js";
import { addressOf } from "./router.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";
import { ask, byQuery, mayWrite, send } from "./writing.js";

const PATH = "/api/v1/rehearsals";
const VERDICT_KINDS = { same: "good", changed: "degraded", only_came: "bad", only_rehearsed: "bad", began_before: "unknown" };
const STATE_KINDS = { running: "fresh", done: "good", failed: "bad", cancelled: "unknown" };
const MOST_BYTES = 50_000_000;
const MOST_ROWS = 500;
const RUNNING_MS = 1000;
const SELDOM_MS = 30_000;
const DAY_MS = 86_400_000;

export class Rehearsal {
  constructor(node) {
    const text = words();
    this.node = node;
    this.askAt = 0;
    const file = el("input", { type: "file", accept: ".json,application/json", id: "rehearsal-file" });
    file.addEventListener("change", () => file.files[0] && this.read(file.files[0]));
    this.kept = scroller(text.keptRehearsals);
    this.note = el("p", { class: "refusal pad", role: "alert", hidden: true });
    this.out = el("div", { role: "status" });
    const begin = mayWrite() ? el("p", { class: "tools" }, el("button", { type: "button", class: "quiet", "data-act": "rehearse", onclick: () => this.begin() }, text.beginRehearsal)) : "";
    node.append(el("div", { class: "pad" }, el("p", { class: "muted" }, text.rehearsalText), begin), this.note, this.kept, el("div", { class: "pad" }, el("details", {}, el("summary", {}, text.rehearsalFile), el("code", {}, "groundswell replay-event --config groundswell.toml --start … --end … --json > rehearsal.json"), el("label", {}, text.rehearsalChoose, file))), this.out);
  }

  // Called while the view is open: asks now and then, each second while one is made.
  show() {
    if (this.node.hidden || document.hidden || Date.now() < this.askAt) return;
    this.askAt = Infinity;
    this.load();
  }

  async load() {
    const answer = await fetch(PATH).catch(() => null);
    const items = answer?.ok ? (await answer.json()).items : [];
    this.askAt = Date.now() + (items.some((one) => one.state === "running") ? RUNNING_MS : SELDOM_MS);
    this.list(items);
  }

  list(items) {
    const text = words();
    const shown = (iso) => dateAndTime(new Date(iso));
    fill(this.kept, [items], () => {
      if (!items.length) return el("p", { class: "muted pad" }, text.noRehearsal);
      const act = (name, one, label) => el("button", { type: "button", class: "quiet", "data-act": name, "aria-label": `${label} ${one.name}`, onclick: () => this[name](one) }, label);
      const rows = items.map((one) => [
        el("span", { class: `verdict ${STATE_KINDS[one.state]}` }, one.state === "running" ? `${Math.round(one.progress * 100)} %` : text.rehearsalStates[one.state]),
        el(
          "div",
          { class: "rehearsal" },
          one.state === "done" ? el("button", { type: "button", class: "row", onclick: () => this.open(one) }, el("b", {}, one.name)) : el("b", {}, one.name),
          el("span", {}, `${shown(one.start)} – ${shown(one.end)}`),
          el("span", { class: "muted" }, [one.sites.join(", ") || text.allSites, one.other_rules ? text.otherRules : text.todaysRules, one.as_measured ? text.asMeasured : ""].filter(Boolean).join(" · ")),
          el("span", { class: "muted" }, `${one.by}, ${shown(one.at)}`),
        ),
        el("div", { class: "rehearsal" }, one.message || counted(one.counts)),
        mayWrite() ? (one.state === "running" ? act("cancel", one, text.cancel) : act("remove", one, text.delete)) : "",
      ]);
      return plainTable(text.keptRehearsals, text.keptHeads, rows);
    });
  }

  // What is asked for stands in the times of the page's zone, with their offset.
  begin() {
    const text = words();
    const at = now();
    ask({
      title: text.beginRehearsal,
      text: text.beginText,
      fields: [
        { name: "name", label: text.nameField, maxlength: 100 },
        { name: "start", label: text.fromTime, value: new Date(at - DAY_MS).toISOString().slice(0, 19) + "Z", required: true, hint: text.timeHint },
        { name: "end", label: text.toTime, value: at.toISOString().slice(0, 19) + "Z", required: true },
        { name: "sites", label: text.sitesField, hint: text.sitesHint },
        { name: "rules", label: text.rulesField, type: "area", maxlength: 60_000, hint: text.rulesHint },
        { name: "as_measured", label: text.asMeasuredField, type: "checkbox", value: false },
      ],
      action: text.beginRehearsal,
      run: async ({ sites, name, start, end, rules, as_measured, by }) => {
        const body = { name, start, end, rules, as_measured, by, sites: sites.split(/[\s,]+/).filter(Boolean) };
        const answer = await send("POST", PATH, body);
        if (answer.ok) this.askAt = 0;
        return answer;
      },
    });
  }

  cancel(one) {
    this.change(one, words().cancelRehearsal, (values) => send("POST", `${PATH}/${one.id}/cancel?${byQuery(values)}`));
  }

  remove(one) {
    this.change(one, words().deleteRehearsal, (values) => send("DELETE", `${PATH}/${one.id}?${byQuery(values)}`));
  }

  change(one, title, run) {
    ask({
      title,
      text: one.name,
      action: title,
      run: async (values) => {
        const answer = await run(values);
        if (answer.ok) this.askAt = 0;
        return answer;
      },
    });
  }

  async open(one) {
    const answer = await fetch(`${PATH}/${one.id}`).catch(() => null);
    this.tell(answer?.ok ? "" : words().unreachable);
    if (answer?.ok) this.draw(await answer.json(), one.name);
  }

  async read(file) {
    const text = words();
    try {
      if (file.size > MOST_BYTES) throw new Error(text.tooLarge);
      this.draw(JSON.parse(await file.text()), file.name);
      this.tell("");
    } catch (error) {
      this.tell(`${text.notRehearsal} (${error.message})`);
      this.out.replaceChildren();
    }
  }

  tell(text) {
    setText(this.note, text);
    this.note.hidden = !text;
  }

  draw(made, name) {
    const text = words();
    const shown = (iso) => dateAndTime(new Date(iso));
    const rows = made.alerts.slice(0, MOST_ROWS).map(({ verdict, difference, came, rehearsed }) => {
      const story = came ?? rehearsed;
      const level = (one) => (one ? el("span", { class: `level ${one.level}` }, text.levels[one.level]) : "–");
      const title = came?.id ? el("a", { href: addressOf("alerts", came.id) }, story.title) : story.title;
      return [el("span", { class: `verdict ${VERDICT_KINDS[verdict] ?? "unknown"}` }, text.verdicts[verdict] ?? verdict), el("div", { class: "rehearsal" }, title, el("span", { class: "muted" }, shown(story.onset))), level(came), level(rehearsed), verdict === "changed" ? difference : ""];
    });
    const counts = Object.entries(made.counts).filter(([, count]) => count);
    this.out.replaceChildren(
      el("h3", { class: "pad" }, name),
      el("p", { class: "pad" }, text.rehearsed(shown(made.start), shown(made.end), made.sites?.length ? made.sites.join(", ") : text.allSites, made.samples)),
      el("p", { class: "pad tools" }, ...counts.map(([verdict, count]) => el("span", { class: `verdict ${VERDICT_KINDS[verdict]}` }, `${count} ${text.verdicts[verdict]}`))),
      scroller(text.rehearsal, plainTable(text.rehearsal, text.rehearsalHeads, rows)),
      made.alerts.length > MOST_ROWS ? el("p", { class: "muted pad" }, text.someShown(MOST_ROWS, made.alerts.length)) : "",
    );
    this.out.firstElementChild.scrollIntoView({ block: "nearest" });
  }
}

const counted = (counts) => Object.entries(counts).filter(([, count]) => count).map(([verdict, count]) => `${count} ${words().verdicts[verdict]}`).join(", ");
