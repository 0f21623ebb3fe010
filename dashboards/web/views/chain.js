// How samples of a series are judged, as a graph: where they come from, each test in its order, each detector, and who
// hears of it. Tests and detectors are added, set and removed here.

import { el, scroller, setText, svg } from "../dom.js";
import { model } from "../model.js";
import { addressOf } from "../router.js";
import { plain, words } from "../texts.js";
import { ask, byQuery, mayWrite, send } from "../writing.js";

export const open = (node, { id }) => new ChainView(node, id);

class ChainView {
  constructor(node, id) {
    this.id = id;
    this.path = `/api/v1/datastreams/${encodeURIComponent(id)}`;
    const text = words();
    this.title = el("h1");
    this.note = el("p", { class: "muted", role: "status" });
    this.graph = el("div", { class: "graph" });
    this.pause = el("button", { type: "button", class: "quiet", onclick: () => this.switchPause() });
    node.append(
      el(
        "div",
        { class: "sheet one" },
        el("div", { class: "head" }, el("a", { href: addressOf("operation", "", { tab: "tasks" }), class: "back" }, `← ${text.nav.operation}`), this.title, el("a", { href: addressOf("sensor", id) }, text.openSeries), el("span", { class: "tools end" }, this.pause)),
        el("p", { class: "muted" }, text.chainText),
        this.note,
        scroller(text.chain, this.graph),
      ),
    );
    this.watcher = new ResizeObserver(() => this.connect());
    this.watcher.observe(this.graph);
    this.load();
  }

  destroy() {
    this.watcher.disconnect();
    this.isGone = true;
  }

  show() {
    const d = model.datastreams.get(this.id);
    setText(this.title, d?.name ?? this.id);
    if (this.chain && !this.isDrawn && d) this.draw();
  }

  async load() {
    const answers = await Promise.all([fetch(`${this.path}/chain`), fetch("/api/v1/chain-parts")]).catch(() => []);
    const [chain, parts] = await Promise.all(answers.map((one) => (one.ok ? one.json() : null)));
    if (this.isGone) return;
    if (!chain || !parts) return setText(this.note, words().noSuchSensor(this.id));
    this.chain = chain;
    this.parts = parts.items;
    this.isDrawn = false;
    this.show();
    return null;
  }

  draw() {
    this.isDrawn = true;
    const text = words();
    const chain = this.chain;
    const d = model.datastreams.get(this.id);
    const thing = model.things.get(d.thing_id);
    setText(this.pause, chain.paused ? text.resume : text.pause);
    this.pause.hidden = !mayWrite();
    const box = (name, title, lines, more = {}) => el(more.act ? "button" : "div", { class: `step ${more.kind ?? ""}`, "data-step": name, type: more.act ? "button" : null, onclick: more.act ?? null }, el("b", {}, title), ...lines.filter(Boolean).map((line) => el("span", {}, line)));
    const add = (kind) => (mayWrite() ? el("button", { type: "button", class: "step add", "data-step": `add-${kind}`, onclick: () => this.add(kind) }, `+ ${text.addParts[kind]}`) : null);
    const tests = chain.tests.map((test) => box(`test-${test.name}`, plain(test.name), [shown(test.parameters), test.source === "datastream" ? text.ownTest : text.fromCatalogue], { act: mayWrite() ? () => this.set("test", test.name) : null }));
    const off = chain.off.map((name) => box(`test-${name}`, plain(name), [text.isOff], { kind: "off", act: mayWrite() ? () => this.set("test", name) : null }));
    const detectors = chain.detectors.map((one) => box(`detector-${one.name}`, plain(one.name), [shown(one.given) || text.usualValues, one.is_ruled ? text.byRule : "", one.is_off ? text.isOff : ""], { kind: one.is_off ? "off" : "detector", act: mayWrite() ? () => this.set("detector", one.name) : null }));
    const columns = [
      [text.chainHeads[0], [box("source", thing?.name ?? d.thing_id, [plain(d.property_id, model.properties.get(d.property_id)?.name), d.unit, chain.paused ? text.pausedSeries : ""], { kind: chain.paused ? "off" : "" })]],
      [text.chainHeads[1], [...tests, ...off, add("test")]],
      [text.chainHeads[2], [box("flag", text.flagStep, [text.flagText])]],
      [text.chainHeads[3], [...(detectors.length ? detectors : [box("none", text.noDetector, [])]), add("detector")]],
      [text.chainHeads[4], [...chain.network.map((name) => box(`network-${name}`, name, [text.networkStep])), box("alert", text.alertStep, [text.alertText])]],
    ];
    this.graph.replaceChildren(svg("svg", { class: "wires", "aria-hidden": "true" }), ...columns.map(([head, steps]) => el("section", { class: "column" }, el("h2", {}, head), ...steps.filter(Boolean))));
    this.connect();
  }

  // Wires run from each step of a column to each of the next; tests are one after the other.
  connect() {
    const wires = this.graph.querySelector(".wires");
    if (!wires) return;
    const home = this.graph.getBoundingClientRect();
    wires.setAttribute("viewBox", `0 0 ${home.width} ${home.height}`);
    const at = (node) => {
      const r = node.getBoundingClientRect();
      return { left: r.left - home.left, right: r.right - home.left, x: (r.left + r.right) / 2 - home.left, top: r.top - home.top, bottom: r.bottom - home.top, y: (r.top + r.bottom) / 2 - home.top };
    };
    const columns = [...this.graph.querySelectorAll(".column")].map((column) => [...column.querySelectorAll(".step:not(.add)")].map(at));
    const lines = [];
    const across = (a, b) => (b.left > a.right ? `M${a.right} ${a.y}C${a.right + 16} ${a.y} ${b.left - 16} ${b.y} ${b.left} ${b.y}` : `M${a.x} ${a.bottom}V${b.top}`);
    const [source, tests, flag, detectors, ends] = columns;
    for (const [i, one] of tests.entries()) if (i) lines.push(`M${one.x} ${tests[i - 1].bottom}V${one.top}`);
    if (tests.length) lines.push(across(source[0], tests[0]), across(tests.at(-1), flag[0]));
    else lines.push(across(source[0], flag[0]));
    for (const one of detectors) {
      lines.push(across(flag[0], one));
      for (const end of ends) lines.push(across(one, end));
    }
    wires.replaceChildren(...lines.map((d) => svg("path", { d })));
  }

  async switchPause() {
    const text = words();
    const paused = !this.chain.paused;
    const told = await ask({
      title: paused ? text.pauseTitle(this.id) : text.resumeTitle(this.id),
      text: paused ? text.pauseText : text.resumeText,
      action: paused ? text.pause : text.resume,
      run: (values) => send("PATCH", `${this.path}?${byQuery(values)}`, { paused }),
    });
    if (told === null) return;
    setText(this.note, told.message);
    await this.load();
  }

  partOf(kind, name) {
    return this.parts.find((one) => one.kind === kind && one.name === name);
  }

  async add(kind) {
    const text = words();
    const there = new Set(kind === "test" ? this.chain.tests.map((one) => one.name) : this.chain.detectors.map((one) => one.name));
    const options = this.parts.filter((one) => one.kind === kind && !there.has(one.name)).map((one) => [one.name, plain(one.name)]);
    const chosen = await choose(text.addParts[kind], text.choose, options);
    if (chosen) this.set(kind, chosen, true);
  }

  // A form of its parameters; what is left as usual is not written down.
  async set(kind, name, isNew = false) {
    const text = words();
    const part = this.partOf(kind, name);
    const known = kind === "test" ? this.chain.tests.find((one) => one.name === name)?.parameters : this.chain.detectors.find((one) => one.name === name)?.given;
    const isThere = !isNew && known !== undefined;
    const fields = part.parameters.map((one) => fieldOf(one, known?.[one.name]));
    const told = await ask({
      title: `${plain(name)}${isThere ? "" : ` (${text.newPart})`}`,
      text: part.text,
      fields: [...fields, ...(isThere ? [{ name: "do", label: text.whatToDo, options: [["set", text.setPart], ["remove", text.removePart]] }] : [])],
      action: text.save,
      run: (values) => {
        if (values.do === "remove") return this.write(kind, name, null, values);
        return this.write(kind, name, parametersOf(part, values, text), values);
      },
    });
    if (told === null) return;
    setText(this.note, told.message);
    await this.load();
    this.graph.querySelector(`[data-step="${kind}-${CSS.escape(name)}"]`)?.focus();
  }

  // parameters null: it is to be removed.
  async write(kind, name, parameters, values) {
    const by = byQuery(values);
    if (kind === "test") {
      const { [name]: _, ...rest } = this.chain.own_tests;
      const isOfCatalogue = name === "gross_range" || this.chain.off.includes(name) || this.chain.tests.some((one) => one.name === name && (one.source === "property" || this.isOfProperty(name)));
      const tests = parameters ? { ...rest, [name]: parameters } : isOfCatalogue ? { ...rest, [name]: { off: true } } : rest;
      return send("PATCH", `${this.path}?${by}`, { tests });
    }
    const ruled = this.chain.detectors.find((one) => one.name === name)?.is_ruled;
    const rule = `/api/v1/rules/${encodeURIComponent(this.id)}/${encodeURIComponent(name)}?${by}`;
    if (parameters && ruled) return send("PUT", rule, { parameters });
    const all = Object.fromEntries(this.chain.detectors.map((one) => [one.name, one.configured]));
    if (parameters) all[name] = parameters;
    else delete all[name];
    const answer = await send("PATCH", `${this.path}?${by}`, { detectors: all });
    return answer.ok && !parameters && ruled ? send("DELETE", rule) : answer;
  }

  isOfProperty(name) {
    const d = model.datastreams.get(this.id);
    return name in (model.properties.get(d.property_id)?.tests ?? {});
  }
}

const shown = (parameters) =>
  Object.entries(parameters)
    .filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.every((one) => one === null)))
    .slice(0, 3)
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${Array.isArray(value) ? value.map((one) => one ?? "–").join(" / ") : typeof value === "object" ? "…" : value}`)
    .join(", ");

function fieldOf({ name, type, choices, required, may_be_null, default: usual }, value) {
  const label = name.replaceAll("_", " ");
  const hint = usual === null || usual === "" ? "" : words().usually(type === "json" ? JSON.stringify(usual) : String(usual));
  const key = `p_${name}`;
  if (type === "choice") return { name: key, label, options: choices.map((one) => [one, one]), value: String(value ?? usual ?? "") };
  if (type === "boolean") return { name: key, label, type: "checkbox", value: Boolean(value ?? usual) };
  const text = value === undefined || value === null ? "" : type === "json" ? JSON.stringify(value) : String(value);
  return { name: key, label, type: type === "number" || type === "integer" ? "number" : "text", step: type === "integer" ? "1" : "any", value: text, required: required && !may_be_null, hint };
}

// Raises an error that names the parameter that cannot be read.
function parametersOf(part, values, text) {
  const made = {};
  for (const { name, type, default: usual } of part.parameters) {
    const given = values[`p_${name}`];
    if (given === "" || given === undefined) continue;
    if (type === "number" || type === "integer") made[name] = Number(given);
    else if (type === "json") {
      try {
        made[name] = JSON.parse(given);
      } catch {
        throw new Error(text.notJson(name));
      }
    } else made[name] = given;
    if (JSON.stringify(made[name]) === JSON.stringify(usual)) delete made[name];
  }
  return made;
}

// Resolves to the chosen value, or null.
function choose(title, action, options) {
  const list = el("select", { size: Math.min(10, options.length), "aria-label": title }, ...options.map(([value, name], i) => el("option", { value, selected: i === 0 }, name)));
  const form = el("form", { method: "dialog" }, el("h2", { id: "choice-title" }, title), list, el("div", { class: "actions" }, el("button", { class: "quiet", value: "" }, words().cancel), el("button", { class: "primary", value: "yes" }, action)));
  const dialog = el("dialog", { "aria-labelledby": "choice-title" }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close(event.submitter?.value === "" ? "" : list.value);
  });
  document.body.append(dialog);
  dialog.showModal();
  list.focus();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      done(dialog.returnValue || null);
    });
  });
}
