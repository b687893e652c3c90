// The query page: run, stop, run again at each generation, show.

import { fromAnswer, fromTable, mark, parseExact } from "./cells.js";
import { draw, numericColumns } from "./chart.js";
import { Completion } from "./complete.js";
import { onGeneration } from "./generation.js";
import { Grid } from "./grid.js";

const $ = (id) => document.getElementById(id);
const [form, box, run, stop, live] = ["ask", "sql", "run", "stop", "live"].map($);
const [status, error, tools, chart, chosen] = ["status", "error", "tools", "chart", "chart-column"].map($);

const completion = new Completion(box, $("completions"));
const grid = new Grid($("result"), count);
let shown = null;
let about = status.textContent;
let running = null;

for (const part of document.querySelectorAll(".script")) part.hidden = false;

async function ask({ again = false } = {}) {
  const sql = box.value;
  if (!sql.trim()) return;
  running?.abort();
  const mine = new AbortController();
  running = mine;
  mine.queryId = `page-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`;
  const slow = setTimeout(() => { stop.hidden = false; status.textContent = "running"; }, 300);
  if (!again) remember(sql);
  try {
    const answer = await fetch("/request?op=query", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ op: "query", sql, typed: true, query_id: mine.queryId }),
      signal: mine.signal,
    });
    const told = parseExact(await answer.text());
    if (running !== mine) return;
    if (told.response_op === "error") fail(told.error_message, told.error_offset?.n);
    else show(told, again);
  } catch (fault) {
    if (running === mine) fail(fault.name === "AbortError" ? "the query was stopped" : "the server does not answer");
  } finally {
    clearTimeout(slow);
    if (running === mine) {
      running = null;
      stop.hidden = true;
    }
  }
}

function show(told, again) {
  const result = fromAnswer(told);
  if (again) mark(shown, result);
  about = `${told.truncated ? " and more: the result was cut at the server's limit" : ""}, ${(told.elapsed_s.n * 1000).toFixed(1)} ms, generation ${told.generation_number.n}`;
  error.replaceChildren();
  box.removeAttribute("aria-invalid");
  present(result);
}

function present(result) {
  shown = result;
  tools.hidden = false;
  grid.show(result);
  offerCharts(result);
  for (const link of document.querySelectorAll("[data-form]")) {
    const typed = link.dataset.form === "json" ? "&typed=true" : "";
    link.href = `/request?op=query&format=${link.dataset.form}${typed}&sql=${encodeURIComponent(box.value)}`;
  }
}

function count(visible, all) {
  const rows = `${all.toLocaleString("en")} row${all === 1 ? "" : "s"}`;
  status.textContent = (visible === all ? rows : `${visible.toLocaleString("en")} of ${rows}`) + about;
}

// The text stays, the caret goes to the place SQLite names.
function fail(sentence, offset) {
  const p = document.createElement("p");
  p.textContent = sentence;
  error.replaceChildren(p);
  status.textContent = "";
  if (offset === undefined) return;
  box.setAttribute("aria-invalid", "true");
  pointAt(Number(offset), p);
}

// The server counts characters, a text box counts UTF-16 units.
function pointAt(offset, after) {
  const before = [...box.value].slice(0, offset).join("");
  const token = /^[\p{L}\p{N}_]+|^./u.exec(box.value.slice(before.length))?.[0] ?? "";
  const begins = before.lastIndexOf("\n") + 1;
  const pre = document.createElement("pre");
  const line = box.value.slice(begins).split("\n")[0];
  pre.textContent = `${line}\n${" ".repeat(before.length - begins)}^`;
  after?.after(pre);
  if (document.activeElement === box || document.activeElement === run || document.activeElement === document.body) {
    box.focus();
    box.setSelectionRange(before.length, before.length + token.length);
  }
}

function remember(sql) {
  const url = `/query?sql=${encodeURIComponent(sql)}`;
  if (location.pathname + location.search === url) return;
  history.pushState({ sql }, "", url);
  document.title = `${sql.slice(0, 60)} - Query - Qasino`;
}

function offerCharts(result) {
  const columns = numericColumns(result);
  const before = chosen.selectedOptions[0]?.textContent;
  chosen.replaceChildren(new Option("none", ""), ...columns.map(({ name, n }) => new Option(name, n)));
  const still = [...chosen.options].find((option) => option.value && option.textContent === before);
  if (still) still.selected = true;
  chosen.disabled = !columns.length;
  drawChart();
}

function drawChart() {
  chart.replaceChildren(...(chosen.value && shown?.rows.length ? [draw(shown, Number(chosen.value))] : []));
}

async function end() {
  const query = running;
  if (!query) return;
  await fetch("/request?op=cancel", {
    method: "POST", body: JSON.stringify({ op: "cancel", query_id: query.queryId }),
  }).catch(() => null);
  query.abort();
}

form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
stop.addEventListener("click", end);
chosen.addEventListener("change", drawChart);
$("narrow").addEventListener("input", (event) => grid.narrow(event.target.value));
live.addEventListener("change", () => { if (live.checked) ask({ again: Boolean(shown) }); });
onGeneration(() => { if (live.checked && !running) ask({ again: true }); });
addEventListener("popstate", () => {
  box.value = new URLSearchParams(location.search).get("sql") ?? "";
  if (box.value) ask({ again: true });
});
box.addEventListener("keydown", (event) => {
  if (completion.key(event)) event.preventDefault();
  else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ask();
  } else if (event.key === "Escape" && running) end();
});

const made = document.querySelector("#result table");
if (made && "cut" in made.dataset) ask({ again: true });
else if (made) {
  about = status.textContent.replace(/^[\d,]+ rows?/, "");
  present(fromTable(made));
}
if (box.dataset.offset !== undefined) pointAt(Number(box.dataset.offset), null);
else if (!box.value) box.focus();
