// A text area with colours, line numbers, completion and the small habits of an editor.
const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};
const escaped = text => text.replace(/[&<>]/g, mark => ({"&": "&amp;", "<": "&lt;", ">": "&gt;"})[mark]);
const span = (kind, text) => kind ? `<span class="${kind}">${escaped(text)}</span>` : escaped(text);

const JSON_TOKEN = /"(?:\\.|[^"\\])*"?(?=(\s*:)?)|-?\d[\d.eE+-]*|\b(?:true|false|null)\b|[^"\d\-tfn]+|[^]/g;
const colourJSON = text => text.replace(JSON_TOKEN, (value, key) => span(
  value[0] === '"' ? (key ? "name" : "string") : /^-?\d/.test(value) ? "number" : /^(true|false|null)$/.test(value) ? "keyword" : "", value));

class Editor {
  constructor(place, {label, value, colour, suggest, changed}) {
    this.colour = colour; this.suggest = suggest; this.changed = changed; this.items = []; this.chosen = 0;
    this.area = make("textarea", {spellcheck: false, value, ariaLabel: label, autocapitalize: "off", autocomplete: "off"});
    this.shown = make("pre", {ariaHidden: "true"});
    this.lines = make("pre", {className: "lines", ariaHidden: "true"});
    this.list = make("ul", {hidden: true, role: "listbox"});
    place.append(this.shown, this.lines, this.area, this.list);
    this.area.addEventListener("input", event => this.input(event));
    this.area.addEventListener("scroll", () => this.scroll());
    this.area.addEventListener("keydown", event => this.key(event));
    this.area.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.area.addEventListener("click", () => this.close());
    this.draw();
  }
  get value() { return this.area.value; }
  set value(text) { this.area.value = text; this.draw(); this.changed && this.changed(text); }
  draw() {
    const text = this.area.value;
    this.shown.innerHTML = this.colour(text) + "\n";
    this.lines.textContent = text.split("\n").map((_, index) => index + 1).join("\n") + "\n";
    this.scroll();
  }
  scroll() {
    this.shown.scrollTop = this.lines.scrollTop = this.area.scrollTop;
    this.shown.scrollLeft = this.area.scrollLeft;
  }
  // Writes through the browser's own editing, so that undo knows it.
  write(text, back = 0, replace = 0) {
    const end = this.area.selectionEnd;
    if (replace) this.area.setSelectionRange(end - replace, end);
    this.area.focus();
    document.execCommand("insertText", false, text);
    if (back) this.area.setSelectionRange(this.area.selectionEnd - back, this.area.selectionEnd - back);
  }
  input(event) {
    this.draw();
    this.changed && this.changed(this.value);
    if (!this.suggest) return;
    if (event.inputType === "insertText" && /[\w$@]/.test(event.data || "")) this.open(); else if (!this.list.hidden) this.open(true);
  }
  open(narrowing = false) {
    const place = this.area.selectionEnd;
    this.items = this.suggest ? this.suggest(this.value, place) : [];
    if (narrowing && this.items.length && !this.items[0].length) this.items = [];
    this.chosen = 0;
    this.list.hidden = !this.items.length;
    this.list.replaceChildren(...this.items.map((item, index) => {
      const row = make("li", {role: "option"}, item.text, make("span", {textContent: item.note}));
      row.addEventListener("mousedown", event => { event.preventDefault(); this.chosen = index; this.take(); });
      return row;
    }));
    const lines = this.value.slice(0, place).split("\n"), style = getComputedStyle(this.area);
    const width = this.measure(lines[lines.length - 1]);
    const left = parseFloat(style.paddingLeft) + width - this.area.scrollLeft;
    const below = parseFloat(style.paddingTop) + lines.length * 20 - this.area.scrollTop;
    this.list.style.left = Math.max(0, Math.min(left, this.area.clientWidth - 270)) + "px";
    this.list.style.top = (below + 230 > this.area.clientHeight && below > 250 ? below - 20 - this.list.offsetHeight : below) + "px";
    this.mark();
  }
  measure(text) {
    const context = (this.canvas ||= document.createElement("canvas")).getContext("2d");
    context.font = getComputedStyle(this.area).font;
    return context.measureText(text.replace(/\t/g, "  ")).width;
  }
  mark() {
    [...this.list.children].forEach((row, index) => row.setAttribute("aria-selected", index === this.chosen));
    const row = this.list.children[this.chosen];
    row && row.scrollIntoView({block: "nearest"});
  }
  close() { this.list.hidden = true; }
  take() {
    const item = this.items[this.chosen];
    this.close();
    if (item) this.write(item.text, 0, item.length);
    this.close();
  }
  key(event) {
    const key = event.key, listed = !this.list.hidden;
    const done = () => event.preventDefault();
    if ((event.ctrlKey || event.metaKey) && key === " ") { done(); this.open(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (listed && key === "Escape") { done(); this.close(); }
    else if (listed && (key === "ArrowDown" || key === "ArrowUp")) {
      done();
      this.chosen = (this.chosen + (key === "ArrowDown" ? 1 : -1) + this.items.length) % this.items.length;
      this.mark();
    } else if (listed && (key === "Enter" || key === "Tab")) { done(); this.take(); }
    else if (key === "Tab" && !event.shiftKey) { done(); this.write("  "); }
    else if (key === "Enter") {
      done();
      const before = this.value.slice(0, this.area.selectionStart), next = this.value[this.area.selectionEnd];
      const indent = /[^\n]*$/.exec(before)[0].match(/^\s*/)[0], opens = /[{([]\s*$/.test(before);
      if (opens && /[})\]]/.test(next || "")) this.write(`\n${indent}  \n${indent}`, indent.length + 1);
      else this.write("\n" + indent + (opens ? "  " : ""));
    } else if ("{([".includes(key) && this.area.selectionStart === this.area.selectionEnd && !/\w/.test(this.value[this.area.selectionEnd] || "")) {
      done();
      this.write(key + {"{": "}", "(": ")", "[": "]"}[key], 1);
    } else if ("})]".includes(key) && this.value[this.area.selectionEnd] === key) {
      done();
      this.area.setSelectionRange(this.area.selectionEnd + 1, this.area.selectionEnd + 1);
    }
  }
}
