// The page of the API: shows the OpenAPI document, and tries what is read.

const MAX_SHOWN_CHARS = 256 * 1024;
const TIMEOUT_MS = 30_000;
const METHODS = ["get", "post", "put", "patch", "delete"];
let api = {};

/** What a reference within the document leads to, or the value itself. */
function resolve(value) {
  for (let steps = 0; value?.$ref && steps < 8; steps += 1) {
    const path = value.$ref.replace(/^#\//, "").split("/");
    value = path.reduce((at, key) => at?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], api);
  }
  return value ?? {};
}

/** The id of an element for a name that may have any characters. */
const idOf = (kind, name) => `${kind}-${encodeURIComponent(name)}`;

/** A link to a place of this page: ids are percent-encoded, so their percent signs are too. */
const link = (id, ...children) => make("a", { href: `#${encodeURIComponent(id)}` }, children);

/** The type of a schema, references as links: they are never followed, so they may lead in circles. */
function typeOf(schema, depth = 0) {
  if (!schema || depth > 4) return ["anything"];
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [link(idOf("schema", name), name)];
  }
  if (schema.const !== undefined) return [make("code", {}, JSON.stringify(schema.const))];
  if (schema.enum) return schema.enum.flatMap((value, nth) => [nth ? " or " : null, make("code", {}, String(value))]);
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.flatMap((one, nth) => [nth ? " or " : null, typeOf(one, depth + 1)].flat());
  const types = [schema.type ?? []].flat();
  if (types.includes("array")) return ["list of ", ...typeOf(schema.items, depth + 1)];
  return [types.join(" or ") || "anything", schema.format ? ` (${schema.format})` : null];
}

/** The bounds and the default of a schema, as a note. */
function boundsOf(schema) {
  const parts = [
    ["minimum", "at least"], ["maximum", "at most"], ["minLength", "characters, at least"],
    ["maxLength", "characters, at most"], ["minItems", "items, at least"], ["maxItems", "items, at most"],
    ["pattern", "matches"], ["default", "default"],
  ].filter(([key]) => schema?.[key] !== undefined).map(([key, text]) => `${text} ${schema[key]}`);
  return parts.length ? make("span", { class: "note" }, parts.join(", ")) : null;
}

/** The members of an object, or the type of anything else. */
function shapeOf(caption, head, schema) {
  if (schema?.$ref || !schema?.properties) return make("p", {}, typeOf(schema));
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties).map(([name, member]) => [
    [make("code", {}, name), required.has(name) ? make("span", { class: "note" }, "required") : null],
    [...typeOf(member), boundsOf(member)],
  ]);
  return rows.length ? table(caption, [head, "Type"], rows) : make("p", {}, "an empty object");
}

/** A value that fits a schema, as far as one can be made up: no deeper than a few levels. */
function exampleOf(given, depth = 0) {
  const schema = resolve(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.oneOf ?? schema.anyOf) return exampleOf((schema.oneOf ?? schema.anyOf)[0], depth);
  const type = [schema.type ?? []].flat()[0];
  if (type === "object" || schema.properties) {
    if (depth > 3) return {};
    const names = Object.keys(schema.properties ?? {});
    const wanted = names.filter((name) => (schema.required ?? names).includes(name));
    return Object.fromEntries((wanted.length ? wanted : names.slice(0, 1))
      .map((name) => [name, exampleOf(schema.properties[name], depth + 1)]));
  }
  if (type === "array") return depth > 3 ? [] : [exampleOf(schema.items, depth + 1)];
  return { integer: schema.minimum ?? 1, number: 1.5, boolean: true, null: null }[type] ?? "text";
}

/** One word for a POSIX shell, whatever it has. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curlOf(method, path, headers, body) {
  const parts = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${quoted(base + path)}`];
  if (needsToken) parts.push('-H "Authorization: Bearer $TOKEN"');
  for (const [name, value] of Object.entries(headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) parts.push(`--data ${quoted(JSON.stringify(body))}`);
  return parts.join(" \\\n  ");
}

/** The path of a template with values in it, each encoded whole: a slash stays in its segment. */
function pathOf(template, parameters, values) {
  const query = [];
  let path = template.replace(/^\//, "");
  for (const { name, in: place } of parameters) {
    const value = values[name] ?? "";
    if (place === "path") {
      const text = value || name.toUpperCase();
      // A browser takes both for folders, however they are encoded.
      if (text === "." || text === "..") throw new Error(`${name}: a browser cannot ask for ${text}`);
      path = path.replace(`{${name}}`, () => encodeURIComponent(text));
    } else if (place === "query" && value !== "") {
      query.push(`${encodeURIComponent(name)}=${encodeURIComponent(value).replaceAll("%2C", ",")}`);
    }
  }
  return query.length ? `${path}?${query.join("&")}` : path;
}

function fieldOf(id, parameter) {
  const schema = resolve(parameter.schema);
  const required = parameter.required === true;
  const isNumber = [schema.type].flat().includes("integer");
  const input = schema.enum
    ? make("select", { id }, make("option", { value: "" }, "–"), schema.enum.map((value) => make("option", {}, String(value))))
    : make("input", {
      id, required, autocomplete: "off", spellcheck: "false", type: isNumber ? "number" : "text",
      min: isNumber ? schema.minimum : null, max: isNumber ? schema.maximum : null,
      placeholder: schema.items?.enum?.slice(0, 3).join(",") ?? null,
    });
  return [make("div", {}, make("label", { for: id }, parameter.name, required ? " (required)" : ""), input), input];
}

/** Reads at most so much of an answer: a stream need not end. */
async function textOf(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (reader && text.length < MAX_SHOWN_CHARS) {
    const { done, value } = await reader.read();
    text += decoder.decode(value, { stream: !done });
    if (done) return { text, isWhole: true };
  }
  await reader?.cancel();
  return { text, isWhole: !reader };
}

/** Asks, and shows the outcome in one line, which is announced, and the answer below it. */
async function show(outcome, place, path, headers) {
  outcome.replaceChildren(make("span", { class: "muted" }, "Asking …"));
  place.replaceChildren();
  const started = performance.now();
  try {
    const response = await ask(path, headers, AbortSignal.timeout(TIMEOUT_MS));
    const { text, isWhole } = await textOf(response);
    const type = response.headers.get("content-type") ?? "";
    const isText = /json|text|xml/.test(type) || text === "";
    let shown = isText ? text : "Not shown, since it is not text.";
    if (/[/+]json/.test(type) && isWhole) {
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
    }
    if (!isWhole) shown += "\n… the rest is not shown";
    const fields = ["content-type", "etag", "location", "age", "ratelimit", "retry-after", "x-request-id"]
      .map((name) => [name, response.headers.get(name)]).filter(([, value]) => value !== null);
    outcome.replaceChildren(
      make("span", { class: `pill ${response.ok ? "good" : "bad"}` }, `${response.status} ${response.statusText}`),
      make("span", { class: "muted" }, ` after ${Math.round(performance.now() - started)} ms`));
    place.replaceChildren(
      make("pre", { tabindex: 0, "aria-label": "Header fields of the answer" }, fields.map(([name, value]) => `${name}: ${value}`).join("\n")),
      shown ? make("pre", { tabindex: 0, "aria-label": "Body of the answer" }, shown) : make("p", { class: "muted" }, "The answer has no body."));
  } catch (error) {
    const text = error.name === "TimeoutError" ? "There was no whole answer within 30 s." : `There was no answer: ${error.message}`;
    outcome.replaceChildren(make("span", { class: "failure" }, text));
  }
}

/** The example for curl, and for what is read a form to try it. */
function trialOf(id, method, template, parameters, operation) {
  const content = operation.requestBody?.content ?? {};
  const bodyType = Object.keys(content)[0];
  const isJson = bodyType === "application/json";
  const accepted = Object.keys(resolve(operation.responses?.["200"]).content ?? {}).filter((type) => !type.includes("*"));
  const headers = () => {
    const all = accept?.value ? { Accept: accept.value } : {};
    if (bodyType) all["Content-Type"] = isJson ? bodyType : "text/plain";
    return all;
  };
  const body = isJson ? exampleOf(content[bodyType].schema) : bodyType ? "text" : undefined;
  const fields = method === "get" ? parameters.map((parameter) => [parameter, ...fieldOf(`${id}-${parameter.in}-${parameter.name}`, parameter)]) : [];
  const accept = method === "get" && accepted.length > 1
    ? make("select", { id: `${id}-accept` }, accepted.map((type) => make("option", {}, type))) : null;
  const values = () => Object.fromEntries(fields.map(([{ name }, , input]) => [name, input.value]));
  const required = parameters.filter((parameter) => parameter.required && parameter.in === "query");
  const given = () => method === "get" ? values() : Object.fromEntries(required.map(({ name }) => [name, `eq.${name.toUpperCase()}`]));
  const code = make("code");
  const copy = make("button", { type: "button" }, "Copy");
  const refresh = () => {
    try { code.textContent = curlOf(method, pathOf(template, parameters, given()), headers(), body); } catch (error) { code.textContent = `# ${error.message}`; }
  };
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(code.textContent);
    copy.textContent = navigator.clipboard ? "Copied" : "Select it";
    setTimeout(() => { copy.textContent = "Copy"; }, 2_000);
  });
  refresh();
  const example = [make("h3", {}, "Example"), make("div", { class: "with-button" }, make("pre", { tabindex: 0, "aria-label": "The request with curl" }, code), copy)];
  if (method !== "get") return example;
  const outcome = make("p", { role: "status" });
  const answer = make("div", { class: "answer" });
  const form = make("form", { "aria-label": `Try ${template}` },
    make("div", { class: "fields" }, fields.map(([, field]) => field),
      accept ? make("div", {}, make("label", { for: accept.id }, "Accept"), accept) : null),
    make("button", { class: "primary" }, "Send the request"));
  form.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    try {
      show(outcome, answer, pathOf(template, parameters, values()), headers());
    } catch (error) {
      outcome.replaceChildren(make("span", { class: "failure" }, error.message));
    }
  });
  return [...example, make("h3", {}, "Try it"), form, outcome, answer];
}

function operationOf(method, template, item, operation) {
  const id = idOf("operation", operation.operationId ?? `${method} ${template}`);
  const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map(resolve);
  const card = make("details", { class: "card", id }, make("summary", {},
    make("span", { class: `method ${method}` }, method.toUpperCase()),
    make("code", { class: "path" }, template),
    make("span", { class: "muted" }, operation.summary ?? operation.description ?? "")));
  card.dataset.words = [method, template, operation.summary, operation.operationId, ...parameters.map(({ name }) => name)].join(" ").toLowerCase();
  // Made when it is first opened: a large document has many.
  card.addEventListener("toggle", () => {
    if (!card.open || card.querySelector(".inside")) return;
    const content = Object.entries(resolve(operation.requestBody).content ?? {});
    const rows = parameters.map((parameter) => [
      [make("code", {}, parameter.name), make("span", { class: "note" }, parameter.in, parameter.required ? ", required" : "")],
      [...typeOf(parameter.schema), boundsOf(parameter.schema), parameter.description ? make("span", { class: "note" }, parameter.description) : null],
    ]);
    const answers = Object.entries(operation.responses ?? {}).map(([status, given]) => {
      const response = resolve(given);
      const kinds = Object.entries(response.content ?? {}).flatMap(([type, { schema }]) => [make("code", {}, type), " ", ...typeOf(schema), make("br")]);
      return [status === "default" ? "otherwise" : status, response.description ?? "", kinds];
    });
    card.append(make("div", { class: "inside" },
      operation.summary && operation.description ? make("p", {}, operation.description) : null,
      rows.length ? [make("h3", {}, "Parameters"), table("Parameters", ["Name", "Type"], rows)] : null,
      content.length ? [make("h3", {}, "Body"), content.map(([type, { schema }]) => [make("p", {}, make("code", {}, type)), shapeOf("Members of the body", "Member", schema)])] : null,
      make("h3", {}, "Answers"), table("Answers", ["Status", "Meaning", "Content"], answers),
      trialOf(id, method, template, parameters, operation)));
  });
  return card;
}

function schemaOf(name, schema) {
  return make("details", { class: "card", id: idOf("schema", name) },
    make("summary", {}, make("code", { class: "path" }, name)),
    make("div", { class: "inside" }, shapeOf(`Members of ${name}`, "Member", schema)));
}

/** Opens and shows the card that the address of the page names. */
function follow() {
  let id = "";
  try { id = decodeURIComponent(location.hash.slice(1)); } catch { return; }
  const card = id && byId(id);
  if (!card) return;
  if (card.matches("details")) card.open = true;
  card.scrollIntoView();
}

function render() {
  byId("title").textContent = api.info?.title ?? "API";
  const groups = new Map();
  for (const [template, item] of Object.entries(api.paths ?? {})) {
    for (const method of METHODS.filter((name) => item[name])) {
      const group = item[method].tags?.[0] ?? "The gateway";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push([method, template, operationOf(method, template, item, item[method])]);
    }
  }
  // Tables first, and last what has no group.
  const rank = (group) => (api.components?.schemas?.[`${group}.Row`] ? 0 : group === "The gateway" ? 2 : 1);
  const ordered = [...groups].sort(([a], [b]) => rank(a) - rank(b));
  const schemas = Object.entries(api.components?.schemas ?? {});
  const columns = (group) => {
    const rows = api.components?.schemas?.[`${group}.Row`];
    return rows ? shapeOf(`Columns of ${group}`, "Column", { ...rows, required: [] }) : null;
  };
  byId("main").replaceChildren(
    ...ordered.map(([group, operations]) => make("section", { id: idOf("group", group) },
      make("h2", {}, group), columns(group), operations.map(([, , card]) => card))),
    make("section", { id: "schemas" }, make("h2", {}, "Schemas"), schemas.map(([name, schema]) => schemaOf(name, schema))));
  byId("contents").replaceChildren(
    ...ordered.map(([group, operations]) => make("section", {},
      make("h2", {}, link(idOf("group", group), group)),
      make("ul", {}, operations.map(([method, template, card]) => make("li", {}, link(card.id, make("span", { class: `method ${method}` }, method.toUpperCase()), template)))))),
    make("section", {}, make("h2", {}, link("schemas", "Schemas"))));
  byId("content").hidden = false;
  filter();
  follow();
}

/** Hides the operations without the word that is searched for. */
function filter() {
  const word = byId("search").value.trim().toLowerCase();
  for (const card of document.querySelectorAll("details[data-words]")) {
    card.hidden = !card.dataset.words.includes(word);
    const entry = byId("contents").querySelector(`a[href="#${CSS.escape(encodeURIComponent(card.id))}"]`);
    if (entry) entry.parentElement.hidden = card.hidden;
  }
}

async function load() {
  byId("content").hidden = true;
  if (needsToken && !token) { notice(TOKEN_WANTED); return; }
  notice("Reading the description …");
  try {
    const response = await ask("openapi.json", { Accept: "application/json" }, AbortSignal.timeout(TIMEOUT_MS));
    if (response.status === 401) refuseToken();
    if (!response.ok) { notice(`The description was refused – ${await problemOf(response)}`, true); return; }
    api = await response.json();
    notice("");
    render();
  } catch (error) {
    notice(`The description could not be read: ${error.message}`, true);
  }
}

const refuseToken = login(load);
byId("search").addEventListener("input", filter);
addEventListener("hashchange", follow);
load();
