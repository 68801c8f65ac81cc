// Where the page reads from while a lab is there: the server's JSON API and its stream of CloudEvents.

import { logFilter } from "./log_filter.js";

const AGAIN_MS = 5000;

export class Refused extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

async function ask(path, options = {}) {
  const reply = await fetch(path, { credentials: "same-origin", ...options });
  const content = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Refused(reply.status, content.error ?? `${path} answers ${reply.status}`);
  return content;
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();

export class LiveSource {
  live = true;
  #csrf = "";

  async session() {
    const session = await ask("api/session");
    this.#csrf = session.csrf;
    return session;
  }

  #send = (path, method, content) => ask(path, {
    method, body: JSON.stringify(content),
    headers: { "content-type": "application/json", "x-csrf-token": this.#csrf },
  });

  signIn = (credentials) => this.#send("api/session", "POST", credentials);
  signOut = () => this.#send("api/session", "DELETE", {});
  say = (words) => this.#send("api/say", "POST", words);
  startFork = (wish) => this.#send("api/forks", "POST", wish);
  stopFork = (name) => this.#send(`api/forks/${encodeURIComponent(name)}`, "DELETE", {});
  check = (source) => this.#send("api/check", "POST", { source });

  // Every row as of `at`; if the page has those as of `shown`, only the rows that differ, and the ids of those `gone`.
  rows = (at = 0, shown = 0) => ask(`api/rows?${query({ at, shown })}`);
  log = async (options) => {
    logFilter(options.filter ?? ""); // a fault is told without asking
    return ask(`api/log?${query(options)}`);
  };

  event = (id) => ask(`api/event/${encodeURIComponent(id)}`);
  experiment = async (id) => (await ask(`api/experiment/${encodeURIComponent(id)}`)).events;
  readings = (runs) => ask(`api/readings?${new URLSearchParams(runs.map((run) => ["run", run]))}`);
  standing = () => ask("api/standing");
  spending = (at = 0) => ask(`api/spending?${query({ at })}`);
  discovery = (at = 0) => ask(`api/discovery?${query({ at })}`);
  vitals = () => ask("api/vitals");
  markers = () => ask("api/markers");

  // Calls back with (kind, content) for everything new; `log` has the CloudEvent, `lost` and `open` tell the connection.
  // `open` says whether messages may have been missed: only those of the log are sent again.
  // A browser gives a refused stream up, and has six connections for all its pages: so a page asks again after a while,
  // and one that nobody looks at holds none.
  follow(after, callback) {
    let stream = null, last = after, again = null, missed = false;
    const open = () => {
      stream = new EventSource(`api/stream?${query({ after: last })}`);
      for (const kind of ["log", "vitals", "standing", "reset"]) {
        stream.addEventListener(kind, (message) => {
          last = Math.max(last, Number(message.lastEventId) || 0);
          callback(kind, JSON.parse(message.data));
        });
      }
      stream.addEventListener("open", () => { callback("open", { missed }); missed = false; });
      stream.addEventListener("error", () => {
        missed = true;
        callback("lost");
        if (stream.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
      });
    };
    document.addEventListener("visibilitychange", () => {
      clearTimeout(again);
      stream.close();
      missed = true;
      if (!document.hidden) open();
    });
    open();
  }
}
