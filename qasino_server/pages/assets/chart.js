// One numeric column as bars, or as a line where the first column runs upwards.

import { visible } from "./cells.js";

const NS = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, TOP, BOTTOM, MOST] = [160, 60, 10, 40, 60];
const LETTER = 7;
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

export function draw(names, rows, column, width) {
  const label = names.findIndex((_, n) => n !== column);
  const all = rows.filter((row) => hasPlace(row[column]));
  const lined = label >= 0 && all.length > 2 && runsUpwards(all.map((row) => row[label]));
  const drawn = lined ? all : all.slice(0, MOST);
  const values = drawn.map((row) => Number(row[column].text));
  const [low, high] = [Math.min(0, least(values)), Math.max(0, most(values))];
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - BOTTOM - TOP);
  const svg = make("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img" });
  const cut = drawn.length < all.length ? `, the first ${drawn.length} of ${all.length} rows` : "";
  const title = `${names[column]}: ${values.length} values from ${least(values)} to ${most(values)}${cut}`;
  svg.setAttribute("aria-label", visible(title));
  for (const value of new Set([low, 0, high])) {
    svg.append(make("line", { x1: LEFT, x2: width, y1: y(value), y2: y(value) }));
    svg.append(words(short.format(value), { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }));
  }
  const step = (width - LEFT) / (lined ? Math.max(1, values.length - 1) : Math.max(1, values.length));
  svg.append(...(lined ? [line(values, y, step)] : bars(drawn, values, label, column, y, step)));
  if (label >= 0) svg.append(...labels(drawn.map((row) => row[label].text.slice(0, 24)), step, lined, width));
  svg.append(words(title, { x: LEFT, y: HEIGHT - 6, class: "title" }));
  return svg;
}

const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
const most = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);

function runsUpwards(cells) {
  return cells.every((cell, n) => hasPlace(cell) && (!n || Number(cells[n - 1].text) < Number(cell.text)));
}

function line(values, y, step) {
  const points = values.map((value, n) => `${(LEFT + n * step).toFixed(1)},${y(value).toFixed(1)}`);
  return make("polyline", { points: points.join(" ") });
}

function bars(rows, values, label, column, y, step) {
  return values.map((value, n) => {
    const [top, foot] = [y(Math.max(0, value)), y(Math.min(0, value))];
    const bar = make("rect", {
      x: LEFT + n * step + step * 0.1, width: step * 0.8, y: top, height: Math.max(1, foot - top),
    });
    const title = make("title", {});
    const name = label >= 0 ? `${rows[n][label].text.slice(0, 80)}: ` : "";
    title.textContent = visible(name + rows[n][column].text);
    bar.append(title);
    return bar;
  });
}

// All of them where they fit, else the first and the last.
function labels(texts, step, lined, width) {
  const y = HEIGHT - BOTTOM + 14;
  const longest = most(texts.map((text) => text.length));
  if (!lined && longest * LETTER < step) {
    return texts.map((text, n) => words(text, { x: LEFT + (n + 0.5) * step, y, "text-anchor": "middle" }));
  }
  if (texts.length < 2) return [];
  return [words(texts[0], { x: LEFT, y }), words(texts.at(-1), { x: width - 2, y, "text-anchor": "end" })];
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
