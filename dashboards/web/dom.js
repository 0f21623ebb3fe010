// Small helpers to build the page. Text is always set as text, never as markup.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// A state or flag is told by shape and name, not by colour alone.
// Where the name stands beside it, it is not said twice.
export const mark = (kind, name = "") => el("span", name ? { class: `mark ${kind}`, role: "img", "aria-label": name } : { class: `mark ${kind}`, "aria-hidden": "true" });

// Rebuilt only when something in it changed, so that selections of text and the focus survive.
export function fill(node, rows, make) {
  const key = JSON.stringify(rows);
  if (node.dataset.key === key) return false;
  node.dataset.key = key;
  node.replaceChildren(...rows.map(make).filter(Boolean));
  return true;
}

// What may be wider or longer than there is room: it can be moved by keys, too.
export const scroller = (label, ...children) => el("div", { class: "scroll", role: "group", tabindex: "0", "aria-label": label }, ...children);

// Names and figures, as `[name, text, title]`.
export const fillFigures = (node, rows) =>
  fill(node, rows, ([name, text, title]) => el("div", { title }, el("dt", {}, name), el("dd", {}, text)));
