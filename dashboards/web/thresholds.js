// The limits of a series that can be drawn into its plot: what its tests and detectors compare its own values with.

const LEVELS = ["blue", "yellow", "orange", "red"];

// Parameters that hold four values of the series itself, blue to red.
const FOUR = new Set(["level", "levels_m", "low_mg_l", "chlorophyll_ug_l", "levels_pa", "intensities_mm_h"]);

// Of detectors that look at the value itself, not at what is left of it.
const EACH = new Set(["high_water"]);

export function thresholdsOf(property, chain, unit, words) {
  const found = [];
  const add = (value, colour, name) => Number.isFinite(value) && found.push({ value, colour, name });
  const gross = chain?.tests.find((test) => test.name === "gross_range")?.parameters ?? { span: property?.span, user_span: property?.user_span };
  for (const value of gross.user_span ?? []) add(value, "--degraded", words.limitSuspect);
  for (const value of gross.span ?? []) add(value, "--bad", words.limitFail);
  for (const { name, is_off, parameters } of chain?.detectors ?? []) {
    if (is_off) continue;
    for (const [key, value] of Object.entries(parameters)) {
      if (FOUR.has(key) && Array.isArray(value)) value.forEach((one, i) => add(one, `--level-${LEVELS[i]}`, `${name}: ${words.levels[LEVELS[i]]}`));
    }
    if (EACH.has(name)) for (const level of LEVELS) add(parameters[`${level}_m`], `--level-${level}`, `${name}: ${words.levels[level]}`);
  }
  return found;
}
