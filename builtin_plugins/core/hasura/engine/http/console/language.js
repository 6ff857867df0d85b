// GraphQL text: its tokens, where a place in it stands in the schema, and how it is laid out.
const TOKEN = /#[^\n\r]*|"""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|\.\.\.|\$[_A-Za-z]\w*|@[_A-Za-z]\w*|[_A-Za-z]\w*|-?\d[\d.eE+-]*|[{}()[\]:=!|&$@]|[\s,\ufeff]+|[^]/g;
const WORDS = new Set(["query", "mutation", "subscription", "fragment", "on", "true", "false", "null"]);

function tokens(text) {
  return [...text.matchAll(TOKEN)].map(match => {
    const value = match[0], first = value[0];
    const kind = /^[\s,\ufeff]/.test(value) ? "space" : first === "#" ? "faint" : first === '"' ? "string"
      : first === "$" ? "variable" : first === "@" ? "directive" : /^-?\d/.test(value) ? "number"
      : /^[_A-Za-z]/.test(value) ? (WORDS.has(value) ? "keyword" : "name") : "mark";
    return {value, kind, start: match.index, end: match.index + value.length};
  });
}

const named = type => { while (type && type.ofType) type = type.ofType; return type && type.name; };
const shown = type => !type ? "" : type.kind === "NON_NULL" ? shown(type.ofType) + "!"
  : type.kind === "LIST" ? "[" + shown(type.ofType) + "]" : type.name;

// Walks the text up to `until`. The answer is the frame that place is in; fields the schema does not know are collected.
function walk(text, schema, until = Infinity) {
  const unknown = [], operations = [];
  let stack = [{at: "document"}], last = null, operation = null;
  const top = () => stack[stack.length - 1];
  const type = name => schema && schema.types[name];
  for (const token of tokens(text)) {
    if (token.end > until || (token.end === until && /\w$/.test(token.value))) break;
    if (token.kind === "space" || token.kind === "faint") continue;
    const frame = top(), value = token.value;
    if (value === "{") {
      if (frame.at === "document" || frame.at === "head") {
        if (!operation) operations.push(operation = {kind: "query", start: token.start, variables: []});
        stack = [stack[0], {at: "fields", type: frame.on || (schema && schema.roots[operation.kind])}];
      } else if (frame.at === "fields") { stack.push({at: "fields", type: frame.next}); frame.next = null; }
      else stack.push({at: "object", type: frame.next || frame.type});
    } else if (value === "(") {
      stack.push(frame.at === "document" || frame.at === "head" ? {at: "variables"}
        : {at: "arguments", args: (frame.field && frame.field.args) || frame.args || []});
    } else if (value === "[") stack.push({at: "list", type: frame.next || frame.type, next: frame.next || frame.type});
    else if (value === "}" || value === ")" || value === "]") {
      if (stack.length > 1) stack.pop();
      if (operation && top().at === "document") { operation.end = token.end; operation = null; }
      if (top().at !== "fields") top().expecting = false;
    } else if (frame.at === "document" || frame.at === "head") {
      if (frame.at === "document" && /^(query|mutation|subscription|fragment)$/.test(value)) {
        operations.push(operation = {kind: value, start: token.start, variables: []});
        stack.push({at: "head", kind: value});
      } else if (frame.at === "head" && last === "on") frame.on = value;
      else if (frame.at === "head" && operation && !operation.name && token.kind === "name") operation.name = value;
    } else if (frame.at === "variables") {
      if (token.kind === "variable" && last !== "=") { operation && operation.variables.push(value); frame.colon = false; }
      if (value === ":") frame.colon = true;
    } else if (frame.at === "fields") {
      if (token.kind === "directive") frame.args = schema ? (schema.directives[value.slice(1)] || {}).args : [];
      else if (last === "on") stack[stack.length - 1] = {...frame, next: value};
      else if (last === "...") { if (value !== "on") frame.next = null; else frame.next = frame.type; }
      else if (token.kind === "name" || token.kind === "keyword") {
        if (/^\s*:/.test(text.slice(token.end))) { last = value; continue; }
        const owner = type(frame.type);
        frame.field = owner && owner.fields && owner.fields[value];
        frame.args = null;
        frame.next = frame.field ? named(frame.field.type) : null;
        if (owner && owner.fields && !frame.field && !value.startsWith("__")) unknown.push(token);
      } else if (value === "...") frame.next = frame.type;
    } else if (value === ":") frame.expecting = true;
    else if (!frame.expecting && frame.at !== "list") {
      const list = frame.at === "arguments" ? frame.args : Object.values((type(frame.type) || {}).inputs || {});
      const input = (list || []).find(item => item.name === value);
      frame.next = input ? named(input.type) : null;
      frame.whole = input && input.type;
      if (schema && !input && token.kind !== "variable" && (frame.at === "arguments" ? (frame.args || []).length : type(frame.type))) unknown.push(token);
    } else frame.expecting = false;
    last = value;
  }
  return {frame: top(), last, unknown, operations, operation};
}

// What may be written at a place: [{text, note}].
function suggestions(text, place, schema) {
  if (!schema) return [];
  const before = text.slice(0, place), word = /[$@]?\w*$/.exec(before)[0];
  const {frame, last, operation} = walk(text, schema, place - word.length);
  const type = schema.types[frame.type];
  const note = item => ({text: item.name, note: shown(item.type)});
  let found = [];
  if (word.startsWith("@")) found = Object.keys(schema.directives).map(name => ({text: "@" + name, note: "directive"}));
  else if (frame.at === "document") found = ["query", "mutation", "subscription", "fragment", "{"].map(w => ({text: w, note: ""}));
  else if (frame.at === "variables" && frame.colon || last === "on")
    found = Object.values(schema.types).filter(t => last === "on" ? t.fields : t.inputs || !t.fields).map(t => ({text: t.name, note: t.kind.toLowerCase()}));
  else if (frame.at === "fields") found = [...Object.values((type || {}).fields || {}).map(note), {text: "__typename", note: "String!"}];
  else if (frame.at === "arguments" && !frame.expecting) found = (frame.args || []).map(note);
  else if (frame.at === "object" && !frame.expecting) found = Object.values((type || {}).inputs || {}).map(note);
  else if (frame.expecting || frame.at === "list") {
    const wanted = schema.types[frame.next];
    found = [...((wanted || {}).values || []).map(name => ({text: name, note: frame.next})),
      ...(frame.next === "Boolean" ? ["true", "false"] : []).map(name => ({text: name, note: "Boolean"})),
      ...(operation ? operation.variables : []).map(name => ({text: name, note: "variable"}))];
  }
  const low = word.toLowerCase();
  const rank = item => { const at = item.text.toLowerCase().indexOf(low); return at < 0 ? 9 : at === 0 ? 0 : 1; };
  return found.filter(item => rank(item) < 9 && item.text !== word).sort((a, b) => rank(a) - rank(b)).slice(0, 200)
    .map(item => ({...item, length: word.length}));
}

// One selection a line, arguments on theirs: the usual layout.
function prettify(text) {
  let out = "", depth = 0, round = 0, before = {value: "", kind: ""};
  const line = () => "\n" + "  ".repeat(depth);
  const between = (p, t) => {
    if (!out) return "";
    if (round) {
      if (/^[([{]$/.test(p.value) || /^[)\]}:!]$/.test(t.value)) return "";
      return p.value === ":" || p.value === "=" || t.value === "=" || t.kind === "directive" ? " " : ", ";
    }
    if (p.kind === "faint" || t.kind === "faint" || p.value === "{" || t.value === "}") return line();
    if (p.value === "}") return depth ? line() : "\n\n";
    if (t.value === "(" || t.value === ":" || (p.value === "..." && t.value !== "on" && t.kind !== "directive")) return "";
    if (!depth || t.value === "{" || p.value === ":" || p.value === "on" || p.value === "..." || t.kind === "directive") return " ";
    return line();
  };
  for (const token of tokens(text)) {
    if (token.kind === "space") continue;
    const {value} = token, opens = /^[([{]$/.test(value), closes = /^[)\]}]$/.test(value);
    if (closes && !round) depth = Math.max(0, depth - 1);
    out += between(before, token) + value;
    if (opens && (round || value !== "{")) round++;
    else if (opens) depth++;
    else if (closes && round) round--;
    before = token;
  }
  return out.trim() + "\n";
}
