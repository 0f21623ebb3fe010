// The text that the program tells Prometheus, as rows of { name, labels, value }.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const PREFIX = "groundswell_";

export function parse(text) {
  const rows = [];
  const texts = new Map();
  for (const line of text.split("\n")) {
    if (line.startsWith("# HELP ")) {
      const [name, ...rest] = line.slice(7).split(" ");
      texts.set(plainName(name), rest.join(" "));
    }
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found || found[1].endsWith("_created")) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(LABEL)].map(([, key, value]) => [key, value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))]));
    rows.push({ name: plainName(found[1]), labels, value: Number(found[3]) });
  }
  return { rows, texts };
}

const plainName = (name) => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name).replace(/_total$/, "");

export const sumOf = (rows, name) => rows.filter((row) => row.name === name).reduce((sum, { value }) => sum + value, 0);
export const has = (rows, name) => rows.some((row) => row.name === name);
