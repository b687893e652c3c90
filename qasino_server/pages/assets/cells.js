// Results as the page holds them: every cell {text, kind}, kind null, number or text.

const numbers = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

// Numbers keep the digits the server sent: 9007199254740993 must not become ..992.
export function parseExact(text) {
  const parts = [];
  for (let from = 0; from < text.length;) {
    const quote = text.indexOf('"', from);
    const begin = quote < 0 ? text.length : quote;
    const end = stringEnd(text, begin);
    parts.push(text.slice(from, begin).replace(numbers, '{"n":"$&"}'), text.slice(begin, end));
    from = end;
  }
  return JSON.parse(parts.join(""));
}

// Behind the string that begins there. A regular expression has no stack for one of 10 MB.
function stringEnd(text, begin) {
  for (let end = text.indexOf('"', begin + 1); end > 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

function ofValue(value) {
  if (value === null) return { text: "NULL", kind: "null" };
  if (typeof value === "object") return { text: value.n ?? JSON.stringify(value), kind: "number" };
  return { text: String(value), kind: "text" };
}

export function fromAnswer(answer) {
  const rows = answer.table.rows.map((row) => row.map(ofValue));
  for (const [row, column, text] of answer.infinities ?? []) rows[row.n][column.n] = { text, kind: "number" };
  return { names: answer.table.column_names, rows };
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

// --- Showing ----------------------------------------------------------------------------------------

// What cannot be seen, or turns the reading direction, is shown by its number.
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

export function visible(text, lines = false) {
  return text.replace(hidden, (c) => {
    if (c === "\n") return lines ? c : "\\n";
    if (c === "\t") return "\\t";
    if (c === "\r") return "\\r";
    const code = c.charCodeAt(0).toString(16);
    return c.charCodeAt(0) < 256 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

// --- Sorting ----------------------------------------------------------------------------------------

// Numbers by value, then texts by their letters; what is not known comes last, whichever way.
const rank = { number: 0, text: 1, null: 2 };
const byLetters = new Intl.Collator(undefined, { numeric: true });

export function comparison(down) {
  const way = down ? -1 : 1;
  return (a, b) => {
    if (a.kind !== b.kind) {
      const known = a.kind === "null" || b.kind === "null" ? 1 : way;
      return known * (rank[a.kind] - rank[b.kind]);
    }
    if (a.kind === "number") return way * byValue(a.text, b.text);
    return a.kind === "null" ? 0 : way * byLetters.compare(a.text, b.text);
  };
}

// Integers past 2^53 differ in digits that a JavaScript number has no room for.
export function byValue(a, b) {
  if (a === b) return 0;
  const near = toNumber(a) - toNumber(b);
  if (near || !isWhole(a) || !isWhole(b)) return near;
  return BigInt(a) < BigInt(b) ? -1 : 1;
}

const toNumber = (text) => Number(text.replace("Inf", "Infinity"));
const isWhole = (text) => /^-?\d+$/.test(text);

// A text may read like a number, or like what stands for NULL, and is neither.
const isSame = (a, b) =>
  a.kind === b.kind && (a.text === b.text || (a.kind === "number" && byValue(a.text, b.text) === 0));

// --- What changed between two results -------------------------------------------------------------

const separator = "\u0000";

// Rows that came, went, and cells that changed; rows are told apart by columns whose values are
// unique in both. What cannot be matched is not marked, and undefined is returned.
export function mark(before, now) {
  if (!before || !hasSameNames(before, now)) return undefined;
  const match = matched(before.rows, now.rows, now.names.length);
  if (!match) {
    now.rows.forEach((row, n) => keepUse(before.rows[n], row));
    return undefined;
  }
  const [old, fresh] = match;
  const news = { changed: 0, came: 0, went: 0 };
  for (const [key, row] of fresh) {
    const was = old.get(key);
    row.isNew = !was;
    if (!was) news.came += 1;
    else {
      keepUse(was, row);
      row.was = row.map((cell, n) => (isSame(cell, was[n]) ? null : was[n].text));
      news.changed += row.was.filter((text) => text !== null).length;
    }
  }
  for (const key of old.keys()) if (!fresh.has(key)) news.went += 1;
  return news;
}

const hasSameNames = (a, b) => a.names.join(separator) === b.names.join(separator);

// What somebody has unfolded, and where they stand.
function keepUse(was, row) {
  was?.forEach(({ isUnfolded, isFocused }, n) => Object.assign(row[n], { isUnfolded, isFocused }));
}

// Whether two results look the same, row by row, but for what is marked in them.
export function looksSame(a, b) {
  if (!a || !hasSameNames(a, b) || a.rows.length !== b.rows.length) return false;
  return a.rows.every((row, n) => row.every((cell, m) => cell.kind === b.rows[n][m].kind && cell.text === b.rows[n][m].text));
}

// What finds most rows again counts: a column, the first few together, and last, since a number
// with a fraction names nobody, a measure. What finds none again is no match.
function matched(before, now, width) {
  if (before.length === 1 && now.length === 1) return [new Map([["", before[0]]]), new Map([["", now[0]]])];
  if (!before.length || !now.length) return [inTurn(before), inTurn(now)];
  const { names, measures } = columnsOf([...before, ...now], width);
  const looks = [
    ...names.map((n) => () => pair(before, now, [n])),
    () => together(before, now, names),
    ...measures.map((n) => () => pair(before, now, [n])),
  ];
  let best = null;
  for (const look of looks) {
    const found = look();
    if (found && found.again > (best?.again ?? 0)) best = found;
    if (best?.again === Math.min(before.length, now.length)) break;
  }
  return best && [best.old, best.fresh];
}

const inTurn = (rows) => new Map(rows.entries());

// Texts name things, and stand before whole numbers.
function columnsOf(rows, width) {
  const has = (n, isWanted) => rows.some((row) => isWanted(row[n]));
  const all = Array.from({ length: width }, (_, n) => n);
  const texts = all.filter((n) => has(n, ({ kind }) => kind === "text"));
  const numbers = all.filter((n) => !texts.includes(n));
  const measures = numbers.filter((n) => has(n, ({ kind, text }) => kind === "number" && !isWhole(text)));
  return { names: [...texts, ...numbers.filter((n) => !measures.includes(n))], measures };
}

// The fewest that are unique; more of them would find no more rows again.
function together(before, now, names) {
  for (let end = 2; end <= names.length; end += 1) {
    const found = pair(before, now, names.slice(0, end));
    if (found) return found;
  }
  return null;
}

function pair(before, now, columns) {
  const [old, fresh] = [keyed(before, columns), keyed(now, columns)];
  if (!old || !fresh) return null;
  let again = 0;
  for (const key of fresh.keys()) again += old.has(key);
  return { old, fresh, again };
}

function keyed(rows, columns) {
  const byKey = new Map();
  for (const row of rows) {
    const key = columns.map((n) => row[n].kind + row[n].text).join(separator);
    if (byKey.has(key)) return null;
    byKey.set(key, row);
  }
  return byKey;
}
