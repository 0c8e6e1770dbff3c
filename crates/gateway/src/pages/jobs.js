// What jobs do: their runs, and who works on them.

/** The most rows of a table, and the most lines in one of them. */
const MAX_ROWS = 200;
const MAX_LINES = 20;
/** Over how many seconds it is measured how fast a run is. */
const MEASURED = 10;
/** From which age on an overview is told as old, in seconds. */
const OLD = 5;
/** How runs stand, in the order in which they are shown. */
const RUN_STATES = { running: "good", failed: "bad", paused: "warn", cancelled: "warn", complete: "" };
/** The rows of each run, by its number, as they were at some times of the gateway. */
const looks = [];

const listOf = (value) => (Array.isArray(value) ? value : []);
const total = (run, what) => listOf(run.streams).reduce((all, stream) => all + (Number(stream[what]) || 0), 0);

/** Keeps an overview of this time, to measure by. */
function noteLook(at, runs) {
  // The gateway was started again.
  if (looks.length && at < looks.at(-1).at) looks.length = 0;
  if (looks.length && at - looks.at(-1).at < 0.05) return;
  looks.push({ at, rows: new Map(runs.map((run) => [run.id, total(run, "rows")])) });
  while (looks[0].at < at - MEASURED) looks.shift();
}

/** The rows per second of a run that is under way. */
function paceOf(run) {
  if (run.state !== "running") return null;
  const [first, last] = [looks.find(({ rows }) => rows.has(run.id)), looks.at(-1)];
  const time = first ? last.at - first.at : 0;
  return time > 0 ? Math.max(0, total(run, "rows") - first.rows.get(run.id)) / time : null;
}

/** Lines one below the other, and how many more there would be. */
function lines(texts) {
  const more = texts.length - MAX_LINES;
  return [...texts.slice(0, MAX_LINES), ...(more > 0 ? [`and ${more} more`] : [])].map((text) => make("div", {}, text));
}

/** Shows a table with as many rows as it may have, and tells how many it has not. */
function fillBounded(name, heads, rows, numbers) {
  fillTable(byId(name), heads, rows.slice(0, MAX_ROWS), numbers);
  const more = rows.length - MAX_ROWS;
  byId(`${name}-more`).textContent = more > 0 ? `and ${more} more` : "";
}

function workerRow({ name, is_alive: isAlive, age, silent, slots, units }) {
  const standing = isAlive ? `for ${uptime(age)}` : `gone, silent for ${uptime(silent)}`;
  const work = listOf(units).map(({ job, stream, part, since, rows }) =>
    `${job}.${stream} ${part || "whole"}: ${short(rows)} rows, for ${uptime(since)}`);
  return [String(name), make("span", { class: `pill ${isAlive ? "good" : "bad"}` }, standing), `${work.length} of ${slots}`, lines(work)];
}

function runRow(run) {
  const [units, done, running, failed] = ["units", "done", "running", "failed"].map((what) => total(run, what));
  const waiting = run.state === "running" ? Math.max(0, units - done - running - failed) : 0;
  const errors = listOf(run.streams).filter(({ error }) => error).map(({ stream, error }) => `${stream}: ${error}`);
  return [
    String(run.job), make("span", { class: `pill ${RUN_STATES[run.state] ?? ""}` }, String(run.state)), uptime(run.took),
    `${short(done)} of ${short(units)}`, short(running), short(waiting), short(failed), run.cap == null ? "any" : short(run.cap),
    short(total(run, "rows")), rate(paceOf(run)), short(total(run, "pages")), lines(errors),
  ];
}

/** The state of the source in a word, and how that looks. */
function sourceState({ state, age, overview }) {
  if (state === "asking") return ["", "asking"];
  const old = overview && age > OLD ? `, as of ${uptime(age)} ago` : "";
  if (state === "unavailable") return ["bad", `does not answer${old}`];
  return [old ? "warn" : "good", `live${old}`];
}

function showJobs({ at, jobs }) {
  byId("jobs-section").hidden = !jobs;
  if (!jobs) return;
  const [kind, text] = sourceState(jobs);
  [byId("jobs-state").className, byId("jobs-state").textContent] = [`pill ${kind}`, text];
  byId("jobs-parts").hidden = !jobs.overview;
  if (!jobs.overview) return;
  const [workers, runs] = [listOf(jobs.overview.workers), listOf(jobs.overview.runs)];
  noteLook(at - jobs.age, runs);
  const place = Object.keys(RUN_STATES);
  runs.sort((one, other) => place.indexOf(one.state) - place.indexOf(other.state));
  const open = runs.filter(({ state: standing }) => standing === "running");
  const inWork = sum(open.map((run) => total(run, "running")));
  const left = sum(open.map((run) => total(run, "units") - total(run, "done") - total(run, "failed")));
  const alive = workers.filter(({ is_alive: isAlive }) => isAlive).length;
  figures(byId("jobs-figures"), [
    ["Workers", short(alive), workers.length > alive ? `${workers.length - alive} gone` : ""],
    ["Runs under way", short(open.length), `of ${short(runs.length)}`],
    ["Units in work", short(inWork), `${short(Math.max(0, left - inWork))} waiting`],
    ["Rows", rate(looks.length > 1 ? sum(open.map(paceOf)) : null), `in ${MEASURED} s`],
  ]);
  fillBounded("runs",
    ["Job", "State", "For", "Units", "In work", "Waiting", "Failed", "At most", "Rows", "Rows/s", "Pages", "Errors"],
    runs.map(runRow), [3, 4, 5, 6, 7, 8, 9, 10]);
  fillBounded("workers", ["Worker", "Alive", "Slots", "Works on"], workers.map(workerRow), [2]);
}
