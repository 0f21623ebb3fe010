// What wakes a duty officer: a red alert that nobody has answered changes the title, stands over every view and sounds.

import { byId, el, setText } from "./dom.js";
import { age, clockTime, moment } from "./format.js";
import { LEVELS, gravestFirst, model, now } from "./model.js";
import { addressOf } from "./router.js";
import { words } from "./texts.js";

const EVERY_MS = 4000;
const BLINK_MS = 1000;
const STALE_MS = 15_000; // a page that hears nothing must not look well

export const needsAnswer = (alert) => alert.state === "open" || alert.state === "consultation";

export class Alarm {
  constructor() {
    this.hasSound = localStorage.getItem("sound") !== "off";
    this.audio = null;
    this.isOn = false;
    // A browser lets a page sound only after somebody has touched it.
    for (const kind of ["pointerdown", "keydown"]) {
      document.addEventListener(kind, () => this.unlock(), { passive: true });
    }
    setInterval(() => this.blink(), BLINK_MS);
    setInterval(() => this.sound(), EVERY_MS);
  }

  get reds() {
    return [...model.alerts.values()].filter((alert) => alert.level === "red" && needsAnswer(alert) && !alert.silenced);
  }

  // The gravest level of all open alerts.
  get worst() {
    return LEVELS.findLast((level) => [...model.alerts.values()].some((alert) => alert.level === level)) ?? "";
  }

  show() {
    const reds = gravestFirst(this.reds);
    const node = byId("alarm");
    if (reds.length && !this.isOn) setTimeout(() => this.sound());
    this.isOn = reds.length > 0;
    const isStale = model.heardAt > 0 && Date.now() - model.heardAt > STALE_MS;
    node.hidden = !this.isOn && !isStale;
    node.classList.toggle("stale", isStale);
    if (isStale) {
      node.dataset.key = "stale";
      setText(node, words().noUpdates(clockTime(new Date(model.heardAt))));
      return;
    }
    const [first] = reds;
    const key = first ? [reds.length, first.id, first.number, words().lang, age(first.onset_at, now())].join() : "";
    if (node.dataset.key !== key) {
      node.dataset.key = key;
      const more = reds.length > 1 ? ` ${words().alarmMore(reds.length - 1)}` : "";
      node.replaceChildren(
        ...(first
          ? [
              el("span", { class: "level red" }, words().levels.red),
              el("strong", {}, first.title),
              el("span", {}, words().sinceAgo(moment(first.onset_at, now()), age(first.onset_at, now())) + more),
              el("a", { href: addressOf("alerts", first.id) }, words().openAlert),
            ]
          : []),
      );
    }
    if (!this.isOn) this.tellTitle(false);
  }

  repaint() {
    const button = byId("sound");
    const isBlocked = this.hasSound && this.audio?.state !== "running";
    setText(button, this.hasSound ? (isBlocked ? words().soundBlocked : words().soundOn) : words().soundOff);
    button.title = isBlocked ? words().soundBlockedTitle : words().soundTitle;
    button.setAttribute("aria-pressed", String(this.hasSound));
    byId("alarm").dataset.key = "";
    this.show();
  }

  switchSound() {
    this.hasSound = !this.hasSound;
    localStorage.setItem("sound", this.hasSound ? "on" : "off");
    this.unlock();
    this.repaint();
    if (this.hasSound) this.tone(660, 0, 0.15);
  }

  unlock() {
    if (!this.hasSound) return;
    this.audio ??= new AudioContext();
    if (this.audio.state === "suspended") this.audio.resume().then(() => this.repaint());
  }

  blink() {
    this.show();
    if (this.isOn) this.tellTitle(!document.title.startsWith("‼"));
    else this.tellTitle(false);
  }

  tellTitle(isLoud) {
    const count = model.alerts.size;
    const usual = count ? `(${count}) Groundswell` : "Groundswell";
    const wanted = this.isOn && isLoud ? `‼ ${words().levels.red}: ${gravestFirst(this.reds)[0].title}` : usual;
    if (document.title !== wanted) document.title = wanted;
  }

  sound() {
    if (!this.isOn || !this.hasSound || this.audio?.state !== "running") return;
    byId("sound").dataset.sounded = String(Number(byId("sound").dataset.sounded ?? 0) + 1);
    for (const [i, pitch] of [880, 660, 880].entries()) this.tone(pitch, i * 0.25, 0.2);
  }

  tone(pitch_hz, after_s, length_s) {
    if (this.audio?.state !== "running") return;
    const from = this.audio.currentTime + after_s;
    const tone = this.audio.createOscillator();
    const volume = this.audio.createGain();
    tone.frequency.value = pitch_hz;
    volume.gain.setValueAtTime(0.25, from);
    volume.gain.exponentialRampToValueAtTime(0.001, from + length_s);
    tone.connect(volume).connect(this.audio.destination);
    tone.start(from);
    tone.stop(from + length_s);
  }
}
