// Completion of table and column names in the SQL box.

import { onGeneration } from "./generation.js";

const KEYWORDS = [
  "select", "from", "where", "group by", "order by", "limit", "join", "left join", "on", "using",
  "having", "distinct", "count(*)", "sum(", "avg(", "min(", "max(", "as", "and", "or", "not",
  "like", "between", "is null", "is not null", "desc", "case when", "with", "union all", "prev.",
];
const MOST = 50;
const NAMES = "select tablename, column_name from qasino_server_columns";

export class Completion {
  constructor(box, list) {
    this.box = box;
    this.list = list;
    this.tables = new Map();
    this.chosen = -1;
    this.load();
    onGeneration(() => this.load());
    box.setAttribute("aria-controls", list.id);
    box.setAttribute("aria-autocomplete", "list");
    box.addEventListener("input", () => this.offer(false));
    box.addEventListener("click", () => this.close());
    box.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    list.addEventListener("mousedown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.take(event.target.closest("li")));
  }

  async load() {
    const answer = await fetch(`/request?op=query&typed=true&sql=${encodeURIComponent(NAMES)}`).catch(() => null);
    if (!answer?.ok) return;
    const tables = new Map();
    for (const [table, column] of (await answer.json()).table.rows) {
      if (!tables.has(table)) tables.set(table, []);
      tables.get(table).push(column);
    }
    this.tables = tables;
  }

  // True where the key was for the list.
  key(event) {
    if (event.key === " " && event.ctrlKey) {
      this.offer(true);
      return true;
    }
    if (this.list.hidden) return false;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in moves) this.choose(this.chosen + moves[event.key]);
    else if (event.key === "Escape") this.close();
    else if (event.key === "Tab" || (event.key === "Enter" && !event.ctrlKey)) this.take(this.list.children[this.chosen]);
    else return false;
    return true;
  }

  offer(asked) {
    const { word, qualifier } = this.atCaret();
    if (!asked && (!word && !qualifier)) return this.close();
    const found = this.candidates(word.toLowerCase(), qualifier.toLowerCase());
    if (!found.length || (!asked && found.length === 1 && found[0].text === word)) return this.close();
    this.list.replaceChildren(...found.map(({ text, kind }, n) => item(text, kind, n)));
    this.list.hidden = false;
    this.place();
    this.choose(0);
  }

  atCaret() {
    const before = this.box.value.slice(0, this.box.selectionStart);
    const [, qualifier, word] = /(?:([\p{L}\p{N}_]+)\.)?([\p{L}\p{N}_]*)$/u.exec(before);
    return { word: word ?? "", qualifier: qualifier ?? "" };
  }

  candidates(word, qualifier) {
    const named = this.named();
    let all;
    if (qualifier && qualifier !== "prev") {
      const table = named.get(qualifier) ?? qualifier;
      all = (this.columnsOf(table) ?? []).map((text) => ({ text, kind: "column" }));
    } else {
      const before = this.box.value.slice(0, this.box.selectionStart - word.length);
      const wantsTable = qualifier === "prev" || /\b(?:from|join|desc|describe)\s+$|\bfrom\s[^()]*,\s*$/i.test(before);
      const tables = [...this.tables.keys()].map((text) => ({ text, kind: "table" }));
      const mine = new Set([...new Set(named.values())].flatMap((table) => this.columnsOf(table) ?? []));
      const columns = [...mine].map((text) => ({ text, kind: "column" }));
      const keywords = KEYWORDS.map((text) => ({ text, kind: "" }));
      all = wantsTable ? tables : [...columns, ...keywords, ...tables];
    }
    const starts = all.filter(({ text }) => text.toLowerCase().startsWith(word));
    const holds = all.filter(({ text, kind }) => kind && !starts.includes(text) && text.toLowerCase().indexOf(word) > 0);
    return [...starts, ...holds].slice(0, MOST);
  }

  // The tables the statement names, by their alias too, wherever in it they stand.
  named() {
    const found = new Map();
    const names = /\b(?:from|join|,)\s*(?:prev\.)?"?([\p{L}\p{N}_]+)"?(?:\s+(?:as\s+)?(?!where\b|join\b|on\b|using\b|group\b|order\b|left\b|limit\b|having\b|inner\b|cross\b|natural\b|union\b)([\p{L}\p{N}_]+))?/giu;
    for (const [, table, alias] of this.box.value.matchAll(names)) {
      if (!this.columnsOf(table)) continue;
      found.set(table.toLowerCase(), table);
      if (alias) found.set(alias.toLowerCase(), table);
    }
    return found;
  }

  columnsOf(table) {
    const wanted = table.toLowerCase();
    for (const [name, columns] of this.tables) if (name.toLowerCase() === wanted) return columns;
    return undefined;
  }

  choose(n) {
    const items = this.list.children;
    this.chosen = Math.max(0, Math.min(items.length - 1, n));
    [...items].forEach((li, at) => li.setAttribute("aria-selected", String(at === this.chosen)));
    items[this.chosen].scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", items[this.chosen].id);
  }

  take(li) {
    if (!li) return;
    const { word } = this.atCaret();
    const at = this.box.selectionStart;
    this.box.setRangeText(li.dataset.text, at - word.length, at, "end");
    this.close();
    this.box.focus();
  }

  close() {
    this.list.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
  }

  // Under the line the caret is in.
  place() {
    const style = getComputedStyle(this.box);
    const before = this.box.value.slice(0, this.box.selectionStart).split("\n");
    const line = Number.parseFloat(style.lineHeight);
    const top = Number.parseFloat(style.paddingTop) + before.length * line - this.box.scrollTop;
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = style.font;
    const left = pen.measureText(before.at(-1)).width;
    this.list.style.top = `${Math.min(top + 4, this.box.offsetHeight)}px`;
    this.list.style.left = `${Math.max(0, Math.min(left, this.box.offsetWidth - 220))}px`;
  }
}

function item(text, kind, n) {
  const li = document.createElement("li");
  li.id = `completion-${n}`;
  li.role = "option";
  li.dataset.text = text;
  li.textContent = text;
  const note = document.createElement("span");
  note.textContent = kind;
  li.append(note);
  return li;
}
