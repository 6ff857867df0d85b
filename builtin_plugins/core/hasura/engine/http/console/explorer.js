// The side panel: the schema to walk through and search, and what was run before.
class Explorer {
  constructor(place, {insert, restore}) {
    this.place = place; this.insert = insert; this.restore = restore; this.schema = null; this.trail = []; this.problem = "";
  }
  use(schema, problem) {
    this.schema = schema; this.problem = problem || "";
    this.trail = this.trail.filter(name => schema && schema.types[name]);
    if (!this.history) this.draw();
  }
  visit(name) { this.trail.push(name); this.draw(); }
  draw() {
    this.history = false;
    const search = make("input", {type: "search", placeholder: "Search types and fields", ariaLabel: "Search types and fields"});
    const body = make("div");
    search.addEventListener("input", () => this.fill(body, search.value.trim().toLowerCase()));
    this.place.replaceChildren(search, body);
    this.fill(body, "");
  }
  fill(body, wanted) {
    if (!this.schema) { body.replaceChildren(make("p", {textContent: this.problem || "Reading the schema …"})); return; }
    if (wanted) { body.replaceChildren(...this.search(wanted)); return; }
    const name = this.trail[this.trail.length - 1];
    body.replaceChildren(...(name ? this.type(this.schema.types[name]) : this.start()));
  }
  start() {
    const roots = Object.entries(this.schema.roots).filter(([, name]) => name);
    return [make("h2", {textContent: "Operations"}),
      make("ul", {}, ...roots.map(([kind, name]) => make("li", {}, `${kind}: `, this.link(name)))),
      make("h2", {textContent: "Objects"}),
      make("ul", {}, ...this.objects().map(type => make("li", {}, this.link(type.name))))];
  }
  // Without the roots, introspection and what aggregates are made of: all of that is a search or a click away.
  objects() {
    const roots = Object.values(this.schema.roots), part = /_(aggregate|aggregate_fields|mutation_response|(avg|min|max|sum|stddev|stddev_pop|stddev_samp|var_pop|var_samp|variance)_fields)$/;
    return Object.values(this.schema.types)
      .filter(type => type.kind === "OBJECT" && !type.name.startsWith("__") && !roots.includes(type.name) && !part.test(type.name))
      .sort((a, b) => a.name.localeCompare(b.name));
  }
  type(type) {
    const back = make("button", {className: "crumb", textContent: "‹ " + (this.trail[this.trail.length - 2] || "All types")});
    back.addEventListener("click", () => { this.trail.pop(); this.draw(); });
    const items = Object.values(type.fields || type.inputs || {});
    return [back, make("h1", {textContent: type.name}), make("p", {textContent: type.description || ""}),
      make("ul", {}, ...items.map(item => this.field(item, type.fields)), ...(type.values || []).map(value => make("li", {textContent: value})))];
  }
  field(item, selectable, owner = "") {
    const row = make("li");
    if (selectable) {
      const add = make("button", {className: "add", textContent: "+", title: `Write ${item.name} at the cursor`});
      add.addEventListener("click", () => this.insert(item));
      row.append(add);
    }
    row.append(owner, item.name);
    row.append(": ", this.link(named(item.type), shown(item.type)));
    for (const arg of item.args || []) row.append(make("div", {className: "args"}, arg.name + ": ", this.link(named(arg.type), shown(arg.type))));
    if (item.description) row.append(make("small", {textContent: item.description}));
    return row;
  }
  link(name, text = name) {
    const link = make("a", {textContent: text, tabIndex: 0, role: "button"});
    link.addEventListener("click", () => this.visit(name));
    link.addEventListener("keydown", event => event.key === "Enter" && this.visit(name));
    return link;
  }
  search(wanted) {
    const types = Object.values(this.schema.types);
    const near = types.filter(type => type.name.toLowerCase().includes(wanted)).slice(0, 40);
    const fields = types.flatMap(type => Object.values(type.fields || {}).filter(field => field.name.toLowerCase().includes(wanted)).map(field => [type, field]));
    return [make("h2", {textContent: `Types (${near.length})`}), make("ul", {}, ...near.map(type => make("li", {}, this.link(type.name)))),
      make("h2", {textContent: `Fields (${fields.length})`}),
      make("ul", {}, ...fields.slice(0, 80).map(([type, field]) => this.field(field, false, type.name + ".")))];
  }
  showHistory(entries, clear) {
    this.history = true;
    const rows = entries.map(entry => {
      const row = make("button", {className: "entry", textContent: entry.query.trim(), title: new Date(entry.at).toLocaleString()});
      row.addEventListener("click", () => this.restore(entry));
      return row;
    });
    const empty = make("button", {textContent: "Forget all"});
    empty.addEventListener("click", clear);
    this.place.replaceChildren(make("h2", {textContent: "Run in this browser"}), ...rows, entries.length ? empty : make("p", {textContent: "Nothing yet."}));
  }
}
