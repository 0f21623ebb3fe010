// Rovers' sessions, kept up by asking for what has changed. The token stays in this tab.

const ASK_MS = 5000;
const HIDDEN_MS = 30_000;
const PATH = "/api/v1/sessions/changes";

export class RoverFeed {
  constructor({ onChange, onState }) {
    this.onChange = onChange;
    this.onState = onState;
    this.sessions = new Map();
    this.after = "";
    this.timer = 0;
    this.isAsking = false;
    this.onVisible = () => document.hidden || this.ask();
    document.addEventListener("visibilitychange", this.onVisible);
  }

  stop() {
    this.isStopped = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  get token() {
    return sessionStorage.getItem("token") ?? "";
  }

  unlock(token) {
    sessionStorage.setItem("token", token);
    this.ask();
  }

  headers() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {};
  }

  async ask() {
    if (this.isAsking || this.isStopped) return;
    this.isAsking = true;
    clearTimeout(this.timer);
    try {
      let more = true;
      while (more) more = await this.once();
    } catch {
      this.onState("lost");
    }
    this.isAsking = false;
    if (!this.isStopped) this.timer = setTimeout(() => this.ask(), document.hidden ? HIDDEN_MS : ASK_MS);
  }

  // Returns whether there is more at once.
  async once() {
    const query = this.after ? `?after=${encodeURIComponent(this.after)}` : "";
    const answer = await fetch(PATH + query, { headers: this.headers() });
    if (answer.status === 401 || answer.status === 403) {
      this.forget();
      this.onState("locked", this.token || answer.status === 403 ? (await answer.json()).detail : "");
      return false;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const told = await answer.json();
    if (this.isStopped) return false;
    if (told.is_whole) this.sessions.clear();
    for (const one of told.items) this.sessions.set(one.id, one);
    for (const id of told.ended) this.sessions.delete(id);
    this.after = told.next;
    this.onState("live");
    if (!told.is_more) this.onChange();
    return told.is_more;
  }

  forget() {
    this.sessions.clear();
    this.after = "";
    this.onChange();
  }
}

export function fixOf(session) {
  if (session.quality === null) return "unknown";
  return { 0: "lost", 4: "fixed", 5: "floating" }[session.quality] ?? "other";
}
