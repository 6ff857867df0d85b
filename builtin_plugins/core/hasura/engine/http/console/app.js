// The page itself: what is kept, how requests travel, and which button does what.
const $ = id => document.getElementById(id);
const base = location.pathname.replace(/console\/?$/, "");
const endpoint = new URL(base + "v1/graphql", location.href);
const EXAMPLE = "# Ctrl+Enter runs, Ctrl+Space completes.\nquery {\n  __typename\n}\n";
const keep = (store, key, fallback) => { try { return JSON.parse(store.getItem("graphql." + key)) ?? fallback; } catch { return fallback; } };
const save = (store, key, value) => { try { store.setItem("graphql." + key, JSON.stringify(value)); } catch { /* storage is off or full */ } };

let schema = null, running = null, socket = null;
// Headers may hold secrets, so they end with the tab; queries are kept longer.
let headers = keep(sessionStorage, "headers", [["x-hasura-admin-secret", ""], ["x-hasura-role", ""]]);
$("endpoint").textContent = endpoint.href;

const colourQuery = text => {
  const unknown = new Set(walk(text, schema).unknown.map(token => token.start));
  return tokens(text).map(token => span(token.kind === "mark" || token.kind === "space" ? "" : token.kind + (unknown.has(token.start) ? " unknown" : ""), token.value)).join("");
};
const query = new Editor($("query"), {
  label: "Operation", value: keep(localStorage, "query", EXAMPLE), colour: colourQuery,
  suggest: (text, place) => suggestions(text, place, schema), changed: text => save(localStorage, "query", text),
});
const variables = new Editor($("variables"), {
  label: "Variables as JSON", value: keep(localStorage, "variables", "{}"), colour: colourJSON, changed: text => { save(localStorage, "variables", text); check(); },
});
const explorer = new Explorer($("side"), {
  insert: item => {
    const type = schema.types[named(item.type)], needs = (item.args || []).filter(arg => arg.type.kind === "NON_NULL");
    const args = needs.length ? "(" + needs.map(arg => arg.name + ": ").join(", ") + ")" : "";
    const indent = /[^\n]*$/.exec(query.value.slice(0, query.area.selectionStart))[0].match(/^\s*/)[0];
    const inner = type && type.fields ? ` {\n${indent}  ${Object.keys(type.fields).includes("id") ? "id" : "__typename"}\n${indent}}` : "";
    query.write(item.name + args + inner + "\n" + indent);
  },
  restore: entry => { query.value = entry.query; variables.value = entry.variables; query.area.focus(); },
});

function given() {
  return Object.fromEntries(headers.filter(([name, value]) => name.trim() && value !== "").map(([name, value]) => [name.trim(), value]));
}
function parsed() {
  const text = variables.value.trim();
  return text ? JSON.parse(text) : {};
}
function check() {
  try { parsed(); $("hint").textContent = ""; $("hint").className = ""; }
  catch (error) { $("hint").textContent = "Variables: " + error.message; $("hint").className = "bad"; }
}
function drawHeaders() {
  const changed = () => { save(sessionStorage, "headers", headers); clearTimeout(drawHeaders.later); drawHeaders.later = setTimeout(introspect, 500); };
  const rows = headers.map((pair, index) => {
    const name = make("input", {value: pair[0], placeholder: "Name", ariaLabel: "Header name", spellcheck: false});
    const secret = /secret|authorization/i.test(pair[0]);
    const value = make("input", {value: pair[1], placeholder: "Value", ariaLabel: `Value of ${pair[0] || "the header"}`, type: secret ? "password" : "text", autocomplete: "off"});
    const gone = make("button", {textContent: "×", ariaLabel: "Remove the header"});
    name.addEventListener("input", () => { pair[0] = name.value; changed(); });
    value.addEventListener("input", () => { pair[1] = value.value; changed(); });
    gone.addEventListener("click", () => { headers.splice(index, 1); changed(); drawHeaders(); });
    return make("div", {}, name, value, gone);
  });
  const more = make("button", {textContent: "Add a header"});
  more.addEventListener("click", () => { headers.push(["", ""]); drawHeaders(); });
  $("headers").replaceChildren(...rows, make("div", {}, more));
}

async function post(body, signal) {
  const reply = await fetch(endpoint, {method: "POST", headers: {"content-type": "application/json", ...given()}, body: JSON.stringify(body), signal});
  return {status: reply.status, text: await reply.text()};
}
async function introspect() {
  try {
    const {text} = await post({query: INTROSPECTION});
    const found = JSON.parse(text);
    schema = found.data ? readSchema(found.data.__schema) : null;
    explorer.use(schema, found.errors ? "The schema cannot be read: " + found.errors[0].message + ". Give the admin secret, or a role's token, under Headers." : "");
    if (!schema && !Object.keys(given()).length) tab("headers");
  } catch (error) { schema = null; explorer.use(null, "The server does not answer: " + error.message); }
  query.draw();
}

function answer(text, status, good = true) {
  try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it is */ }
  // Colouring a very long answer would hold the page up.
  if (text.length < 400000) $("answer").innerHTML = colourJSON(text); else $("answer").textContent = text;
  $("status").textContent = status;
  $("status").className = good ? "" : "bad";
}
const size = text => text.length < 2000 ? `${text.length} B` : `${(text.length / 1000).toFixed(1)} kB`;

// The operation the cursor is in, where the text has several.
function chosen() {
  const {operations} = walk(query.value, schema), place = query.area.selectionStart;
  const real = operations.filter(item => item.kind !== "fragment");
  return real.find(item => place >= item.start && place <= (item.end ?? Infinity)) || real[0] || {kind: "query"};
}
function remember(text, values) {
  const entries = keep(localStorage, "history", []).filter(entry => entry.query !== text || entry.variables !== values);
  save(localStorage, "history", [{query: text, variables: values, at: Date.now()}, ...entries].slice(0, 50));
  if (explorer.history) showHistory();
}
const busy = on => { $("run").textContent = on ? "Stop" : "Run"; };

async function run() {
  if (running || socket) { stop(); return; }
  let values;
  try { values = parsed(); } catch (error) { answer("The variables are not JSON: " + error.message, "not sent", false); return; }
  const operation = chosen(), body = {query: query.value, variables: values, operationName: operation.name};
  remember(query.value, variables.value);
  if (operation.kind === "subscription") { subscribe(body); return; }
  running = new AbortController();
  busy(true);
  const started = performance.now();
  try {
    const {status, text} = await post(body, running.signal);
    answer(text, `${status} · ${Math.round(performance.now() - started)} ms · ${size(text)}`, status < 400 && !/^\s*\{"errors"/.test(text));
  } catch (error) { answer(error.name === "AbortError" ? "Stopped." : "The server does not answer: " + error.message, "", false); }
  running = null;
  busy(false);
  if (operation.kind === "mutation" && !schema) introspect();
}
function stop() {
  running && running.abort();
  if (socket) { socket.onclose = null; socket.close(); socket = null; $("status").textContent += " · stopped"; }
  busy(false);
}
function subscribe(body) {
  const url = new URL(endpoint);
  url.protocol = url.protocol.replace("http", "ws");
  const open = socket = new WebSocket(url, "graphql-transport-ws"), send = message => open.send(JSON.stringify(message));
  let count = 0;
  busy(true);
  answer("Waiting for the first event …", "connecting");
  open.onopen = () => send({type: "connection_init", payload: {headers: given()}});
  open.onmessage = event => {
    const message = JSON.parse(event.data);
    if (message.type === "connection_ack") send({type: "subscribe", id: "1", payload: body});
    else if (message.type === "ping") send({type: "pong"});
    else if (message.type === "next") answer(JSON.stringify(message.payload), `event ${++count} · ${new Date().toLocaleTimeString()}`);
    else if (message.type === "error") { answer(JSON.stringify({errors: message.payload}), "refused", false); stop(); }
    else if (message.type === "complete") stop();
  };
  open.onclose = event => { if (socket === open) { socket = null; busy(false); if (!count) answer(event.reason || "The connection was closed.", `closed ${event.code}`, false); } };
}

function tab(name) {
  for (const button of document.querySelectorAll("[data-tab]")) {
    const on = button.dataset.tab === name;
    button.setAttribute("aria-selected", on);
    $(button.dataset.tab).hidden = !on;
  }
}
function showHistory() {
  explorer.showHistory(keep(localStorage, "history", []), () => { save(localStorage, "history", []); showHistory(); });
}
function side(which) {
  const was = $(which).getAttribute("aria-expanded") === "true";
  for (const id of ["show-docs", "show-history"]) $(id).setAttribute("aria-expanded", id === which && !was);
  document.querySelector("main").classList.toggle("plain", was);
  if (which === "show-docs") explorer.draw(); else showHistory();
}
$("run").onclick = run;
$("prettify").onclick = () => { query.value = prettify(query.value); };
$("copy").onclick = () => navigator.clipboard && navigator.clipboard.writeText($("answer").textContent);
$("show-docs").onclick = () => side("show-docs");
$("show-history").onclick = () => side("show-history");
for (const button of document.querySelectorAll("[data-tab]")) button.onclick = () => tab(button.dataset.tab);
addEventListener("keydown", event => {
  const control = event.ctrlKey || event.metaKey;
  if (control && event.key === "Enter") { event.preventDefault(); run(); }
  if (control && event.shiftKey && event.key.toLowerCase() === "f") { event.preventDefault(); $("prettify").click(); }
});
drawHeaders();
check();
explorer.draw();
introspect();
