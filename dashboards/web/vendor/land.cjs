// Land polygons for the base map: simplified, two decimals (1 km), no borders, no names.
// Usage: node land.cjs land-50m.json > land.geojson  (modules are found from the working directory)
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const load = createRequire(`${process.cwd()}/`);
const { feature } = load("topojson-client");
const { presimplify, simplify, filter, filterWeight } = load("topojson-simplify");

const MIN_TRIANGLE_DEG2 = 0.012; // a corner that spans less is left out
const MIN_ISLAND_DEG2 = 0.01;

let topology = presimplify(JSON.parse(readFileSync(process.argv[2], "utf8")));
topology = simplify(topology, MIN_TRIANGLE_DEG2);
topology = filter(topology, filterWeight(topology, MIN_ISLAND_DEG2));

const round = (value) => (Array.isArray(value) ? value.map(round) : Math.round(value * 100) / 100);
const polygons = feature(topology, topology.objects.land).features.flatMap(({ geometry }) =>
  geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates,
);
const geometry = { type: "MultiPolygon", coordinates: round(polygons) };
process.stdout.write(JSON.stringify({ type: "Feature", properties: {}, geometry }) + "\n");
