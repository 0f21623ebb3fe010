// What people change: a dialog that asks for it, and the request that carries it.

import { el, setText } from "./dom.js";
import { model } from "./model.js";
import { words } from "./texts.js";

const SIGN_IN = "/sign-in";

// Returns { ok, told }; `told` is the answer, or why there is none in `detail`.
export async function send(method, url, body) {
  const headers = { "x-groundswell": "page" }; // which a foreign page cannot send
  if (body !== undefined) headers["content-type"] = "application/json";
  const token = sessionStorage.getItem("token");
  if (model.writes === "token" && token) headers.authorization = `Bearer ${token}`; // else who is signed in
  try {
    const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const told = await answer.json().catch(() => ({ detail: answer.statusText }));
    return { ok: answer.ok, isUnknown: answer.status === 401, told };
  } catch {
    return { ok: false, isUnknown: false, told: { detail: words().unreachable } };
  }
}

export const mayWrite = () => model.writes !== "closed";
const personName = () => localStorage.getItem("name") ?? "";

// Asks for some fields and the person's name; `run(values)` returns what `send` gave. Resolves to what was told, or
// null. fields: { name, label, type?, value?, required?, options?: [[value, text]], hint? }.
export function ask({ title, text = "", fields = [], action, run }) {
  const say = words();
  const every = [
    ...fields,
    { name: "by", label: say.yourName, value: personName(), required: true, autocomplete: "name" },
    ...(model.writes === "token" ? [{ name: "token", label: say.token, type: "password", value: sessionStorage.getItem("token") ?? "", hint: say.tokenHint }] : []),
  ];
  const refusal = el("p", { class: "refusal", role: "alert" });
  const inputs = every.map((field) => [field, input(field)]);
  const form = el(
    "form",
    {},
    el("h2", { id: "dialog-title" }, title),
    text ? el("p", { class: "muted" }, text) : null,
    ...inputs.map(([field, node]) => el("label", { class: field.type === "checkbox" ? "check" : null }, field.label, node, field.hint ? el("small", {}, field.hint) : null)),
    refusal,
    el("div", { class: "actions" }, el("button", { type: "button", class: "quiet", value: "cancel" }, say.cancel), el("button", { type: "submit", class: "primary" }, action)),
  );
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  const opener = document.activeElement;
  document.body.append(dialog);
  return new Promise((done) => {
    let told = null;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (opener?.isConnected) opener.focus({ preventScroll: true });
      done(told);
    });
    form.querySelector("[value=cancel]").addEventListener("click", () => dialog.close());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const values = Object.fromEntries(inputs.map(([{ name, type }, node]) => [name, type === "checkbox" ? node.checked : node.value]));
      localStorage.setItem("name", values.by.trim());
      if (values.token !== undefined) sessionStorage.setItem("token", values.token);
      const submit = form.querySelector("[type=submit]");
      submit.disabled = true;
      setText(refusal, "");
      let answer;
      try {
        answer = await run(values);
      } catch (error) {
        answer = { ok: false, told: { detail: error.message } };
      }
      submit.disabled = false;
      if (answer.ok) {
        told = answer.told;
        dialog.close();
        document.dispatchEvent(new CustomEvent("shown"));
      } else {
        refusal.replaceChildren(answer.told.detail ?? say.unreachable, ...(answer.isUnknown ? [" ", el("a", { href: SIGN_IN }, say.signIn)] : []));
      }
    });
    dialog.showModal();
    const first = inputs.find(([{ required }, node]) => required && !node.value) ?? inputs[0];
    first[1].focus();
  });
}

function input({ type = "text", value = "", options = null, label: _label, hint: _hint, ...rest }) {
  if (options) return el("select", rest, ...options.map(([id, text]) => el("option", { value: id, selected: id === value }, text)));
  if (type === "checkbox") return el("input", { type, checked: value, ...rest });
  if (type === "area") {
    const node = el("textarea", { rows: 6, spellcheck: "false", ...rest });
    node.value = value;
    return node;
  }
  return el("input", { type, value, autocomplete: "off", maxlength: 2000, ...rest });
}

export const byQuery = (values) => `by=${encodeURIComponent(values.by.trim())}`;
