// One numeric column as bars, or as a line where the first column runs upwards.

import { byValue, visible } from "./cells.js";

const NS = "http://www.w3.org/2000/svg";
const [HEIGHT, TOP, BOTTOM, MOST] = [142, 10, 22, 60];
const [GAP, DIGIT, LEAST_LEFT, LINE] = [6, 8, 60, 12];
const FONT = "12px system-ui, sans-serif";
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = FONT;
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

// An infinity has no place on a scale.
export const hasPlace = ({ kind, text }) => kind === "number" && Number.isFinite(Number(text));

export function numericColumns(result) {
  return result.names
    .map((name, n) => ({ name, n }))
    .filter(({ n }) => {
      const seen = result.rows.map((row) => row[n]);
      return seen.some(hasPlace) && !seen.some(({ kind }) => kind === "text");
    });
}

// The column that says something at a glance, if one does.
export function worthDrawing(result) {
  const { rows } = result;
  if (rows.length < 2 || (rows.length > MOST && !runsUpwards(rows.map((row) => row[0])))) return undefined;
  const varies = ({ n }) => rows.some((row) => row[n].text !== rows[0][n].text);
  const columns = numericColumns(result).filter(varies);
  return columns.find(({ n }) => n > 0) ?? (result.names.length === 1 ? columns[0] : undefined);
}

// The picture, and what it says in words, below it: on a narrow screen those need more than one line.
export function draw(names, rows, column, width) {
  const label = names.findIndex((_, n) => n !== column);
  const all = rows.filter((row) => hasPlace(row[column]));
  const lined = label >= 0 && all.length > 2 && runsUpwards(all.map((row) => row[label]));
  const drawn = lined ? all : all.slice(0, MOST);
  const texts = drawn.map((row) => row[column].text);
  const values = texts.map(Number);
  // By their texts: a JavaScript number has no room for all digits.
  const least = texts.reduce((a, b) => (byValue(b, a) < 0 ? b : a));
  const most = texts.reduce((a, b) => (byValue(b, a) > 0 ? b : a));
  const marks = [...new Set([Math.min(0, Number(least)), 0, Math.max(0, Number(most))])];
  const left = Math.max(LEAST_LEFT, 6 + DIGIT * longest(marks.map(scaled)));
  const step = (width - left) / (lined ? Math.max(1, values.length - 1) : Math.max(1, values.length));
  const frame = { left, step, width, y: heights(marks[0], marks.at(-1)) };
  const svg = make("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img" });
  svg.style.font = FONT;
  const cut = drawn.length < all.length ? `, the first ${drawn.length} of ${all.length} rows` : "";
  const title = `${names[column]}: ${values.length} values from ${least} to ${most}${cut}`;
  svg.setAttribute("aria-label", visible(title));
  const isZeroCrowded = marks.some((value) => value && Math.abs(frame.y(value) - frame.y(0)) < LINE);
  for (const value of marks) {
    const y = frame.y(value);
    svg.append(make("line", { x1: left, x2: width, y1: y, y2: y }));
    if (value || !isZeroCrowded) svg.append(words(scaled(value), { x: left - 6, y: y + 4, "text-anchor": "end" }));
  }
  svg.append(...(lined ? [line(values, frame)] : bars(drawn, values, label, column, frame)));
  if (label >= 0) svg.append(...labels(drawn.map((row) => visible(row[label].text.slice(0, 24))), lined, frame));
  const caption = document.createElement("p");
  caption.className = "note";
  caption.ariaHidden = "true"; // it is the picture's name
  caption.textContent = visible(title);
  return [svg, caption];
}

// How far a text reaches. Told by its letters it would be wrong: a W, a kanji and an emoji take twice an n.
const extent = (text) => ruler.measureText(text).width;

const longest = (texts) => Math.max(...texts.map((text) => text.length));

// A number beside the scale: what is too small or too large to be read otherwise with an exponent.
function scaled(value) {
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e15)) return value.toExponential(3).replace(/\.?0+e/, "e");
  return short.format(value);
}

// Where a value stands; in parts of the largest, since the span of two doubles may be none.
function heights(low, high) {
  const unit = Math.max(-low, high) || 1;
  const span = high / unit - low / unit || 1;
  return (value) => HEIGHT - BOTTOM - ((value / unit - low / unit) / span) * (HEIGHT - BOTTOM - TOP);
}

function runsUpwards(cells) {
  return cells.every((cell, n) => hasPlace(cell) && (!n || Number(cells[n - 1].text) < Number(cell.text)));
}

function line(values, { left, step, y }) {
  const points = telling(values, Math.floor(1 / step));
  const places = points.map((n) => `${(left + n * step).toFixed(1)},${y(values[n]).toFixed(1)}`);
  return make("polyline", { points: places.join(" ") });
}

// Which values show: of those that share a pixel the least and the most. To draw 100,000 takes seconds.
function telling(values, perPixel) {
  const all = [...values.keys()];
  if (perPixel < 3) return all;
  const shown = [];
  for (let from = 0; from < all.length; from += perPixel) {
    const here = all.slice(from, from + perPixel);
    const least = here.reduce((a, b) => (values[b] < values[a] ? b : a));
    const most = here.reduce((a, b) => (values[b] > values[a] ? b : a));
    shown.push(Math.min(least, most), Math.max(least, most));
  }
  return shown;
}

function bars(rows, values, label, column, { left, step, y }) {
  return values.map((value, n) => {
    const [top, foot] = [y(Math.max(0, value)), y(Math.min(0, value))];
    const bar = make("rect", {
      x: left + n * step + step * 0.1, width: step * 0.8, y: top, height: Math.max(1, foot - top),
    });
    const title = make("title", {});
    const name = label >= 0 ? `${rows[n][label].text.slice(0, 80)}: ` : "";
    title.textContent = visible(name + rows[n][column].text);
    bar.append(title);
    return bar;
  });
}

// All of them where they fit, else the first and the last, each in its half.
function labels(texts, lined, { left, step, width }) {
  const y = HEIGHT - BOTTOM + 14;
  if (!lined && texts.every((text) => extent(text) + GAP <= step)) {
    return texts.map((text, n) => words(text, { x: left + (n + 0.5) * step, y, "text-anchor": "middle" }));
  }
  if (texts.length < 2) return [];
  const [first, last] = [texts[0], texts.at(-1)].map((text) => fitted(text, (width - left) / 2 - GAP));
  return [words(first, { x: left, y }), words(last, { x: width - 2, y, "text-anchor": "end" })];
}

// As much of a text as there is room for.
function fitted(text, room) {
  if (extent(text) <= room) return text;
  const letters = [...text];
  while (letters.length && extent(`${letters.join("")}…`) > room) letters.pop();
  return `${letters.join("")}…`;
}

function make(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function words(text, attributes) {
  const element = make("text", attributes);
  element.textContent = visible(text);
  return element;
}
