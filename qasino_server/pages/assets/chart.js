// One numeric column as bars, or as a line where the first column runs upwards.

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, MOST] = [800, 240, 70, 24, 60];

export function numericColumns(result) {
  return result.names
    .map((name, n) => ({ name, n }))
    .filter(({ n }) => {
      const seen = result.rows.map((row) => row[n].kind);
      return seen.includes("number") && !seen.includes("text");
    });
}

export function draw(result, column) {
  const label = result.names.findIndex((_, n) => n !== column);
  const all = result.rows.filter((row) => row[column].kind === "number");
  const lined = label >= 0 && all.length > 2 && runsUpwards(all.map((row) => row[label]));
  const rows = lined ? all : all.slice(0, MOST);
  const values = rows.map((row) => Number(row[column].text));
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - BOTTOM - 10);
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const title = make("title", {});
  const cut = rows.length < all.length ? `, the first ${rows.length} of ${all.length} rows` : "";
  title.textContent = `${result.names[column]}: ${values.length} values from ${Math.min(...values)} to ${Math.max(...values)}${cut}`;
  svg.append(title);
  svg.setAttribute("aria-label", title.textContent);
  for (const value of [low, high]) {
    svg.append(make("line", { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    svg.append(words(String(value), { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }));
  }
  svg.append(...(lined ? [line(values, y)] : bars(rows, values, label, column, y)));
  svg.append(words(title.textContent, { x: LEFT, y: HEIGHT - 6 }));
  return svg;
}

function runsUpwards(cells) {
  return cells.every((cell, n) => cell.kind === "number" && (!n || Number(cells[n - 1].text) < Number(cell.text)));
}

function line(values, y) {
  const step = (WIDTH - LEFT) / Math.max(1, values.length - 1);
  const points = values.map((value, n) => `${(LEFT + n * step).toFixed(1)},${y(value).toFixed(1)}`);
  return make("polyline", { points: points.join(" ") });
}

function bars(rows, values, label, column, y) {
  const step = (WIDTH - LEFT) / Math.max(1, values.length);
  return values.map((value, n) => {
    const [top, foot] = [y(Math.max(0, value)), y(Math.min(0, value))];
    const bar = make("rect", {
      x: LEFT + n * step + step * 0.1, width: step * 0.8, y: top, height: Math.max(1, foot - top),
    });
    const title = make("title", {});
    const name = label >= 0 ? `${rows[n][label].text}: ` : "";
    title.textContent = `${name.slice(0, 80)}${rows[n][column].text}`;
    bar.append(title);
    return bar;
  });
}

function make(name, attributes) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function words(text, attributes) {
  const element = make("text", attributes);
  element.textContent = text;
  return element;
}
