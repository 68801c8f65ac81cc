// Filter expressions of the log, for an exported log without a server; `dashboard/history/log_filter.py` explains them.

const KEYS = ["type", "experiment", "role", "id", "cause"];
const TERM = /(-?)(?:(\w+):)?("[^"]*"|\S+)/g;

export function logFilter(text) {
  const conditions = [...text.matchAll(TERM)].map(([, minus, key, value]) => {
    const plain = (value.length > 1 && value.startsWith('"') ? value.slice(1, -1) : value).toLowerCase();
    if (key === undefined) return (entry) => entry.text.toLowerCase().includes(plain) !== Boolean(minus);
    if (!KEYS.includes(key.toLowerCase())) throw new Error(`unknown key '${key}'; hint: keys are ${KEYS.join(", ")}`);
    const values = plain.split(",");
    return (entry) => values.includes(String(entry[key.toLowerCase()] ?? "").toLowerCase()) !== Boolean(minus);
  });
  return (entry) => conditions.every((holds) => holds(entry));
}
