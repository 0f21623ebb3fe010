// Which view is open: `#/station/SHAO00CHN?span=1h` is the view `station`, its subject and what else it remembers.

export function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: name || "network", id: safely(rest.join("/")), query: new URLSearchParams(query) };
}

export function addressOf(name, id = "", query = {}) {
  const asked = new URLSearchParams(query).toString();
  return `#/${name}${id ? `/${encodeURIComponent(id)}` : ""}${asked ? `?${asked}` : ""}`;
}

export function go(name, id, query) {
  location.hash = addressOf(name, id, query);
}

// Remembers something of the open view in the address, without a new step in the history.
export function remember(values) {
  const { name, id, query } = route();
  for (const [key, value] of Object.entries(values)) {
    query.delete(key);
    for (const one of [value].flat()) if (one !== null && one !== "") query.append(key, one);
  }
  history.replaceState(null, "", addressOf(name, id, query));
}

function safely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
