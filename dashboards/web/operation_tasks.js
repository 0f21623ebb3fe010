// Tasks: stations that are gathered and series that are judged; added, paused, resumed and deleted by people.

import { el, scroller, setText } from "./dom.js";
import { model } from "./model.js";
import { addressOf } from "./router.js";
import { plainTable } from "./table.js";
import { plain, words } from "./texts.js";
import { ask, byQuery, mayWrite, send } from "./writing.js";

const ROWS = 200;
const SHOW_MS = 2000;

export class Tasks {
  constructor(node, query) {
    const text = words();
    this.paused = new Set();
    this.find = el("input", { type: "search", placeholder: text.find, "aria-label": text.findTask, autocomplete: "off", value: query.get("find") ?? "" });
    this.kind = el("select", { "aria-label": text.kind }, ...["", "station", "datastream", "paused"].map((kind) => el("option", { value: kind }, text.taskKinds[kind])));
    for (const one of [this.find, this.kind]) one.addEventListener("input", () => this.draw());
    const add = (kind) => el("button", { type: "button", class: "quiet", onclick: () => this.add(kind) }, text.addKinds[kind]);
    this.note = el("p", { class: "muted", role: "status" });
    this.table = scroller(text.operationTabs.tasks);
    node.append(el("div", { class: "controls" }, this.kind, this.find, ...(mayWrite() ? ["station", "thing", "datastream"].map(add) : [el("span", { class: "muted" }, text.closedWrites)])), this.note, this.table);
    this.learn();
  }

  destroy() {}

  async learn() {
    const answer = await fetch("/api/v1/paused").catch(() => null);
    if (!answer?.ok || !this.table.isConnected) return;
    this.paused = new Set((await answer.json()).items.map(({ kind, id }) => `${kind}/${id}`));
    this.draw();
  }

  show() {
    if (Date.now() - (this.shownAt ?? 0) < SHOW_MS) return;
    this.draw();
  }

  draw() {
    this.shownAt = Date.now();
    const text = words();
    const find = this.find.value.trim().toLowerCase();
    const kind = this.kind.value;
    const tasks = [
      ...[...model.stations.values()].map((s) => ({ kind: "station", id: s.id, name: s.name, paused: s.paused })),
      ...[...model.datastreams.values()].map((d) => ({ kind: "datastream", id: d.id, name: d.name, paused: this.paused.has(`datastream/${d.id}`) })),
    ].filter((one) => (!kind || (kind === "paused" ? one.paused : one.kind === kind)) && (!find || `${one.id} ${one.name}`.toLowerCase().includes(find)));
    const key = JSON.stringify(tasks.slice(0, ROWS)) + tasks.length;
    if (this.table.dataset.key === key) return;
    this.table.dataset.key = key;
    const act = (name, task, shown) => el("button", { type: "button", class: "quiet", "data-act": name, "aria-label": `${shown} ${task.id}`, onclick: () => this[name](task) }, shown);
    const rows = tasks.slice(0, ROWS).map((one) => [
      text.taskKinds[one.kind],
      el("a", { href: one.kind === "station" ? addressOf("station", one.id) : addressOf("chain", one.id) }, one.id),
      one.name === one.id ? "" : one.name,
      one.paused ? text.paused : text.runs,
      mayWrite() ? el("span", { class: "tools" }, act("pause", one, one.paused ? text.resume : text.pause), act("remove", one, text.delete)) : "",
    ]);
    this.table.replaceChildren(plainTable(text.operationTabs.tasks, text.taskHeads, rows), el("p", { class: "muted" }, tasks.length > ROWS ? text.someShown(ROWS, tasks.length) : ""));
  }

  async told(answer) {
    if (answer === null) return;
    setText(this.note, answer.message);
    await this.learn();
    this.table.dataset.key = "";
    this.draw();
  }

  async pause(task) {
    const text = words();
    const paused = !task.paused;
    this.told(
      await ask({
        title: paused ? text.pauseTitle(task.id) : text.resumeTitle(task.id),
        text: paused ? text.pauseText : text.resumeText,
        action: paused ? text.pause : text.resume,
        run: async (values) => {
          const answer = await send("PATCH", `${pathOf(task)}?${byQuery(values)}`, { paused });
          const station = model.stations.get(task.id);
          if (answer.ok && task.kind === "station" && station) station.paused = paused;
          return answer;
        },
      }),
    );
  }

  async remove(task) {
    const text = words();
    this.told(
      await ask({
        title: text.deleteTitle(task.id),
        text: text.deleteText,
        action: text.delete,
        run: async (values) => {
          const answer = await send("DELETE", `${pathOf(task)}?${byQuery(values)}`);
          if (answer.ok) (task.kind === "station" ? model.stations : model.datastreams).delete(task.id);
          return answer;
        },
      }),
    );
  }

  async add(kind) {
    const text = words();
    const place = [
      { name: "longitude", label: text.longitude, type: "number", step: "any", required: kind === "thing" },
      { name: "latitude", label: text.latitude, type: "number", step: "any", required: kind === "thing" },
    ];
    const properties = [...model.properties.values()].map(({ id, name }) => [id, plain(id, name)]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
    const things = [...model.things.values()].map(({ id, name }) => [id, name]).sort((a, b) => (a[1] < b[1] ? -1 : 1));
    const fields = {
      station: [
        { name: "id", label: text.idField, required: true, maxlength: 32, hint: text.idHint },
        { name: "source", label: text.sourceField, required: true, hint: "ntrip://user:password@host:2101/MOUNT, tcp://host:port" },
        { name: "name", label: text.nameField },
        ...place,
      ],
      thing: [{ name: "id", label: text.idField, required: true, maxlength: 100 }, { name: "name", label: text.nameField }, ...place],
      datastream: [
        { name: "thing", label: text.siteField, options: things },
        { name: "property", label: text.property, options: properties },
        { name: "name", label: text.nameField },
      ],
    }[kind];
    this.told(
      await ask({
        title: text.addKinds[kind],
        fields,
        action: text.add,
        run: async (values) => {
          const id = kind === "datastream" ? `${values.thing}.${values.property}` : values.id.trim();
          const body = Object.fromEntries(fields.filter(({ name }) => name !== "id" && values[name] !== "").map(({ name, type }) => [name, type === "number" ? Number(values[name]) : values[name].trim()]));
          const answer = await send("PUT", `${pathOf({ kind, id })}?${byQuery(values)}`, body);
          if (answer.ok) await learn(kind, id);
          return answer;
        },
      }),
    );
  }
}

const PATHS = { station: "stations", thing: "things", datastream: "datastreams" };
const pathOf = ({ kind, id }) => `/api/v1/${PATHS[kind]}/${encodeURIComponent(id)}`;

// What is new stands in the list of all, so that nothing is asked for by a name that is not there yet.
async function learn(kind, id) {
  const answer = await fetch(kind === "thing" ? "/api/v1/things?limit=10000" : kind === "station" ? "/api/v1/stations?limit=10000" : "/api/v1/datastreams?limit=10000").catch(() => null);
  if (!answer?.ok) return;
  const found = (await answer.json()).items.find((one) => one.id === id);
  if (found) model[PATHS[kind]].set(id, found);
}
