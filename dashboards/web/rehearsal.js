// What a rehearsal found (`groundswell replay-event --json`): read from a file of the person's, sent nowhere.

import { el, scroller } from "./dom.js";
import { dateAndTime } from "./format.js";
import { plainTable } from "./table.js";
import { words } from "./texts.js";

const VERDICT_KINDS = { same: "good", changed: "degraded", only_came: "bad", only_rehearsed: "bad", began_before: "unknown" };
const MOST_BYTES = 50_000_000;
const MOST_ROWS = 500;

export class Rehearsal {
  constructor(node) {
    const text = words();
    const file = el("input", { type: "file", accept: ".json,application/json", id: "rehearsal-file" });
    file.addEventListener("change", () => file.files[0] && this.read(file.files[0]));
    this.out = el("div", { role: "status" });
    node.append(el("div", { class: "pad" }, el("p", { class: "muted" }, text.rehearsalText), el("code", {}, "groundswell replay-event --config groundswell.toml --start … --end … --json > rehearsal.json"), el("label", {}, text.rehearsalFile, file)), this.out);
  }

  async read(file) {
    const text = words();
    try {
      if (file.size > MOST_BYTES) throw new Error(text.tooLarge);
      this.draw(JSON.parse(await file.text()));
    } catch (error) {
      this.out.replaceChildren(el("p", { class: "refusal pad" }, `${text.notRehearsal} (${error.message})`));
    }
  }

  draw(made) {
    const text = words();
    const shown = (iso) => dateAndTime(new Date(iso));
    const counts = Object.entries(made.counts).filter(([, count]) => count);
    const rows = made.alerts.slice(0, MOST_ROWS).map(({ verdict, difference, came, rehearsed }) => {
      const story = came ?? rehearsed;
      const level = (one) => (one ? el("span", { class: `level ${one.level}` }, text.levels[one.level]) : "–");
      return [el("span", { class: `verdict ${VERDICT_KINDS[verdict] ?? "unknown"}` }, text.verdicts[verdict] ?? verdict), story.title, shown(story.onset), level(came), level(rehearsed), difference];
    });
    this.out.replaceChildren(
      el("p", { class: "pad" }, text.rehearsed(shown(made.start), shown(made.end), made.sites, made.samples)),
      el("p", { class: "pad tools" }, ...counts.map(([verdict, count]) => el("span", { class: `verdict ${VERDICT_KINDS[verdict]}` }, `${count} ${text.verdicts[verdict]}`))),
      scroller(text.rehearsal, plainTable(text.rehearsal, text.rehearsalHeads, rows)),
      made.alerts.length > MOST_ROWS ? el("p", { class: "muted pad" }, text.someShown(MOST_ROWS, made.alerts.length)) : "",
    );
  }
}
