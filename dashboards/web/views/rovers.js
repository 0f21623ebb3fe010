// Rovers: who uses which station now, on a map and in lists, and what they load. All data need the token.

import { BaseMap } from "../base_map.js";
import { el, fill, mark, setText } from "../dom.js";
import { model } from "../model.js";
import { RoverFeed } from "../rover_feed.js";
import { RoverLayer } from "../rover_layer.js";
import { handOvers, showCounts, showDetail, showRovers, volume } from "../rover_lists.js";
import { panelTabs } from "../tabs.js";
import { words } from "../texts.js";

const L = window.L;
const PRIVACY_MS = 60_000;

export const open = (node) => new Rovers(node);

class Rovers {
  constructor(node) {
    const text = words().rovers;
    this.only = {};
    this.selected = null;
    this.decimals = undefined;
    this.mode = el("select", { name: "mode" }, el("option", { value: "fix" }, text.fix), el("option", { value: "base" }, text.base));
    this.lines = el("input", { type: "checkbox", name: "lines" });
    for (const one of [this.mode, this.lines]) one.addEventListener("change", () => this.draw());
    this.legend = el("span", { class: "legend-of-fixes" });
    this.precision = el("span", { class: "muted", id: "precision" });
    this.count = el("b", { id: "count" }, "0");
    this.placed = el("b", { id: "placed" }, "0");
    this.load = el("span", { id: "load" });
    this.detail = el("section", { class: "detail", id: "detail", tabindex: "-1", hidden: true });
    this.mapNode = el("div", { class: "map", role: "region", "aria-label": text.map });
    this.find = el("input", { type: "search", placeholder: words().find, "aria-label": text.findLabel, autocomplete: "off" });
    this.find.addEventListener("input", () => this.draw());
    this.tokenInput = el("input", { name: "token", type: "password", autocomplete: "off", required: true });
    this.refusal = el("p", { class: "refusal", id: "refusal", role: "alert" });
    this.unlock = el(
      "form",
      { class: "unlock", id: "unlock", hidden: true },
      el("p", {}, text.why),
      el("label", {}, `${words().token} `, this.tokenInput),
      this.refusal,
      el("div", { class: "actions" }, el("a", { href: "/sign-in" }, words().signIn), el("button", { type: "submit", class: "primary" }, text.open)),
    );
    this.unlock.addEventListener("submit", (event) => {
      event.preventDefault();
      this.feed.unlock(this.tokenInput.value);
    });
    this.panels = { list: el("div"), stations: el("div"), regions: el("div"), moves: el("div") };
    this.onlyNode = el("div", { class: "only", id: "only" });
    this.listing = panelTabs(words().lists, Object.entries(this.panels).map(([name, panel]) => [name, text.tabs[name], panel]), this.find);
    this.listing.querySelector(".tabs").after(this.onlyNode);
    node.append(
      el(
        "section",
        { class: "place" },
        el("div", { class: "controls" }, el("label", {}, `${text.colours} `, this.mode), el("label", {}, this.lines, ` ${text.lines}`), this.legend, this.precision),
        this.mapNode,
        this.detail,
      ),
      el("section", { class: "side" }, el("h1", { class: "hidden" }, words().nav.rovers), el("p", { class: "total" }, this.count, ` ${text.rovers}${words().comma}`, this.placed, ` ${text.placed}`, this.load), this.unlock, this.listing),
    );
    this.base = new BaseMap(this.mapNode);
    this.layer = new RoverLayer({ onPick: (rovers) => this.pick(rovers) }).addTo(this.base.map);
    this.onKey = (event) => event.key === "Escape" && this.selected && this.choose(null);
    document.addEventListener("keydown", this.onKey);
    this.feed = new RoverFeed({
      onChange: () => this.draw(),
      onState: (state, why = "") => {
        if (state !== "live") setText(this.refusal, why);
        this.unlock.hidden = state !== "locked";
        this.listing.hidden = state === "locked";
      },
    });
    this.timer = setInterval(() => this.learnPrecision(), PRIVACY_MS);
    this.learnPrecision();
    this.feed.ask();
  }

  destroy() {
    clearInterval(this.timer);
    document.removeEventListener("keydown", this.onKey);
    this.feed.stop();
    this.base.remove();
  }

  // Rovers come by themselves; the live stream of stations changes nothing here.
  show() {}

  wanted() {
    const find = this.find.value.trim().toLowerCase();
    const { base, region, box } = this.only;
    return [...this.feed.sessions.values()].filter(
      (one) =>
        (base === undefined || one.base === base) &&
        (region === undefined || one.region === region) &&
        (!box || (one.longitude !== null && box.contains([one.latitude, one.longitude]))) &&
        (!find || [one.account, one.base, one.mountpoint, one.agent, one.caster].some((text) => text.toLowerCase().includes(find))),
    );
  }

  draw() {
    const text = words().rovers;
    const rovers = this.wanted();
    const placed = rovers.filter((one) => one.longitude !== null);
    setText(this.count, String(rovers.length));
    setText(this.placed, String(placed.length));
    setText(this.load, this.loadOf(rovers));
    if (!this.isFitted && placed.length) {
      this.isFitted = true;
      this.base.fit(placed);
    }
    this.layer.show(rovers, { mode: this.mode.value, lines: this.lines.checked, stations: model.stations, selected: this.selected });
    showRovers(this.panels.list, rovers, this.selected, (id) => this.choose(id));
    showCounts(this.panels.stations, text.base, rovers, (one) => one.base, text.none, (name) => this.narrow("base", name));
    showCounts(this.panels.regions, text.regions, rovers, (one) => one.region, words().here, (name) => this.narrow("region", name));
    handOvers(this.panels.moves, rovers, (id) => this.choose(id));
    const kinds = this.mode.value === "fix" ? Object.entries(text.qualities) : [];
    fill(this.legend, kinds, ([kind, name]) => el("span", {}, mark(kind), name));
    this.showOnly();
    showDetail(this.detail, this.feed.sessions.get(this.selected), () => this.choose(null));
    if (this.decimals !== undefined) setText(this.precision, this.decimals === null ? text.off : text.rounded(this.decimals));
  }

  // What has been sent to these, as of the last minute.
  loadOf(rovers) {
    const text = words().rovers;
    const sum = rovers.reduce((total, one) => total + one.bytes_sent, 0);
    const epochs = rovers.reduce((total, one) => total + one.epochs_sent, 0);
    return rovers.length ? `${words().comma}${text.load(volume(sum), epochs)}` : "";
  }

  showOnly() {
    const text = words().rovers;
    const chips = Object.entries(this.only).map(([what, value]) => [what, what === "box" ? text.box : value || (what === "base" ? text.none : words().here)]);
    fill(this.onlyNode, chips, ([what, shown]) =>
      el("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => {
        delete this.only[what];
        this.draw();
      } }, `${text.only} ${shown} ×`));
  }

  choose(id) {
    this.selected = id === this.selected ? null : id;
    this.draw();
  }

  narrow(what, value) {
    this.only = { ...this.only, [what]: value };
    this.listing.choose("list");
    this.draw();
  }

  // One rover is shown; of several those of their place are listed.
  pick(rovers) {
    if (rovers.length === 1) this.choose(rovers[0].id);
    else this.narrow("box", L.latLngBounds(rovers.map((one) => [one.latitude, one.longitude])).pad(0.001));
  }

  async learnPrecision() {
    const answer = await fetch("/api/v1/privacy/rovers").catch(() => null);
    if (answer?.ok) this.decimals = (await answer.json()).position_decimals;
    this.draw();
  }
}
