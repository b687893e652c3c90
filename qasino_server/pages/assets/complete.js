// Completion of table and column names in the SQL box.
//
// A text box of several lines may not have the role combobox; what ARIA allows it says the same:
// it controls a list box, which has the active option.

import { onGeneration } from "./generation.js";
import { JOINS, KEYWORDS, RESERVED, alike, isNameOpen, isQuoted, placeAfter, wordAt } from "./sql.js";

const TABLES = "select tablename, column_name from qasino_server_columns";
const VIEWS = "select viewname from qasino_server_views where loaded";
const MOST = 50;
const PAGE = 8;

export class Completion {
  constructor(box, list) {
    this.box = box;
    this.list = list;
    this.tables = new Map(); // and views, with their columns
    this.views = new Set();
    this.undescribed = new Set(); // views whose columns nobody has asked for
    this.stale = true;
    this.chosen = -1;
    this.typing = false;
    onGeneration(() => { this.stale = true; });
    box.setAttribute("aria-controls", list.id);
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-haspopup", "listbox");
    box.addEventListener("focus", () => this.load());
    box.addEventListener("input", () => { this.typing = true; this.offer(false); });
    box.addEventListener("click", () => this.close());
    box.addEventListener("blur", () => this.close());
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.take(event.target.closest("li")));
    if (document.activeElement === box) this.load();
  }

  // Names are asked for by who types, once a generation at most.
  load() {
    if (this.stale) this.loading = this.ask();
    return this.loading;
  }

  async ask() {
    this.stale = false;
    const [columns, views] = await Promise.all([TABLES, VIEWS].map(rowsOf));
    if (!columns || !views) {
      this.stale = true;
      return;
    }
    const tables = new Map(views.map(([view]) => [view, []]));
    this.views = new Set(tables.keys());
    this.undescribed = new Set(tables.keys());
    for (const [table, column] of columns) {
      if (!tables.has(table)) tables.set(table, []);
      tables.get(table).push(column);
    }
    this.tables = tables;
    if (this.typing && this.list.hidden) this.offer(false);
  }

  // The tables and views somebody may have meant.
  async alike(name) {
    await this.load();
    return alike(name, [...this.tables.keys()]);
  }

  // One by one: where a table is missing a view has no columns, and a statement with it fails.
  async describe(view) {
    const columns = await rowsOf(`select name from pragma_table_info('${view.replaceAll("'", "''")}')`);
    if (!columns) return;
    this.tables.set(view, columns.map(([column]) => column));
    if (this.typing && this.list.hidden) this.offer(false);
  }

  // True where the key was for the list.
  key(event) {
    if (event.key === " " && event.ctrlKey) {
      this.load().then(() => this.offer(true));
      return true;
    }
    if (this.list.hidden) return false;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE };
    if (event.key in moves) this.choose(this.chosen + moves[event.key]);
    else if (event.key === "Escape") this.close();
    else if (isPlain(event, "Tab")) this.take(this.list.children[Math.max(0, this.chosen)]);
    else if (isPlain(event, "Enter") && this.chosen >= 0) this.take(this.list.children[this.chosen]);
    else return false;
    return true;
  }

  offer(asked) {
    this.load();
    const before = this.box.value.slice(0, this.box.selectionStart);
    const { word, qualifier } = wordAt(before);
    if (isQuoted(before) || /^\d/.test(word) || (!asked && !word && !qualifier)) return this.hide();
    const found = this.candidates(before, word.toLowerCase(), qualifier.toLowerCase());
    if (!found.length || (!asked && found.length === 1 && found[0].text === word)) return this.hide();
    this.list.replaceChildren(...found.map(({ text, kind }, n) => item(text, kind, n)));
    this.list.hidden = false;
    this.list.scrollTop = 0;
    this.place(before);
    this.chosen = -1; // Enter ends the line until an arrow key has chosen
    this.box.removeAttribute("aria-activedescendant");
  }

  // What is meant first: the word itself, what begins with it, what has it within.
  candidates(before, word, qualifier) {
    const all = qualifier && qualifier !== "prev" ? this.columnsFor(qualifier) : this.namesAt(before, word, qualifier);
    const place = ({ text, kind }) => {
      const name = text.toLowerCase();
      if (name === word) return 0;
      if (name.startsWith(word)) return 1;
      return kind && name.includes(word) ? 2 : 3;
    };
    const ranked = [[], [], [], []];
    for (const candidate of all) ranked[place(candidate)].push(candidate);
    return ranked.slice(0, 3).flat().slice(0, MOST);
  }

  columnsFor(qualifier) {
    const table = this.named().get(qualifier) ?? this.tableOf(qualifier);
    return (this.tables.get(table) ?? []).map((text) => ({ text, kind: "column" }));
  }

  namesAt(before, word, qualifier) {
    const named = [...this.tables.keys()].map((text) => ({ text, kind: this.views.has(text) ? "view" : "table" }));
    if (qualifier === "prev") return named.filter(({ kind }) => kind === "table");
    const place = placeAfter(before.slice(0, before.length - word.length));
    const words = isNameOpen(before) ? [] : place.keywords ?? KEYWORDS;
    const keywords = words.map((text) => ({ text, kind: "" }));
    if (place.table) return [...named, ...keywords];
    if (place.keywords) return keywords;
    const mine = new Set([...new Set(this.named().values())].flatMap((table) => this.tables.get(table)));
    const columns = [...mine].map((text) => ({ text, kind: "column" }));
    return [...columns, ...keywords, ...named];
  }

  // The tables the statement names, by their alias too, wherever in it they stand.
  named() {
    const found = new Map();
    const names = /(?:\b(?:from|join)|,)\s*(?:prev\.)?"?([\p{L}\p{N}_]+)"?(?=(?:\s+(?:as\s+)?([\p{L}\p{N}_]+))?)/giu;
    for (const [, written, alias] of this.box.value.matchAll(names)) {
      const table = this.tableOf(written);
      if (table === undefined) continue;
      if (this.undescribed.delete(table)) this.describe(table);
      found.set(table.toLowerCase(), table);
      const also = alias?.toLowerCase();
      if (also && !RESERVED.has(also) && !JOINS.has(also)) found.set(also, table);
    }
    return found;
  }

  // The table or view of that name, as it is written where it was made.
  tableOf(written) {
    if (this.tables.has(written)) return written;
    const wanted = written.toLowerCase();
    return [...this.tables.keys()].find((name) => name.toLowerCase() === wanted);
  }

  choose(n) {
    const items = this.list.children;
    this.chosen = Math.max(0, Math.min(items.length - 1, n));
    [...items].forEach((li, at) => li.setAttribute("aria-selected", String(at === this.chosen)));
    items[this.chosen].scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", items[this.chosen].id);
  }

  // As if it had been typed, so that Ctrl-Z takes it back.
  take(li) {
    if (!li) return;
    const { text, kind } = li.dataset;
    const at = this.box.selectionStart;
    const before = this.box.value.slice(0, at);
    const begin = at - wordAt(before).word.length;
    const isOpen = isNameOpen(before);
    const end = isOpen && this.box.value[at] === '"' ? at + 1 : at; // the quote that is there already
    const quoted = kind && RESERVED.has(text.toLowerCase()) ? `"${text}"` : text;
    const name = isOpen ? `${text}"` : quoted;
    this.box.focus();
    this.box.setSelectionRange(begin, end);
    if (!document.execCommand("insertText", false, name)) this.box.setRangeText(name, begin, end, "end");
    this.close();
  }

  close() {
    this.typing = false;
    this.hide();
  }

  hide() {
    this.list.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
  }

  // Under the line the caret is in.
  place(before) {
    const { left, bottom } = this.caret(before);
    this.list.style.top = `${Math.min(bottom + 4, this.box.offsetHeight)}px`;
    this.list.style.left = `${Math.max(0, Math.min(left, this.box.offsetWidth - this.list.offsetWidth))}px`;
  }

  // A text box does not tell where it breaks lines: an element of its shape does.
  caret(before) {
    const style = getComputedStyle(this.box);
    const mirror = document.createElement("div");
    mirror.className = "mirror";
    for (const name of ["font", "lineHeight", "letterSpacing", "padding", "tabSize"]) mirror.style[name] = style[name];
    mirror.style.width = `${this.box.clientWidth}px`;
    const end = document.createElement("span");
    end.textContent = "\u200b";
    mirror.append(before, end, this.box.value.slice(before.length));
    this.box.after(mirror);
    const place = { left: end.offsetLeft, bottom: end.offsetTop + end.offsetHeight - this.box.scrollTop };
    mirror.remove();
    return place;
  }
}

// What the server answers; null where it does not.
async function rowsOf(sql) {
  const answer = await fetch(`/request?op=query&typed=true&sql=${encodeURIComponent(sql)}`).catch(() => null);
  const told = answer?.ok ? await answer.json().catch(() => null) : null;
  return told && told.table.rows;
}

function isPlain(event, key) {
  return event.key === key && !event.ctrlKey && !event.metaKey && !event.shiftKey;
}

function item(text, kind, n) {
  const li = document.createElement("li");
  li.id = `completion-${n}`;
  li.role = "option";
  li.ariaSelected = "false";
  Object.assign(li.dataset, { text, kind });
  li.textContent = text;
  const note = document.createElement("span");
  note.textContent = kind;
  li.append(note);
  return li;
}
