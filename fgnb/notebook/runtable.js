// A table of runs that sorts, filters and chooses among many thousands; runtable.py sends what it shows.
// What runs hold gets into the page by textContent alone.

const LINE = 26; // px, as --line in runtable.css
const SPARE = 8; // rows painted beyond what is seen
const LEAST = 6, MOST = 14; // rows that the table has room for
const TYPING = 150; // ms until a filter applies, and until others hear which runs pass
const MARKS = { success: "✓", fail: "✗", timeout: "✗", rejected: "✗" }; // besides the colour, which not everybody sees
const natural = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// --- data ----------------------------------------------------------------------------------------

/** The cells by column, as they have come by now: filled at the start, and in batches while a sweep runs. */
class Store {
  constructor() {
    this.rows = 0;
    this.columns = new Map();
    this.keys = new Map(); // what columns sort by, kept until more rows come
  }

  /** Takes rows that begin at `start`; says whether some before them are missing. */
  add(view, start) {
    const { rows, columns } = JSON.parse(new TextDecoder().decode(view));
    if (start > this.rows) return false;
    const known = this.rows - start;
    for (const [name, part] of Object.entries(columns)) {
      const had = this.columns.get(name) ?? [];
      while (had.length < this.rows) had.push(null);
      const cells = part.cells ?? part.at.map((place) => part.words[place]);
      // A column that was not there is taken whole
      this.columns.set(name, start === 0 && cells.length >= had.length ? cells : had.concat(cells.slice(known)));
    }
    this.rows = Math.max(this.rows, start + rows);
    for (const cells of this.columns.values()) while (cells.length < this.rows) cells.push(null);
    this.keys.clear();
    return true;
  }

  /** What a column's rows sort by: the rank of the cell among all different ones; nothing comes last. */
  rank(name, kind) {
    if (this.keys.has(name)) return this.keys.get(name);
    const cells = this.columns.get(name) ?? [];
    const value = kind === "number" ? Number : (cell) => cell; // integers too large for JavaScript come as text
    const different = [...new Set(cells)].filter((cell) => cell !== null);
    different.sort((a, b) => {
      const x = value(a), y = value(b);
      if (typeof x === "number" && typeof y === "number") return x - y;
      if (typeof x === typeof y) return natural.compare(x, y) || (x < y ? -1 : 1);
      return typeof x === "number" ? -1 : 1;
    });
    const place = new Map(different.map((cell, rank) => [cell, rank]));
    const ranks = Int32Array.from(cells, (cell) => place.get(cell) ?? -1);
    this.keys.set(name, ranks);
    return ranks;
  }
}

/** A column's name without what would rearrange the page around it. */
function plain(name) {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

function shown(cell, kind) {
  if (cell === null || cell === undefined) return "";
  if (kind === "time") return new Date(cell).toISOString().slice(0, 19).replace("T", " ");
  if (kind === "seconds") return cell.toFixed(cell < 10 ? 4 : 1);
  return String(cell);
}

/** What a filter's text asks of a cell: a function, null if nothing, or an Error that says what is wrong. */
function asked(text, kind) {
  text = text.trim();
  if (!text) return null;
  if (text === "!") return (cell) => cell !== null;
  if (text.startsWith("!")) {
    const rest = text.slice(1).trim();
    const unwanted = asked(measures(kind) && isNumber(rest) ? `=${rest}` : rest, kind);
    return unwanted instanceof Error ? unwanted : (cell) => !unwanted(cell);
  }
  const word = (cell) => shown(cell, kind).toLowerCase();
  const range = /^(.*?)\.\.(.*)$/.exec(text);
  if (range && (range[1] || range[2]) && [range[1], range[2]].every((end) => !end || kind === "time" || isNumber(end))) {
    const low = range[1].trim() && asked(`>=${range[1]}`, kind), high = range[2].trim() && asked(`<=${range[2]}`, kind);
    return (cell) => (!low || low(cell)) && (!high || high(cell));
  }
  const sign = /^(>=|<=|>|<|=)\s*(.*)$/.exec(text);
  if (!sign) {
    const part = text.toLowerCase();
    return (cell) => cell !== null && word(cell).includes(part);
  }
  const [, how, operand] = sign;
  if (!operand) return how === "=" ? (cell) => cell === null : new Error("compare with what?");
  if (how === "=" && !isNumber(operand)) return (cell) => cell !== null && word(cell) === operand.toLowerCase();
  if (measures(kind) && !isNumber(operand)) return new Error(`${operand} is no number`);
  const number = Number(operand);
  const difference = (cell) => {
    if (kind !== "time" && isNumber(operand) && isNumber(String(cell))) return Number(cell) - number;
    return natural.compare(shown(cell, kind).slice(0, kind === "time" ? operand.length : undefined), operand);
  };
  const holds = {
    ">": (d) => d > 0, "<": (d) => d < 0, ">=": (d) => d >= 0, "<=": (d) => d <= 0, "=": (d) => d === 0,
  }[how];
  return (cell) => cell !== null && holds(difference(cell));
}

function measures(kind) {
  return kind === "number" || kind === "seconds";
}

function isNumber(text) {
  return text.trim() !== "" && Number.isFinite(Number(text));
}

// --- the page ------------------------------------------------------------------------------------

function made(tag, className, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  // Jupyter would take arrows, Enter and letters away from what has the focus, unless it says so itself
  if (["button", "input", "summary"].includes(tag) || "tabindex" in attributes) element.dataset.lmSuppressShortcuts = "true";
  element.append(...children);
  return element;
}

let count = 0; // of views, for ids

class View {
  constructor(model, store, element) {
    this.model = model;
    this.store = store;
    this.id = `fgnb-runs-${++count}`;
    this.order = []; // the rows that pass, as they are sorted
    this.chosen = new Set(model.get("chosen"));
    this.active = -1; // the place in `order` that the keyboard is at
    this.anchor = -1; // where a range begins
    this.painted = new Map(); // by row
    this.build(element);
    this.listeners = {
      "change:chosen": () => { this.chosen = new Set(model.get("chosen")); this.paint(); },
      "change:shown": () => this.head(),
      "change:columns": () => this.head(),
      "change:filters": () => { this.fillFilters(); this.arrange(); },
      "change:sort": () => { this.markSort(); this.arrange(); },
    };
    for (const [event, listener] of Object.entries(this.listeners)) model.on(event, listener);
    this.head();
  }

  close() {
    [this.typing, this.passing, this.later].forEach(clearTimeout);
    this.watching.disconnect();
    for (const [event, listener] of Object.entries(this.listeners)) this.model.off(event, listener);
  }

  build(element) {
    const button = (text, act) => {
      const made_ = made("button", "", { type: "button" }, text);
      made_.addEventListener("click", act);
      return made_;
    };
    this.told = made("span", "count", { role: "status" });
    this.selectAll = button("Select all shown", () => this.choose(this.order, true));
    this.selectNone = button("Clear selection", () => this.choose([]));
    this.filterNone = button("Clear filters", () => this.set("filters", {}));
    this.names = made("div", "names", { role: "group", "aria-label": "columns" });
    const chooser = made("details", "", {}, made("summary", "", {}, "Columns"), this.names);
    chooser.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !chooser.contains(event.relatedTarget)) chooser.open = false;
    });
    chooser.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { chooser.open = false; chooser.firstChild.focus(); }
    });
    const bar = made("div", "bar", {}, this.told, this.selectAll, this.selectNone, this.filterNone, chooser);
    this.titles = made("div", "row", { role: "row", "aria-rowindex": "1" });
    this.inputs = made("div", "row", { role: "row", "aria-rowindex": "2" });
    this.top = made("div", "head", { role: "rowgroup" }, this.titles, this.inputs);
    this.body = made("div", "body", { role: "rowgroup" });
    this.none = made("div", "none", {}, "no run passes the filters");
    this.grid = made("div", "grid", {
      role: "grid", tabindex: "0", "aria-multiselectable": "true", "aria-label": "runs",
    }, made("div", "inner", {}, this.top, this.body, this.none));
    this.grid.addEventListener("scroll", () => this.soon(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.press(event));
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("mouseover", (event) => {
      const cell = event.target;
      if (cell.scrollWidth > cell.clientWidth) cell.title = cell.textContent;
    });
    this.root = made("div", "fgnb-runs", {}, bar, this.grid);
    element.append(this.root);
    this.watching = new ResizeObserver(() => this.soon());
    this.watching.observe(this.grid);
  }

  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  // Titles, filters and the chooser: made anew when the columns change.
  head() {
    const kinds = new Map(this.model.get("columns").map(({ name, kind }) => [name, kind]));
    this.columns = this.model.get("shown").filter((name) => kinds.has(name)).map((name) => ({ name, kind: kinds.get(name) }));
    this.titles.replaceChildren(made("div", "cell pick", { role: "columnheader", "aria-label": "selected" }));
    this.inputs.replaceChildren(made("div", "cell pick", { role: "gridcell" }));
    for (const { name, kind } of this.columns) {
      const title = made("button", "", { type: "button", title: `${plain(name)}: sort` }, plain(name));
      title.addEventListener("click", () => this.sortBy(name));
      this.titles.append(made("div", `cell title ${kind}`, { role: "columnheader" }, title));
      const hint = measures(kind) ? ">2  1..5" : kind === "time" ? ">2026-12" : "text";
      const input = made("input", "", { type: "text", "aria-label": `filter ${name}`, placeholder: hint, spellcheck: "false" });
      input.addEventListener("input", () => {
        clearTimeout(this.typing);
        this.typing = setTimeout(() => this.filter(), TYPING);
      });
      input.addEventListener("keydown", (event) => {
        if (event.key === "Escape") input.value = "";
        if (event.key === "Escape" || event.key === "Enter") this.filter();
        event.stopPropagation();
      });
      this.inputs.append(made("div", "cell filter", { role: "gridcell" }, input));
    }
    this.names.replaceChildren(...[...kinds.keys()].map((name) => {
      const box = made("input", "", { type: "checkbox" });
      box.checked = this.columns.some((column) => column.name === name);
      box.addEventListener("change", () => this.show(name, box.checked));
      const label = made("label", "", {}, box, plain(name));
      label.dataset.name = name;
      return label;
    }));
    this.grid.setAttribute("aria-colcount", this.columns.length + 1);
    this.sizes = null;
    this.painted.forEach((line) => line.remove());
    this.painted.clear();
    this.fillFilters();
    this.markSort();
    this.arrange();
  }

  show(name, wanted) {
    const known = this.model.get("columns").map((column) => column.name);
    const now = this.model.get("shown");
    const kept = wanted ? known.filter((each) => each === name || now.includes(each)) : now.filter((each) => each !== name);
    // What is there keeps its order; a new one goes where it stands among all
    const place = kept.indexOf(name);
    const next = wanted ? [...now.slice(0, place), name, ...now.slice(place)] : kept;
    const filters = { ...this.model.get("filters") };
    if (!wanted) delete filters[name];
    this.model.set("filters", filters);
    this.set("shown", next);
    const box = [...this.names.querySelectorAll("label")].find((label) => label.dataset.name === name);
    box?.querySelector("input").focus();
  }

  fillFilters() {
    const filters = this.model.get("filters");
    this.columns.forEach(({ name }, number) => {
      const input = this.inputs.children[number + 1].firstChild;
      if (document.activeElement !== input || input.value.trim() !== (filters[name] ?? "")) input.value = filters[name] ?? "";
    });
  }

  filter() {
    clearTimeout(this.typing);
    const filters = {};
    this.columns.forEach(({ name }, number) => {
      const text = this.inputs.children[number + 1].firstChild.value.trim();
      if (text) filters[name] = text;
    });
    this.set("filters", filters);
  }

  sortBy(name) {
    const [by, how] = this.model.get("sort");
    this.set("sort", by !== name ? [name, "ascending"] : how === "ascending" ? [name, "descending"] : []);
  }

  markSort() {
    const [by, how] = this.model.get("sort");
    this.columns.forEach(({ name }, number) => {
      const title = this.titles.children[number + 1];
      const sorted = name === by ? how : "none";
      title.setAttribute("aria-sort", sorted);
      title.firstChild.textContent = plain(name) + { ascending: " ▲", descending: " ▼", none: "" }[sorted];
    });
  }

  // Which rows there are, in which order.
  arrange() {
    const filters = this.model.get("filters");
    const tests = [];
    this.columns.forEach(({ name, kind }, number) => {
      const input = this.inputs.children[number + 1].firstChild;
      const test = asked(filters[name] ?? "", kind);
      const wrong = test instanceof Error ? test.message : "";
      input.setAttribute("aria-invalid", String(Boolean(wrong)));
      input.title = wrong || 'text, =text, !text; numbers: >2, <=9, 1..5, =3, !3; "=" alone: nothing there, "!" alone: something';
      if (test && !wrong) tests.push([this.store.columns.get(name) ?? [], test]);
    });
    const at = this.active >= 0 ? this.order[this.active] : undefined;
    const order = [];
    for (let row = 0; row < this.store.rows; row++) {
      if (tests.every(([cells, test]) => test(cells[row] ?? null))) order.push(row);
    }
    const [by, how] = this.model.get("sort");
    const column = this.model.get("columns").find(({ name }) => name === by);
    if (column) {
      const ranks = this.store.rank(by, column.kind), sign = how === "descending" ? -1 : 1;
      order.sort((a, b) => {
        const x = ranks[a], y = ranks[b];
        return x === y ? a - b : x < 0 ? 1 : y < 0 ? -1 : sign * (x - y);
      });
    }
    this.order = order;
    this.active = at === undefined ? -1 : order.indexOf(at);
    this.anchor = this.active;
    this.pass(tests.length > 0);
    this.body.style.height = `${order.length * LINE}px`;
    this.grid.setAttribute("aria-rowcount", order.length + 2);
    this.none.style.display = order.length ? "none" : "";
    this.none.textContent = this.store.rows ? "no run passes the filters" : "no runs yet";
    const lines = Math.min(MOST, Math.max(LEAST, this.store.rows)) + 2;
    this.grid.style.height = `${lines * LINE + 18}px`;
    this.paint();
  }

  /** Lets Python know which rows pass, once they keep still. */
  pass(filtered) {
    clearTimeout(this.passing);
    const rows = filtered ? [...this.order].sort((a, b) => a - b) : null;
    this.passing = setTimeout(() => {
      const known = this.model.get("passing");
      const same = rows === known || (rows && known && rows.length === known.length && rows.every((row, n) => row === known[n]));
      if (!same) this.set("passing", rows);
    }, TYPING);
  }

  soon() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  measure() {
    if (!this.columns.length) {
      this.sizes = [];
      return;
    }
    const widest = this.columns.map(({ name, kind }) => {
      let most = name.length + 2;
      const cells = this.store.columns.get(name) ?? [];
      for (let row = 0; row < cells.length; row += Math.max(1, Math.floor(cells.length / 200))) {
        most = Math.max(most, shown(cells[row], kind).length + (kind === "status" ? 4 : 0));
      }
      return Math.min(300, Math.max(78, Math.round(most * 7.4 + 18)));
    });
    this.sizes = widest;
    // The last one takes what room there is left
    const last = widest.pop();
    this.root.style.setProperty("--columns", ["28px", ...widest.map((width) => `${width}px`), `minmax(${last}px, 1fr)`].join(" "));
    this.root.style.setProperty("--inner", `${28 + last + widest.reduce((sum, width) => sum + width, 0)}px`);
  }

  paint() {
    this.tell();
    if (!this.grid.clientHeight) { // hidden: for a moment, while a page is laid out anew, or until it is seen
      this.later ??= setTimeout(() => { this.later = null; if (this.grid.clientHeight) this.paint(); }, 200);
      return;
    }
    if (!this.sizes || (this.sizedFor !== this.store.rows && this.sizedFor < 200)) {
      this.measure();
      this.sizedFor = this.store.rows;
    }
    const first = Math.max(0, Math.floor(this.grid.scrollTop / LINE) - SPARE);
    const last = Math.min(this.order.length, Math.ceil((this.grid.scrollTop + this.grid.clientHeight) / LINE) + SPARE);
    const wanted = new Set(this.order.slice(first, last));
    const free = [];
    for (const [row, line] of this.painted) {
      if (!wanted.has(row)) { free.push(line); this.painted.delete(row); }
    }
    for (let place = first; place < last; place++) {
      const row = this.order[place];
      let line = this.painted.get(row);
      if (!line) {
        line = free.pop() ?? this.line();
        this.painted.set(row, line);
        if (!line.isConnected) this.body.append(line);
      }
      this.fill(line, row, place);
    }
    free.forEach((line) => line.remove());
    const active = this.active >= 0 ? this.painted.get(this.order[this.active]) : undefined;
    if (active) this.grid.setAttribute("aria-activedescendant", active.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  line() {
    const cells = this.columns.map(({ kind }) => made("div", `cell ${kind}`, { role: "gridcell" }));
    return made("div", "row", { role: "row" }, made("div", "cell pick", { role: "gridcell" }), ...cells);
  }

  fill(line, row, place) {
    const chosen = this.chosen.has(row);
    line.dataset.row = row;
    line.id = `${this.id}-${row}`;
    line.className = `row${place % 2 ? " odd" : ""}${place === this.active ? " active" : ""}`;
    line.style.transform = `translateY(${place * LINE}px)`;
    line.setAttribute("aria-rowindex", place + 3);
    line.setAttribute("aria-selected", String(chosen));
    line.children[0].textContent = chosen ? "✓" : "";
    this.columns.forEach(({ name, kind }, number) => {
      const cell = line.children[number + 1];
      const cells = this.store.columns.get(name);
      const text = cells ? shown(cells[row], kind) : "…";
      if (cell.dataset.text === text) return;
      cell.dataset.text = text;
      cell.removeAttribute("title");
      if (kind !== "status") cell.textContent = text;
      else cell.replaceChildren(...(text ? [this.status(text)] : []));
    });
  }

  /** A plain word if all is well, so that the others stand out. */
  status(text) {
    const told = made("span", text === "success" ? "" : "pill", {}, `${MARKS[text] ?? "?"} ${text}`);
    if (text !== "success") told.style.background = this.model.get("colours")[text] ?? "#646b75";
    return told;
  }

  tell() {
    const all = this.store.rows, some = this.order.length;
    const number = (value) => value.toLocaleString("en-US");
    const runs = `${number(all)} ${all === 1 ? "run" : "runs"}`;
    const passing = some === all ? runs : `${number(some)} of ${runs}`;
    const text = `${passing}, ${number(this.chosen.size)} selected`;
    if (this.told.textContent !== text) this.told.textContent = text;
    this.selectAll.disabled = some === 0;
    this.selectNone.disabled = this.chosen.size === 0;
    this.filterNone.disabled = Object.keys(this.model.get("filters")).length === 0;
  }

  // Choosing, by mouse and by keyboard.
  choose(rows, more = false) {
    this.chosen = new Set(more ? [...this.chosen, ...rows] : rows);
    this.set("chosen", [...this.chosen].sort((a, b) => a - b));
    this.paint();
  }

  toggle(row) {
    const rows = new Set(this.chosen);
    if (!rows.delete(row)) rows.add(row);
    this.choose(rows);
  }

  range(place) {
    const from = this.anchor < 0 ? place : this.anchor;
    return this.order.slice(Math.min(from, place), Math.max(from, place) + 1);
  }

  click(event) {
    const line = event.target.closest(".row");
    if (!line) return;
    const row = Number(line.dataset.row), place = this.order.indexOf(row);
    const picks = event.target.classList.contains("pick");
    if (event.shiftKey && this.anchor >= 0) {
      this.active = place;
      this.choose(this.range(place), event.ctrlKey || event.metaKey);
      return;
    }
    this.active = this.anchor = place;
    if (event.ctrlKey || event.metaKey || picks) this.toggle(row);
    else this.choose([row]);
  }

  press(event) {
    if (event.target !== this.grid) return; // a filter or a title
    const page = Math.max(1, Math.floor(this.grid.clientHeight / LINE) - 3), last = this.order.length - 1;
    const moves = {
      ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + page, PageUp: this.active - page,
      Home: 0, End: last,
    };
    if (event.key in moves && last >= 0) {
      this.active = Math.min(last, Math.max(0, moves[event.key]));
      if (event.shiftKey) this.choose(this.range(this.active));
      else this.anchor = this.active;
      this.reveal();
    } else if (event.key === " " && this.active >= 0) {
      this.anchor = this.active;
      this.toggle(this.order[this.active]);
    } else if (event.key === "Enter" && this.active >= 0) {
      this.anchor = this.active;
      this.choose([this.order[this.active]]);
    } else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      this.choose(this.order);
    } else if (event.key === "Escape") {
      this.choose([]);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  reveal() {
    const top = this.active * LINE, room = this.grid.clientHeight - this.top.offsetHeight;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top + LINE > this.grid.scrollTop + room) this.grid.scrollTop = top + LINE - room;
    this.paint();
  }
}

/** One store per table, one view per place that shows it. */
export default () => {
  const store = new Store(), views = new Set();
  const missing = (model) => model.get("shown").filter((name) => !store.columns.has(name));
  const ask = (model) => model.send({ kind: "have", rows: store.rows, columns: missing(model) });
  return {
    initialize({ model }) {
      store.add(model.get("data").json, 0);
      model.on("msg:custom", (message, buffers) => {
        if (message.kind !== "rows") return;
        if (store.add(buffers[0], message.start)) views.forEach((view) => { view.sizes &&= message.start ? view.sizes : null; view.arrange(); });
        else ask(model); // a batch before it came too early, while this was still loading
      });
      model.on("change:shown", () => { if (missing(model).length) ask(model); });
      ask(model); // what came in between
    },
    render({ model, el }) {
      const view = new View(model, store, el);
      views.add(view);
      return () => {
        view.close();
        views.delete(view);
      };
    },
  };
};
