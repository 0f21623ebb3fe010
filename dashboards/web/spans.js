// The choice of a span of time: a length until now, or a part of the past that was drawn with the pointer.

import { el } from "./dom.js";
import { dateAndTime } from "./format.js";
import { remember } from "./router.js";
import { words } from "./texts.js";

const LENGTHS_S = { "1 h": 3600, "6 h": 21_600, "24 h": 86_400, "7 d": 604_800, "30 d": 2_592_000, "1 a": 31_536_000 };

export class Span {
  constructor(query, { usual = "6 h", lengths = Object.keys(LENGTHS_S), onChange }) {
    this.lengths = lengths;
    this.name = lengths.includes(query.get("span")) ? query.get("span") : usual;
    this.onChange = onChange;
    const [from, until] = [Number(query.get("from")), Number(query.get("until"))];
    this.part = from && until > from ? [from, until] : null;
    this.node = el("div", { class: "tools spans", role: "group", "aria-label": words().span });
    this.build();
  }

  // From and until, in seconds; `newest_s` is where the past ends.
  range(newest_s) {
    return this.part ?? [newest_s - LENGTHS_S[this.name], newest_s];
  }

  zoom(from, until) {
    const least = 10;
    const middle = (from + until) / 2;
    this.part = until - from < least ? [middle - least / 2, middle + least / 2] : [from, until];
    this.changed();
  }

  // Shares of what is shown: to the left or right.
  move(share, newest_s) {
    const [from, until] = this.range(newest_s);
    const step = (until - from) * share;
    this.part = [from + step, until + step];
    this.changed();
  }

  changed() {
    remember({ span: this.name, from: this.part && Math.round(this.part[0]), until: this.part && Math.round(this.part[1]) });
    this.build();
    this.onChange();
  }

  build() {
    const text = words();
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.name : null;
    const button = (name, shown, title, act, isPressed = null) =>
      el("button", { type: "button", class: "chip", "data-name": name, title, "aria-label": title, "aria-pressed": isPressed === null ? null : String(isPressed), onclick: act }, shown);
    const newest = () => this.newest_s ?? Date.now() / 1000;
    this.node.replaceChildren(
      ...this.lengths.map((name) =>
        button(name, name, null, () => {
          this.name = name;
          this.part = null;
          this.changed();
        }, name === this.name && !this.part),
      ),
      button("before", "←", text.before, () => this.move(-0.5, newest())),
      button("in", "+", text.zoomIn, () => this.scale(0.5, newest())),
      button("out", "−", text.zoomOut, () => this.scale(2, newest())),
      button("after", "→", text.after, () => this.move(0.5, newest())),
      el("span", { class: "muted" }, this.part ? this.part.map((s) => dateAndTime(new Date(s * 1000))).join(" – ") : text.dragToZoom),
    );
    [...this.node.children].find((one) => one.dataset.name === focused)?.focus({ preventScroll: true });
  }

  scale(factor, newest_s) {
    const [from, until] = this.range(newest_s);
    const half = ((until - from) * factor) / 2;
    const middle = (from + until) / 2;
    this.zoom(middle - half, Math.min(middle + half, newest_s));
  }
}
