// What little of SQL the page knows: its words, where in a statement the caret stands, and an error.

export const KEYWORDS = [
  "select", "from", "where", "group by", "order by", "limit", "join", "left join", "on", "using",
  "having", "distinct", "count(*)", "sum(", "avg(", "min(", "max(", "as", "and", "or", "not",
  "like", "between", "is null", "is not null", "desc", "case when", "with", "union all", "prev.",
];
// The same that may follow a table, and those that may follow a value.
const AFTER_TABLE = ["where", "group by", "order by", "limit", "join", "left join", "on", "using", "as", "union all"];
const AFTER_VALUE = [...AFTER_TABLE, "from", "having", "and", "or", "not", "like", "between", "is null", "is not null", "desc"];
// Names that SQLite takes for something else unless they are quoted.
export const RESERVED = new Set(
  ("add all alter and as autoincrement between case cast check collate commit constraint create current_date "
  + "current_time current_timestamp default deferrable delete distinct drop else escape except exists foreign from "
  + "group having in index insert intersect into is isnull join limit not nothing notnull null on or order primary "
  + "raise references returning select set table then to transaction union unique update using values when where"
  ).split(" "),
);
// An alias is none of these either, though they can be names.
export const JOINS = new Set("cross full inner left natural outer right".split(" "));
// Nor does a value end with one of these.
const BEGIN = new Set("by glob like match offset over plan recursive regexp with".split(" "));
const CLAUSES = new Set("select from join where on using by having limit offset values union except intersect".split(" "));
const TOKENS = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[^]*?\*\/|[\p{L}\p{N}_$]+|\S/gu;
const NEAR = 20000; // characters before the caret that are looked at

export function wordAt(before) {
  const [, qualifier, word] = /(?:([\p{L}\p{N}_]+)\.)?([\p{L}\p{N}_]*)$/u.exec(before);
  return { word: word ?? "", qualifier: qualifier ?? "" };
}

const CLOSED = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--.*\n|\/\*[^]*?\*\//g;

// Whether a text or a comment is open where the caret stands.
export function isQuoted(before) {
  return /'|--|\/\*/.test(before.replace(CLOSED, ""));
}

// Whether a name is: one in quotes, which no keyword is.
export function isNameOpen(before) {
  return before.replace(CLOSED, "").includes('"');
}

// What may stand behind that text: tables or not, and which keywords, all where nothing is said of them.
// As `qasino sql` tells it (qasino_cli/sql/completion): by the last clause of the parentheses around.
export function placeAfter(before) {
  const { tokens, levels } = read(before.slice(-NEAR).replace(/"$/, ""));
  const [last, { clause }, around] = [tokens.at(-1) ?? "", levels.at(-1), levels.at(-2)];
  const isDescribed = ["desc", "describe"].includes(tokens[0]);
  if (isDescribed && (tokens.length === 1 || last === "view")) return { table: true, keywords: [] };
  if (last === "as") return { keywords: [] }; // an alias is whatever somebody likes
  const begins = clause === "from" ? ["from", "join", ","].includes(last)
    : last === "(" && clause === "" && around.clause === "from";
  if (begins) return { table: true, keywords: ["select"] };
  if (clause === "from") return { keywords: AFTER_TABLE };
  return isValue(last) ? { keywords: AFTER_VALUE } : {};
}

function read(text) {
  const tokens = [];
  const levels = [{ clause: "" }]; // of parentheses, the innermost last
  for (const [found] of text.matchAll(TOKENS)) {
    if (found.startsWith("--") || found.startsWith("/*")) continue;
    const token = found.toLowerCase();
    tokens.push(token);
    if (token === "(") levels.push({ clause: "" });
    else if (token === ")" && levels.length > 1) levels.pop();
    else if (CLAUSES.has(token)) levels.at(-1).clause = token === "join" ? "from" : token;
  }
  return { tokens, levels };
}

// Whether an expression may end with it, so that no other begins behind it.
function isValue(token) {
  if (/^[\p{L}\p{N}_$]/u.test(token)) return ![RESERVED, JOINS, BEGIN].some((words) => words.has(token));
  return token === ")" || /^['"`[]./.test(token);
}

const [BEFORE, ALONG] = [60, 120]; // characters before the place of an error, and of its line, that are shown

// The line of a statement that holds a place, in three parts: what is before, the word at the place (or
// what else stands there), and what is after; paint.py divides alike.
export function lineAround(text, offset) {
  const characters = [...text];
  const column = offset - characters.slice(0, offset).lastIndexOf("\n") - 1;
  const begins = offset - Math.min(column, BEFORE);
  const shown = characters.slice(begins, begins + ALONG).join("").replaceAll("\t", " ");
  const before = characters.slice(begins, offset).join("").replaceAll("\t", " ");
  const rest = shown.slice(before.length).split("\n")[0];
  const place = tokenAt(rest);
  return [before, place, rest.slice(place.length)];
}

export function tokenAt(text) {
  return /^[\p{L}\p{N}_]+|^[^\n]?/u.exec(text)[0];
}

// Where a statement has a table of that name, in characters: SQLite tells no place of one that is not there.
export function placeOfTable(sql, name) {
  for (const { 0: found, index } of sql.matchAll(TOKENS)) {
    if (found.replace(/^["`[]|["`\]]$/g, "").toLowerCase() !== name.toLowerCase()) continue;
    const before = sql.slice(0, index);
    if (placeAfter(before.replace(/[\p{L}\p{N}_]+\.$/u, "")).table) return [...before].length;
  }
  return undefined;
}

// The names most like the wanted one, three at most: few letters differ, or they hold it.
export function alike(wanted, names) {
  const lower = wanted.toLowerCase();
  const most = Math.max(1, Math.floor(lower.length / 4));
  return names
    .map((name) => ({ name, far: difference(lower, name.toLowerCase()) }))
    .filter(({ name, far }) => far && (far <= most || (lower.length > 2 && name.toLowerCase().includes(lower))))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ name }) => name);
}

// How many letters must be put in, left out or changed.
function difference(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) {
      next.push(Math.min(row[j] + (a[i] === b[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1));
    }
    row = next;
  }
  return row[b.length];
}
