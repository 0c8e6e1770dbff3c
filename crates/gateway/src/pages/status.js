// The page of the status: follows the events of the gateway and draws what they say.

/** How far back latencies are looked at, in seconds. */
const RECENT = 10;
/** Without an event for so long a connection is given up, in milliseconds. */
const SILENCE = 15_000;
const samples = [];
const points = [];
let running = null;
let isPaused = false;
let failures = 0;

/** Reads events (text/event-stream) from the parts of a body: `tell` gets their name and data. */
function eventReader(tell) {
  const decoder = new TextDecoder();
  let rest = "";
  let name = "";
  let data = [];
  return (part) => {
    rest += decoder.decode(part, { stream: true });
    // A carriage return at the end may be half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (data.length) tell(name || "message", data.join("\n"));
        [name, data] = ["", []];
        continue;
      }
      const [, field, value] = line.match(/^([^:]*):? ?(.*)$/s);
      if (field === "event") name = value;
      if (field === "data") data.push(value);
    }
  };
}

function state(text, kind, since = "") {
  const element = byId("state");
  if (element.textContent !== text) element.textContent = text;
  element.className = `pill ${kind}`;
  byId("since").textContent = since;
}

const sum = (values) => values.reduce((all, value) => all + value, 0);
/** The streams of this page are left out: they would be what is seen. */
const routesOf = (sample) => sample.gateway.routes.filter(({ route }) => route !== "/status/events");
const statusesOf = (sample) => [0, 1, 2, 3, 4].map((nth) => sum(routesOf(sample).map(({ statuses }) => statuses[nth])));

/** The time within which a share of the answers between two samples was ready: between bounds. */
function quantile(now, before, share) {
  const all = (sample) => routesOf(sample).reduce((counts, { durations }) => counts.map((count, nth) => count + durations[nth]),
    new Array(now.bounds.length + 1).fill(0));
  const earlier = all(before);
  const counts = all(now).map((count, nth) => Math.max(0, count - earlier[nth]));
  let left = share * sum(counts);
  if (left === 0) return null;
  for (const [nth, count] of counts.entries()) {
    const [from, to] = [now.bounds[nth - 1] ?? 0, now.bounds[nth] ?? now.bounds.at(-1)];
    if (left <= count) return from + (to - from) * (left / count);
    left -= count;
  }
  return now.bounds.at(-1);
}

/** What the curves show of a sample, from how it differs from those before it. */
function pointOf(sample) {
  const last = samples.at(-1);
  const time = last ? sample.at - last.at : 0;
  const each = (now, before) => (time > 0 ? Math.max(0, now - before) / time : null);
  const [now, before] = [statusesOf(sample), last ? statusesOf(last) : []];
  const back = samples.find(({ at }) => at >= sample.at - RECENT) ?? last;
  const { gateway } = sample;
  const asked = last ? gateway.cache_hits + gateway.cache_misses - last.gateway.cache_hits - last.gateway.cache_misses : 0;
  return {
    at: sample.at,
    good: each(now[1] + now[2], before[1] + before[2]),
    refused: each(now[3], before[3]),
    failed: each(now[4], before[4]),
    p50: back ? quantile(sample, back, 0.5) : null,
    p99: back ? quantile(sample, back, 0.99) : null,
    inFlight: gateway.in_flight,
    hits: last ? each(gateway.cache_hits, last.gateway.cache_hits) : null,
    misses: last ? each(gateway.cache_misses, last.gateway.cache_misses) : null,
    hitShare: asked > 0 ? (gateway.cache_hits - last.gateway.cache_hits) / asked : null,
    pools: Object.fromEntries(Object.entries(sample.pools).filter(([, pool]) => pool).map(([name, { total, recent }]) => [name, {
      attempts: recent ? recent.attempts / recent.elapsed : null,
      limited: recent ? recent.rate_limited / recent.elapsed : null,
      allowed: total.rate,
      p50: recent?.latency.count ? recent.latency.p50 : null,
      p99: recent?.latency.count ? recent.latency.p99 : null,
    }])),
  };
}

const charts = [
  new Chart("Answers", rate, [["good", (p) => p.good], ["4xx", (p) => p.refused], ["5xx", (p) => p.failed]]),
  new Chart("Time to answer", seconds, [["p50", (p) => p.p50], ["p99", (p) => p.p99]]),
  new Chart("In flight", short, [["requests", (p) => p.inFlight]]),
  new Chart("Cache", rate, [["hits", (p) => p.hits], ["misses", (p) => p.misses]]),
];
byId("charts").append(...charts.map(({ element }) => element));
const pools = new Map();

function figures(list, values) {
  if (list.childElementCount !== values.length) {
    list.replaceChildren(...values.map(([name]) => make("div", {}, make("dt", {}, name), make("dd"))));
  }
  values.forEach(([, value, note], nth) => {
    list.children[nth].lastElementChild.replaceChildren(value, note ? make("small", {}, ` ${note}`) : "");
  });
}

/** The part of a pool, whose charts stay when it is shown again. */
function poolPart(name) {
  if (!pools.has(name)) {
    const read = (what) => (point) => point.pools[name]?.[what];
    const part = {
      breaker: make("span", { class: "pill" }), figures: make("dl", { class: "figures" }), workers: make("table"),
      charts: [
        new Chart(`${name}: requests to the API`, rate, [["sent", read("attempts")], ["allowed", read("allowed")], ["refused", read("limited")]]),
        new Chart(`${name}: latency of the API`, seconds, [["p50", read("p50")], ["p99", read("p99")]]),
      ],
    };
    byId("pools").append(make("section", { class: "pool", "aria-label": `Pool ${name}` }, make("h3", {}, name, part.breaker), part.figures,
      make("div", { class: "charts" }, part.charts.map(({ element }) => element)), make("h3", {}, "Workers"),
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Workers of ${name}` }, part.workers)));
    pools.set(name, part);
  }
  return pools.get(name);
}

const BREAKER = { closed: ["good", "breaker closed"], open: ["bad", "breaker open"] };

function showPool(name, pool) {
  const part = poolPart(name);
  if (!pool) { [part.breaker.className, part.breaker.textContent] = ["pill bad", "does not answer"]; return; }
  const { total } = pool;
  const [kind, text] = BREAKER[total.breaker] ?? ["warn", `breaker ${total.breaker.replaceAll("_", " ")}`];
  [part.breaker.className, part.breaker.textContent] = [`pill ${kind}`, text];
  const latest = points.at(-1).pools[name];
  figures(part.figures, [
    ["Workers", `${total.serving}`, `of ${total.size}`],
    ["Calls", rate(pool.recent ? (pool.recent.calls_ok + pool.recent.calls_failed) / pool.recent.elapsed : null), `${short(total.calls_open)} open`],
    ["Failed calls", short(total.calls_failed), `of ${short(total.calls_ok + total.calls_failed)}`],
    ["Allowed rate", total.rate == null ? "any" : rate(total.rate), total.rate_limit == null ? "" : `limit ${rate(total.rate_limit)}`],
    ["Refused by the API", short(total.rate_limited), `retries ${short(total.retries)}`],
    ["Latency", seconds(latest?.p50), `p99 ${seconds(latest?.p99)}`],
    ["Connections", short(total.connections_open), `opened ${short(total.connections_opened)}`],
    ["Received", bytes(total.bytes_received), `worker restarts ${short(total.worker_restarts)}`],
  ]);
  for (const chart of part.charts) chart.show(points);
  fillTable(part.workers, ["Worker", "Calls", "Failed", "Attempts", "Restarts", "p50", "p99"],
    total.workers.map(({ worker, calls_ok: ok, calls_failed: failed, attempts, restarts, latency }) =>
      [String(worker), short(ok), short(failed), short(attempts), short(restarts), seconds(latency.p50), seconds(latency.p99)]), [1, 2, 3, 4, 5, 6]);
}

function showRoutes(sample) {
  const rows = sample.gateway.routes.map(({ route, statuses, seconds: time }) => {
    const count = sum(statuses);
    return [make("code", {}, route), ...[count, statuses[1], statuses[2], statuses[3], statuses[4]].map(short), seconds(count ? time / count : null)];
  });
  fillTable(byId("routes"), ["Route", "Answers", "2xx", "3xx", "4xx", "5xx", "Mean"], rows, [1, 2, 3, 4, 5, 6]);
}

function show(sample) {
  points.push(pointOf(sample));
  samples.push(sample);
  while (points[0].at < sample.at - SPAN) points.shift();
  while (samples[0].at < sample.at - 2 * RECENT) samples.shift();
  const { gateway, kv } = sample;
  const latest = points.at(-1);
  failures = 0;
  notice("");
  byId("content").hidden = false;
  byId("pause").hidden = false;
  state(gateway.draining ? "Draining" : "Live", gateway.draining ? "warn" : "good", `up for ${uptime(sample.at)}`);
  figures(byId("figures"), [
    ["Answers", rate(latest.good == null ? null : latest.good + latest.refused + latest.failed)],
    ["Median time", seconds(latest.p50), `in ${RECENT} s`],
    ["99th percentile", seconds(latest.p99), `in ${RECENT} s`],
    ["In flight", short(gateway.in_flight)],
    ["Cache", latest.hitShare == null ? "–" : `${Math.round(latest.hitShare * 100)} %`, "hits"],
    ["Kept answers", short(gateway.cache_answers), bytes(gateway.cache_bytes)],
  ]);
  for (const chart of charts) chart.show(points);
  byId("pools-section").hidden = Object.keys(sample.pools).length === 0;
  for (const [name, pool] of Object.entries(sample.pools)) showPool(name, pool);
  showJobs(sample);
  byId("kv-section").hidden = !kv;
  if (kv) {
    figures(byId("kv"), [
      ["Store", kv.is_available ? "available" : "unavailable"],
      ["Values", short(kv.values), bytes(kv.value_bytes)],
      ["File", bytes(kv.file_bytes)],
      ["Commits", short(kv.commits), `of ${short(kv.writes)} writes`],
    ]);
  }
  showRoutes(sample);
}

function uptime(time) {
  const [days, hours, minutes] = [Math.floor(time / 86_400), Math.floor(time / 3_600) % 24, Math.floor(time / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(time)} s`;
}

/** Follows one stream to its end: returns after how many seconds to ask again, or null for never. */
async function follow(run) {
  const silence = new AbortController();
  let timer = 0;
  const watch = () => { clearTimeout(timer); timer = setTimeout(() => silence.abort(), SILENCE); };
  let ended = null;
  try {
    watch();
    const signal = AbortSignal.any([run.signal, silence.signal]);
    const response = await ask("status/events", { Accept: "text/event-stream" }, signal);
    if (response.status === 401) refuseToken();
    if (!response.ok) {
      notice(`The status was refused – ${await problemOf(response)}`, true);
      state("Refused", "bad");
      return response.status === 503 || response.status === 429 ? Number(response.headers.get("retry-after")) || 5 : null;
    }
    const read = eventReader((name, data) => {
      if (name === "message") show(JSON.parse(data));
      if (name === "end") ended = JSON.parse(data).reason;
    });
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      watch();
      read(value);
    }
  } catch {
    if (run.signal.aborted) return null;
  } finally {
    clearTimeout(timer);
  }
  if (ended === "renew") return 0;
  failures += 1;
  state(ended === "draining" ? "Ended" : "Connection lost", "bad", "trying again");
  return Math.min(15, 2 ** failures) * (0.5 + Math.random() / 2);
}

/** Follows streams, one after the other, until it is paused, hidden or refused. */
async function run() {
  stop();
  if (needsToken && !token) {
    byId("content").hidden = true;
    state("Waiting", "");
    notice(TOKEN_WANTED);
    return;
  }
  if (isPaused || document.hidden) return;
  const own = new AbortController();
  running = own;
  state("Connecting", "");
  while (!own.signal.aborted) {
    const wait = await follow(own);
    if (wait === null) return;
    await new Promise((resolve) => { setTimeout(resolve, wait * 1_000); });
  }
}

function stop() {
  running?.abort();
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  byId("pause").textContent = isPaused ? "Go on" : "Pause";
  if (isPaused) { stop(); state("Paused", "warn"); } else { run(); }
});
document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else run(); });
const refuseToken = login(run);
run();
