// The words of the page in the person's language; all of them stand in one file a language.

import { en } from "./texts_en.js";
import { zh } from "./texts_zh.js";

const first = localStorage.getItem("language") ?? navigator.language.slice(0, 2);
let language = first === "zh" ? "zh" : "en";

export const words = () => (language === "zh" ? zh : en);
export const languageName = () => language;
export const languageTag = () => (language === "zh" ? "zh-CN" : "en");

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem("language", language);
}

// Of a test, detector or property: the language's own word, else the name that it has.
export const plain = (id, name = id) => words().names[id] ?? name.replaceAll("_", " ");

// A reason as the server says it, or by its code where the language has words for it.
export function reasonText({ code, text, value, threshold, check }) {
  const known = words().reasons[code];
  if (!known) return { text, check };
  const { name, unit = "", check: todo } = known;
  const shown = (figure) => (unit === "%" ? `${(100 * figure).toFixed(1)}\u202f%` : `${Number(figure.toPrecision(3))}${unit && `\u202f${unit}`}`);
  const figures = Number.isFinite(value) ? words().reasonFigures(shown(value), Number.isFinite(threshold) ? shown(threshold) : "") : "";
  return { text: name + figures, check: todo ?? check };
}
