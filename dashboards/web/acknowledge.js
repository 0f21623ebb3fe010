// The dialog in which a person takes note of an alert.

import { byId, setText } from "./dom.js";
import { model } from "./model.js";

export function acknowledgeDialog({ onDone }) {
  const dialog = byId("acknowledge");
  const form = dialog.querySelector("form");
  const { by, comment, token } = form.elements;
  let alert = null;

  form.querySelector("[value=cancel]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    localStorage.setItem("name", by.value.trim());
    const headers = { "content-type": "application/json" };
    if (model.writes === "token") {
      headers.authorization = `Bearer ${token.value}`;
      sessionStorage.setItem("token", token.value);
    }
    const body = JSON.stringify({ by: by.value, comment: comment.value });
    const url = `/api/v1/alerts/${encodeURIComponent(alert.id)}/acknowledge`;
    try {
      const answer = await fetch(url, { method: "POST", headers, body });
      const told = await answer.json();
      if (answer.ok) {
        dialog.close();
        onDone(told);
      } else setText(byId("acknowledge-error"), told.detail);
    } catch {
      setText(byId("acknowledge-error"), "The server cannot be reached: try again when the page is live.");
    }
  });

  return (wanted) => {
    alert = wanted;
    setText(byId("acknowledge-what"), alert.title);
    setText(byId("acknowledge-error"), "");
    by.value = localStorage.getItem("name") ?? "";
    comment.value = "";
    token.value = sessionStorage.getItem("token") ?? "";
    byId("token-field").hidden = model.writes !== "token";
    dialog.showModal();
    (by.value ? comment : by).focus();
  };
}
