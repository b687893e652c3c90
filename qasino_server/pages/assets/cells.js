// Results as the page holds them: every cell {text, kind}, kind null, number or text.

// Numbers keep the digits the server sent: 9007199254740993 must not become ..992.
export function parseExact(text) {
  const kept = text.replace(
    /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g,
    (token) => (token[0] === '"' ? token : `{"n":"${token}"}`),
  );
  return JSON.parse(kept);
}

function ofValue(value) {
  if (value === null) return { text: "NULL", kind: "null" };
  if (typeof value === "object") return { text: value.n ?? JSON.stringify(value), kind: "number" };
  return { text: String(value), kind: "text" };
}

export function fromAnswer(answer) {
  return {
    names: answer.table.column_names,
    rows: answer.table.rows.map((row) => row.map(ofValue)),
  };
}

export function fromTable(table) {
  const cellOf = (td) => ({
    text: (td.querySelector(".whole") ?? td).textContent,
    kind: td.className || "text",
  });
  return {
    names: [...table.querySelectorAll("thead th")].map((th) => th.textContent),
    rows: [...table.querySelectorAll("tbody tr")].map((tr) => [...tr.cells].map(cellOf)),
  };
}

// NULLs first, numbers by value, texts by their letters; as SQLite orders them.
const rank = { null: 0, number: 1, text: 2 };
const byLetters = new Intl.Collator(undefined, { numeric: true });

export function compare(a, b) {
  if (a.kind !== b.kind) return rank[a.kind] - rank[b.kind];
  if (a.kind === "number") return Number(a.text) - Number(b.text);
  return a.kind === "null" ? 0 : byLetters.compare(a.text, b.text);
}

const separator = "\u0000";

function keyed(rows, width) {
  const byKey = new Map();
  for (const row of rows) {
    const key = row.slice(0, width).map((cell) => cell.text).join(separator);
    if (byKey.has(key)) return null;
    byKey.set(key, row);
  }
  return byKey;
}

// What is new since the result before: by the fewest leading columns that tell all rows apart,
// which have to be the same in both. Where there are none nothing is marked.
export function mark(before, now) {
  if (!before || before.names.join(separator) !== now.names.join(separator)) return;
  for (let width = 1; width <= now.names.length; width += 1) {
    const [old, fresh] = [keyed(before.rows, width), keyed(now.rows, width)];
    if (old && fresh) {
      markRows(old, fresh);
      return;
    }
  }
}

function markRows(old, fresh) {
  for (const [key, row] of fresh) {
    const was = old.get(key);
    row.isNew = !was;
    if (was) {
      row.was = row.map((cell, n) => (cell.text === was[n].text ? null : was[n].text));
    }
  }
}
