// The query page: run, stop, run again at each generation, show.

import { fromAnswer, fromTable, mark, parseExact, visible } from "./cells.js";
import { draw, hasPlace, numericColumns, worthDrawing } from "./chart.js";
import { Completion } from "./complete.js";
import { onGeneration } from "./generation.js";
import { Grid } from "./grid.js";
import { lineAround, placeOfTable, tokenAt } from "./sql.js";

const $ = (id) => document.getElementById(id);
const [form, box, run, stop, live] = ["ask", "sql", "run", "stop", "live"].map($);
const [status, error, tools, chart, chosen] = ["status", "error", "tools", "chart", "chart-column"].map($);
const SLOW_MS = 300;
const LONGEST = 60000; // of a query in an address: the server takes 64 KiB with what else comes there
const LEAST_WIDTH = 280; // of the chart, which may be drawn before the page is laid out
const server = document.querySelector(".identity").textContent;

const completion = new Completion(box, $("completions"));
const grid = new Grid($("result"), showing);
let asked = box.defaultValue; // what was run last; the box may hold what comes next
let shown = null; // the result
let visibleRows = [];
let about = ""; // what else the status says of it
let running = null;
let address = location.search; // what is shown
let held = false; // a newer result waits until nothing is selected
let begun = null; // the generation that has begun last while a query ran
let picked; // the column to draw, once somebody has said; "" for none

for (const part of document.querySelectorAll(".script")) part.hidden = false;

// `again`: the same query as before, for a new generation; `push`: the address is new.
async function ask({ again = false, push = !again } = {}) {
  if (!again) completion.close();
  const sql = again ? asked : box.value;
  if (!sql.trim()) return;
  asked = sql;
  $("unlinked").hidden = hasAddress(sql);
  $("downloads").hidden = !hasAddress(sql);
  running?.abort();
  const mine = new AbortController();
  running = mine;
  begun = null;
  mine.queryId = `page-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`;
  const slow = setTimeout(() => {
    stop.hidden = false;
    status.textContent = "running";
    if (!again) forgetError(); // it is that of the query before
  }, SLOW_MS);
  if (push) remember(sql);
  let text = null;
  let isBehind = false;
  try {
    const answer = await fetch("/request?op=query", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ op: "query", sql, typed: true, query_id: mine.queryId }),
      signal: mine.signal,
    });
    text = await answer.text();
    const told = parseExact(text);
    if (running !== mine) return;
    if (told.response_op === "error") {
      const sentence = fail(told.error_message, told.error_hint);
      if (told.error_offset) {
        const offset = Number(told.error_offset.n);
        sentence.after(marked(sql, offset));
        if (!again && box.value === sql) goToPlace(offset); // what is typed meanwhile is left alone
      } else explain(sentence, sql, !again && box.value === sql);
      isBehind = begun !== null; // it does not say of which generation it is
    } else {
      show(told, again);
      isBehind = begun !== null && String(told.generation_number.n) !== begun;
    }
  } catch (fault) {
    if (running === mine) fail(sentenceOf(fault, text !== null));
  } finally {
    clearTimeout(slow);
    if (running === mine) {
      running = null;
      stop.hidden = true;
      if (isBehind) renew();
    }
  }
}

function renew() {
  if (!live.checked) return;
  if (shown && grid.isSelected()) hold();
  else ask({ again: true });
}

function sentenceOf(fault, isAnswered) {
  if (fault.name === "AbortError") return "the query was stopped";
  if (!isAnswered) return "the server does not answer";
  return fault.name === "SyntaxError" ? "the server's answer cannot be read" : `the answer cannot be shown: ${fault.message}`;
}

function show(told, again) {
  if (again && grid.isSelected()) {
    hold();
    return;
  }
  held = false;
  const result = fromAnswer(told);
  const news = again ? mark(shown, result) : undefined;
  const cut = told.truncated ? " and more: the result was cut at the server's limit" : "";
  about = `${cut}, ${(told.elapsed_s.n * 1000).toFixed(1)} ms, generation ${told.generation_number.n}${inWords(news)}`;
  forgetError();
  present(result, again);
}

function forgetError() {
  error.replaceChildren();
  box.removeAttribute("aria-invalid");
}

function hold() {
  if (!held) status.textContent += "; newer rows wait while something is selected";
  held = true;
}

function inWords(news) {
  if (!news) return "";
  const parts = [];
  if (news.changed) parts.push(`${news.changed} cell${news.changed === 1 ? "" : "s"} changed`);
  if (news.came) parts.push(`${news.came} new`);
  if (news.went) parts.push(`${news.went} gone`);
  return `: ${parts.join(", ") || "nothing changed"}`;
}

function present(result, again) {
  shown = result;
  tools.hidden = false;
  if ($("starters")) $("starters").hidden = true;
  offerCharts(result);
  grid.show(result, again);
  for (const link of document.querySelectorAll("[data-form]")) {
    const typed = link.dataset.form === "json" ? "&typed=true" : "";
    link.href = `/request?op=query&format=${link.dataset.form}${typed}&sql=${encodeURIComponent(asked)}`;
  }
}

function showing(rows) {
  visibleRows = rows;
  tellRows();
  drawChart();
}

function tellRows() {
  const all = shown.rows.length;
  const words = `${all.toLocaleString("en")} row${all === 1 ? "" : "s"}`;
  const part = visibleRows.length === all ? "" : `${visibleRows.length.toLocaleString("en")} of `;
  status.textContent = part + words + about;
}

function clear() {
  running?.abort();
  running = null;
  stop.hidden = true;
  asked = "";
  shown = null;
  held = false;
  grid.clear();
  tools.hidden = true;
  $("unlinked").hidden = true;
  status.textContent = "";
  forgetError();
  chart.replaceChildren();
  if ($("starters")) $("starters").hidden = false;
}

// The text stays.
function fail(sentence, hint) {
  const p = paragraph(sentence);
  error.replaceChildren(p);
  if (hint) error.append(paragraph(hint));
  status.textContent = shown ? "The result below is the one before" : "";
  box.setAttribute("aria-invalid", "true");
  return p;
}

// Of a table that is not there: where the statement has it, and which there are.
async function explain(sentence, sql, isFree) {
  const name = /^no such table: (?:\w+\.)?([\p{L}\p{N}_]+)/u.exec(sentence.textContent)?.[1];
  if (!name) return;
  const offset = placeOfTable(sql, name);
  if (offset !== undefined) sentence.after(marked(sql, offset));
  if (offset !== undefined && isFree) goToPlace(offset);
  const names = await completion.alike(name);
  if (names.length && error.contains(sentence)) error.append(paragraph(`did you mean ${names.join(" or ")}?`));
}

function paragraph(sentence) {
  const p = document.createElement("p");
  p.textContent = sentence;
  return p;
}

// The line of a statement that has the place SQLite names.
function marked(sql, offset) {
  const [head, place, tail] = lineAround(sql, offset).map((part) => visible(part));
  const pre = document.createElement("pre");
  const mark = document.createElement("mark");
  mark.textContent = place;
  pre.append(head, mark, tail);
  return pre;
}

// The caret goes there; the server counts characters, a text box counts UTF-16 units.
function goToPlace(offset) {
  if (![box, run, document.body].includes(document.activeElement)) return;
  const before = [...box.value].slice(0, offset).join("");
  const token = tokenAt(box.value.slice(before.length));
  box.focus();
  box.setSelectionRange(before.length, before.length + token.length);
}

// --- The address holds the query, and whether it is live --------------------------------------------

const hasAddress = (sql) => encodeURIComponent(sql).length <= LONGEST;

function addressOf(sql) {
  if (!hasAddress(sql)) return "/query";
  return `/query?sql=${encodeURIComponent(sql)}${live.checked ? "&live" : ""}`;
}

function remember(sql) {
  const wanted = addressOf(sql);
  if (location.pathname + location.search !== wanted) history.pushState(null, "", wanted);
  address = location.search;
  title(sql);
}

function title(sql) {
  document.title = `${sql ? `${sql.slice(0, 60)} - ` : ""}Query - ${server} - Qasino`;
}

function goTo(params) {
  box.value = params.get("sql") ?? "";
  live.checked = params.has("live");
  title(box.value);
  if (box.value.trim()) ask({ push: false });
  else clear();
}

// --- The chart ----------------------------------------------------------------------------------

function offerCharts(result) {
  const columns = numericColumns(result);
  const still = columns.find(({ name }) => name === picked);
  const drawn = still ?? (picked === "" ? undefined : worthDrawing(result));
  chosen.replaceChildren(new Option("none", ""), ...columns.map(({ name, n }) => new Option(visible(name), n)));
  chosen.value = drawn ? String(drawn.n) : "";
  chosen.disabled = !columns.length;
}

function drawChart() {
  const wanted = chosen.value !== "" && visibleRows.some((row) => hasPlace(row[chosen.value]));
  chart.replaceChildren();
  if (wanted) chart.append(...draw(shown.names, visibleRows, Number(chosen.value), Math.max(LEAST_WIDTH, chart.clientWidth)));
}

// --- What people do -----------------------------------------------------------------------------

// A server that does not answer is not waited for: whose connection is given up has stopped, too.
async function end() {
  const query = running;
  if (!query) return;
  const told = fetch("/request?op=cancel", {
    method: "POST", body: JSON.stringify({ op: "cancel", query_id: query.queryId }),
  }).catch(() => null);
  await Promise.race([told, new Promise((resolve) => setTimeout(resolve, SLOW_MS))]);
  query.abort();
}

// What is downloaded is of the time of the click, not of the page's.
function nameDownload({ target: link }) {
  if (!link.dataset.form) return;
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  link.download = `qasino-${stamp}.${link.dataset.form}`;
}

for (const kind of ["click", "contextmenu"]) $("downloads").addEventListener(kind, nameDownload);
addEventListener("beforeprint", () => grid.drawAll());
form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
stop.addEventListener("click", end);
chosen.addEventListener("change", () => {
  picked = chosen.value === "" ? "" : shown.names[chosen.value];
  drawChart();
});
new ResizeObserver(() => { if (shown) drawChart(); }).observe(tools);
$("narrow").addEventListener("input", (event) => grid.narrow(event.target.value));
live.addEventListener("change", () => {
  if (live.checked && box.value !== asked) {
    ask();
    return;
  }
  if (asked.trim()) history.replaceState(null, "", addressOf(asked));
  address = location.search;
  if (live.checked) ask({ again: Boolean(shown) });
});
onGeneration((facts) => {
  if (running) begun = String(facts.generation_number); // what is answered may be of the one before
  else renew();
});
document.addEventListener("selectionchange", () => {
  if (!held || grid.isSelected()) return;
  held = false;
  tellRows();
  if (live.checked && !running) ask({ again: true });
});
addEventListener("popstate", () => {
  if (location.search === address) return; // a jump within the page
  address = location.search;
  goTo(new URLSearchParams(address));
});
box.addEventListener("keydown", (event) => {
  if (completion.key(event)) event.preventDefault();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask();
  } else if (event.key === "Escape" && running) end();
});

const made = document.querySelector("#result table");
if (made && "inexact" in made.dataset) ask({ push: false });
else if (made) {
  about = status.textContent.replace(/^[\d,]+ rows?/, "");
  present(fromTable(made), false);
}
if (box.dataset.offset !== undefined) goToPlace(Number(box.dataset.offset));
else if (error.firstElementChild) explain(error.firstElementChild, box.value, true);
else if (!box.value) box.focus();
