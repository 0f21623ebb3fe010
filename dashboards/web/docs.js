// The API's own description, with a way to try each reading route. No library is needed for it.

import { byId, el, setText } from "./dom.js";

const EXAMPLE_BYTES = 6000;
const api = await (await fetch("/api/v1/openapi.json")).json();
setText(byId("version"), api.info.version);

const groups = new Map();
for (const [path, operations] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    const tag = operation.tags?.[0] ?? "Other";
    groups.set(tag, [...(groups.get(tag) ?? []), { path, method, operation }]);
  }
}
byId("docs").replaceChildren(
  el("p", {}, api.info.description),
  el("p", { class: "muted" }, "Times are ISO 8601 with an offset. Lists answer items and next. What cannot be answered is told as application/problem+json (RFC 9457)."),
  ...[...groups].flatMap(([tag, routes]) => [el("h2", {}, tag), ...routes.map(describe)]),
);

function describe({ path, method, operation }) {
  const inside = el("div", { class: "inside" });
  const node = el(
    "details",
    {},
    el("summary", {}, el("span", { class: "method" }, method), el("code", {}, path), el("span", { class: "muted" }, operation.description ?? operation.summary)),
    inside,
  );
  node.addEventListener("toggle", () => inside.childElementCount || fill(inside, path, method, operation), { once: true });
  return node;
}

function fill(inside, path, method, operation) {
  const inputs = (operation.parameters ?? []).map((parameter) => {
    const input = el("input", { name: parameter.name, "data-in": parameter.in, placeholder: String(parameter.schema?.default ?? "") });
    inside.append(el("label", {}, el("code", {}, parameter.name), input, el("span", { class: "muted" }, hint(parameter))));
    return input;
  });
  const taken = operation.requestBody?.content?.["application/json"]?.schema;
  if (taken) inside.append(el("h3", {}, "Body"), el("pre", {}, outline(taken)));
  const given = operation.responses["200"]?.content ?? {};
  const [type, content] = Object.entries(given)[0] ?? ["", {}];
  inside.append(el("h3", {}, `Answer: ${type}`));
  if (content?.schema) inside.append(el("pre", {}, outline(content.schema)));
  if (method === "get" && type !== "text/event-stream") {
    const result = el("pre", { hidden: true });
    const button = el("button", { type: "button", class: "quiet" }, "Try it");
    button.addEventListener("click", () => attempt(path, inputs, result));
    inside.append(el("h3", {}, button), result);
  } else if (method !== "get") {
    const command = `curl -X ${method.toUpperCase()} -H 'Content-Type: application/json' -d '{"by": "Your name"}' ${location.origin}${path}`;
    inside.append(el("h3", {}, "Example"), el("pre", {}, command));
  }
}

async function attempt(path, inputs, result) {
  const query = new URLSearchParams();
  for (const { name, value, dataset } of inputs) {
    if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (value) query.set(name, value);
  }
  const url = query.size ? `${path}?${query}` : path;
  const answer = await fetch(url);
  const text = await answer.text();
  const pretty = answer.headers.get("content-type")?.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  const cut = pretty.length > EXAMPLE_BYTES ? `${pretty.slice(0, EXAMPLE_BYTES)}\n…` : pretty;
  result.hidden = false;
  setText(result, `GET ${url}\n${answer.status} ${answer.statusText}\n\n${cut}`);
}

function hint({ description, required, schema }) {
  const kinds = (schema?.anyOf ?? [schema]).flatMap((s) => s?.enum ?? (s?.type && s.type !== "null" ? [s.type] : []));
  return [required ? "required" : "", description, kinds.join(" | ")].filter(Boolean).join(" · ");
}

// A schema in the short form that people read.
function outline(schema, depth = 0) {
  const pad = "  ".repeat(depth + 1);
  if (schema.$ref) return outline(api.components.schemas[schema.$ref.split("/").at(-1)] ?? {}, depth);
  if (schema.anyOf) return schema.anyOf.map((s) => outline(s, depth)).join(" | ");
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(" | ");
  if (schema.type === "array") return `[${schema.items ? outline(schema.items, depth) : "…"}]`;
  if (schema.properties && depth < 5) {
    const rows = Object.entries(schema.properties).map(([name, inner]) => `${pad}${name}: ${outline(inner, depth + 1)}`);
    return `{\n${rows.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  if (schema.format) return schema.format;
  return Array.isArray(schema.type) ? schema.type.join(" | ") : (schema.type ?? "any");
}
