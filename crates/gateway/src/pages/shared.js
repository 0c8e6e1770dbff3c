// What both pages need: elements, the token, and requests that carry it. Texts become text nodes
// and never markup.

const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(2).filter((child) => child != null && child !== false));
  return element;
}

/** An element of HTML with these attributes and children. */
function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same of SVG. */
function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** Puts rows into a table: each is a list of cells, whose first is its head. */
function fillTable(element, heads, rows, numbers = []) {
  const kind = (column) => (numbers.includes(column) ? "number" : null);
  const head = heads.map((text, nth) => make("th", { scope: "col", class: kind(nth) }, text));
  const cells = (row) => row.map((cell, nth) =>
    make(nth ? "td" : "th", { scope: nth ? null : "row", class: kind(nth) }, cell));
  element.replaceChildren(
    make("thead", {}, make("tr", {}, head)),
    make("tbody", {}, rows.map((row) => make("tr", {}, cells(row)))));
}

/** A table in a frame that scrolls by itself. */
function table(caption, heads, rows) {
  const element = make("table");
  fillTable(element, heads, rows);
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, element);
}

/** Where the gateway is: the folder of this page. */
const base = new URL(".", location.href).href;
const needsToken = document.documentElement.dataset.credentials === "needed";
// In this variable and nowhere else: it is gone with the page.
let token = "";

/** Requests a path below the gateway's prefix, with the token if there is one. */
function ask(path, headers = {}, signal = null) {
  const all = new Headers(headers);
  if (token) all.set("Authorization", `Bearer ${token}`);
  return fetch(base + path, {
    headers: all, signal, cache: "no-store", credentials: "omit", redirect: "error",
  });
}

function notice(text, isBad = false) {
  const element = byId("notice");
  element.textContent = text;
  element.classList.toggle("bad", isBad);
}

/** What a failed answer says, in one sentence. */
async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const parts = [told.title, told.detail].filter((part) => typeof part === "string");
  return `${response.status}: ${parts.join(" – ") || response.statusText || "no more is known"}`;
}

/** Shows the form for the token, and calls `changed` when one is given or forgotten. What it returns
    takes back a token that was refused. */
function login(changed) {
  const form = byId("login");
  form.hidden = !needsToken;
  const show = () => {
    if (token) {
      const forget = make("button", { type: "button" }, "Forget the token");
      forget.addEventListener("click", () => { token = ""; show(); changed(); });
      form.replaceChildren(make("span", { class: "muted" }, "A token is in use"), forget);
      return;
    }
    const input = make("input", {
      id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true,
      maxlength: 4096, pattern: "[!-~]+", title: "visible ASCII without spaces",
    });
    form.replaceChildren(make("label", { for: "token" }, "Token"), input,
      make("button", { class: "primary" }, "Use"));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (token) return;
    token = byId("token").value;
    show();
    changed();
  });
  show();
  return () => { token = ""; form.hidden = false; show(); };
}

const TOKEN_WANTED = "Give a token to go on. It stays in this page's memory and is sent to this gateway alone.";
