// A result as a table: sorted and filtered in the page, drawn as far as it is looked at.

import { comparison, looksSame, visible } from "./cells.js";
import { isSelected } from "./selection.js";

const PORTION = 100;
const HEAD_CHARS = 160;

export class Grid {
  // `told` is called with the rows that are shown, whenever they change.
  constructor(box, told) {
    this.box = box;
    this.told = told;
    this.result = null;
    this.sorted = null;
    this.wanted = "";
    box.addEventListener("scroll", () => this.drawMore(), { passive: true });
  }

  // Another result; with `again` one of the same query, which is left where it stands.
  show(result, again = false) {
    if (again && looksSame(this.result, result)) {
      this.unmark(result);
      return;
    }
    const heading = [...this.box.querySelectorAll("thead button")].indexOf(document.activeElement);
    const isWithin = this.box.querySelector("tbody")?.contains(document.activeElement);
    const place = [this.box.scrollLeft, this.box.scrollTop];
    if (this.result?.names.join() !== result.names.join()) this.sorted = null;
    this.result = result;
    this.table = document.createElement("table");
    const line = this.table.createTHead().insertRow();
    result.names.forEach((name, n) => {
      const th = this.heading(name, n);
      if (result.rows.slice(0, PORTION).some((row) => row[n].kind === "number")) th.className = "number";
      line.append(th);
    });
    this.body = this.table.createTBody();
    this.box.replaceChildren(this.table);
    this.arrange();
    if (!again) return;
    this.drawMore(place[1]);
    [this.box.scrollLeft, this.box.scrollTop] = place;
    const focused = this.box.querySelectorAll("thead button")[heading] ?? (isWithin ? this.focused() : null);
    focused?.focus({ preventScroll: true });
  }

  // What unfolds the cell that had the focus, wherever its row stands now.
  focused() {
    for (const [n, row] of this.shown.slice(0, this.body.rows.length).entries()) {
      const m = row.findIndex(({ isFocused }) => isFocused);
      if (m >= 0) return this.body.rows[n].cells[m].querySelector("summary");
    }
    return null;
  }

  // The same again: what is drawn stays, and nothing in it is news any more.
  unmark(result) {
    result.rows = this.result.rows; // whose cells know what is unfolded from now on, too
    for (const row of result.rows) Object.assign(row, { isNew: false, was: undefined });
    this.result = result;
    this.shown = this.chosen();
    for (const tr of this.body.querySelectorAll("tr.new")) tr.classList.remove("new");
    for (const td of this.body.querySelectorAll("td.changed")) {
      td.classList.remove("changed");
      td.removeAttribute("title");
    }
    this.told(this.shown);
  }

  // Whether somebody is about to copy some of it.
  isSelected() {
    return isSelected(this.box);
  }

  clear() {
    this.result = null;
    this.box.replaceChildren();
  }

  narrow(wanted) {
    this.wanted = wanted.trim().toLowerCase();
    if (this.result) this.arrange();
  }

  heading(name, n) {
    const th = document.createElement("th");
    th.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = visible(name);
    button.title = "Sort";
    button.addEventListener("click", () => this.sort(n));
    th.append(button);
    return th;
  }

  sort(n) {
    const again = this.sorted?.column === n;
    if (again && this.sorted.down) this.sorted = null;
    else this.sorted = { column: n, down: again };
    this.arrange();
  }

  // Which rows, in which order.
  chosen() {
    const { rows } = this.result;
    const chosen = this.wanted
      ? rows.filter((row) => row.some((cell) => cell.text.toLowerCase().includes(this.wanted)))
      : rows;
    if (!this.sorted) return chosen;
    const { column, down } = this.sorted;
    const order = comparison(down);
    return [...chosen].sort((a, b) => order(a[column], b[column]));
  }

  // The first of them, drawn anew.
  arrange() {
    this.shown = this.chosen();
    this.drawn = 0;
    this.body.replaceChildren();
    this.box.scrollTop = 0;
    [...this.table.tHead.rows[0].cells].forEach((th, n) => {
      if (this.sorted?.column !== n) th.removeAttribute("aria-sort");
      else th.setAttribute("aria-sort", this.sorted.down ? "descending" : "ascending");
    });
    this.drawMore();
    this.told(this.shown);
  }

  drawMore(down = this.box.scrollTop) {
    if (!this.result) return;
    const near = () => down + this.box.clientHeight * 2 >= this.box.scrollHeight;
    while (this.drawn < this.shown.length && near()) this.drawPortion();
  }

  // Nobody scrolls on paper.
  drawAll() {
    while (this.result && this.drawn < this.shown.length) this.drawPortion();
  }

  drawPortion() {
    const portion = document.createDocumentFragment();
    for (const row of this.shown.slice(this.drawn, this.drawn + PORTION)) portion.append(line(row));
    this.body.append(portion);
    this.drawn += PORTION;
  }
}

function line(row) {
  const tr = document.createElement("tr");
  if (row.isNew) tr.className = "new";
  row.forEach((cell, n) => {
    const td = tr.insertCell();
    if (cell.kind !== "text") td.className = cell.kind;
    fill(td, cell);
    const was = row.was?.[n];
    if (was !== null && was !== undefined) {
      td.classList.add("changed");
      td.title = `was ${was.slice(0, HEAD_CHARS)}`;
    }
  });
  return tr;
}

// A long text is folded; it is put into the page only when somebody unfolds it.
function fill(td, cell) {
  const { text } = cell;
  if (text.length <= HEAD_CHARS) {
    td.textContent = visible(text);
    return;
  }
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = `${visible(text.slice(0, HEAD_CHARS))}…`;
  details.append(summary);
  if (cell.isUnfolded) unfold(details, text);
  for (const kind of ["focus", "blur"]) {
    summary.addEventListener(kind, () => { cell.isFocused = document.activeElement === summary; });
  }
  details.addEventListener("toggle", () => {
    cell.isUnfolded = details.open;
    if (details.open) unfold(details, text);
  });
  td.append(details);
}

function unfold(details, text) {
  details.open = true;
  if (details.children.length > 1) return;
  const whole = document.createElement("span");
  whole.className = "whole";
  whole.textContent = visible(text, true);
  details.append(whole);
}
