// Where an exported page reads from: a recorded log inside the page, without a lab and without a network.

import { logFilter } from "./log_filter.js";

const LISTED = ["seq", "id", "time", "type", "experiment", "role", "cause", "text"];

export class FileSource {
  live = false;

  // `recorded`: { id, last, steps, events, standing, discoveries }; steps are entries with their changes, events are CloudEvents.
  constructor({ id, last, steps, events, standing, discoveries = [] }) {
    Object.assign(this, { id, last, events, discoveries });
    this.entries = steps;
    this.standing = async () => standing;
    this.places = new Map(steps.map((step, place) => [step.id, place]));
    this.changing = Map.groupBy(steps.filter(({ changes }) => Object.keys(changes).length), ({ target }) => target);
  }

  #upTo = (at) => (at ? this.entries.filter((step) => step.seq <= at) : this.entries);
  #listed = (step) => Object.fromEntries(LISTED.map((name) => [name, step[name]]));

  session = async () => ({ may_read: true, person: "" });
  vitals = async () => ({ services: [], absent: [], progress: {}, losses: {} });
  readings = async () => ({});
  spending = async (at = 0) => (await this.discovery(at))?.spending ?? { rows: [], limits: {} };
  discovery = async (at = 0) => this.discoveries.findLast((known) => known.at <= (at || this.last)) ?? null;

  // As `LiveSource.rows`.
  async rows(at = 0, shown = 0) {
    const end = at || this.last, [low, high] = shown < end ? [shown, end] : [end, shown], rows = [], gone = [];
    for (const [target, steps] of this.changing) {
      if (!steps.some(({ seq }) => seq > low && seq <= high)) continue;
      const known = steps.filter(({ seq }) => seq <= end);
      if (known.length) rows.push(Object.assign({}, ...known.map(({ changes }) => changes))); else gone.push(target);
    }
    return { id: this.id, at: end, rows, gone };
  }

  async log({ filter = "", at = 0, before = 0, limit = 100 }) {
    const matching = this.#upTo(at).filter(logFilter(filter));
    const shown = before ? matching.filter((step) => step.seq < before) : matching;
    return { total: matching.length, entries: shown.slice(-limit).reverse().map(this.#listed) };
  }

  async event(id) {
    const place = this.places.get(id);
    if (place === undefined) throw new Error("the log has no such event");
    const step = this.entries[place], cause = this.places.get(step.cause);
    const effects = this.entries.filter((each) => each.cause === id || each.because.includes(id)).map(this.#listed);
    return { event: this.events[place], cause: cause === undefined ? null : this.#listed(this.entries[cause]), effects };
  }

  async experiment(id) {
    const events = this.events.filter((event) => event.subject === id);
    if (!events.length) throw new Error("the log has no such experiment");
    return events;
  }

  follow(_, callback) { callback("open", { missed: false }); return () => {}; }
}

// Returns the log that an exported page holds: JSON, packed with gzip, in base64.
export async function recordedLog(text) {
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
