// What the CloudEvents about one experiment say: its idea, its attempts, its runs, its analysis.

const kind = (event) => event.type.split(".")[0];

// Returns the story of an experiment from its events up to a position (0: all).
export function trialOf(events, at = 0) {
  const known = events.filter((event) => !at || event.seq <= at);
  const all = (...kinds) => known.filter((event) => kinds.includes(kind(event)));
  const last = (...kinds) => all(...kinds).at(-1)?.data;
  const proposal = last("ProposalCreated") ?? last("ExperimentImported") ?? last("ProposalRejected");
  const source = last("CodeRevised")?.source ?? proposal?.source ?? "";
  return {
    slot: last("ProposalRequested"), proposal, source, formula: formulaOf(source),
    attempts: all("CodeFailed", "CodeRevised", "ProposalRejected", "RunAnomaly").map((event) => ({ ...event.data, type: kind(event) })), // an anomaly has a kind of its own
    gates: last("RunStarted")?.gates ?? [], run: last("RunCompleted"), analysis: last("AnalysisReady"),
    discovery: all("DiscoveryConfirmed", "DiscoveryRefuted").at(-1),
  };
}

// Returns the formulas that a rendered source explains itself with: its docstring without the name in the first line.
export function formulaOf(source) {
  const docstring = /^\s*(?:"""|''')([\s\S]*?)(?:"""|''')/.exec(source)?.[1] ?? "";
  return docstring.split("\n").slice(1).join("\n").trim();
}

// Returns loss curves by task: task → [[step, loss]].
export function curvesOf(run) {
  const tasks = {};
  for (const { task, step, loss } of run?.metrics.curve ?? []) (tasks[task] ??= []).push([step, loss]);
  return tasks;
}

// Returns one row for each task and measure: [task, kind, measure, value, stderr].
export const measuresOf = (run) => Object.entries(run?.metrics.tasks ?? {}).flatMap(([task, { kind: name, measures }]) =>
  Object.entries(measures).map(([measure, { value, stderr }]) => [task, name, measure, value, stderr]));
