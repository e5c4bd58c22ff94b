// Lines over time as SVG, with the same numbers as a table for whoever cannot see them. Knows series of numbers and
// nothing of what they mean.

import { h, put, svg, uniqueId } from "./dom.js";
import { date, time } from "./format.js";

const [WIDTH, HEIGHT] = [640, 180];
const EDGE = { left: 64, right: 8, top: 10, bottom: 24 };
/** Rows of the table: more would not be read. */
const ROWS = 24;
const GRID_LINES = 4;

/** The next number that reads well as the top of a scale. `base` is 1024 for bytes. */
export function niceTop(value, base = 1000) {
  // A scale for nothing: its marks must differ when they are written.
  if (value <= 0) return base === 1024 ? 1024 : 1;
  const power =
    base === 1024 ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 10 ** Math.floor(Math.log10(value));
  const steps = base === 1024 ? [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] : [1, 2, 4, 5, 10];
  return power * (steps.find((step) => value <= step * power) ?? steps.at(-1));
}

/** Runs of neighbours: a step that is absent, or has no value, breaks the line. */
function runs(samples, read, step) {
  const found = [];
  let last = null;
  for (const sample of samples) {
    const value = read(sample);
    if (value === null || value === undefined) {
      last = null;
      continue;
    }
    if (last === null || sample.x - last > step * 1.6) found.push([]);
    found.at(-1).push([sample.x, value]);
    last = sample.x;
  }
  return found;
}

function summary(title, series, samples, write) {
  if (samples.length === 0) return `${title}: nothing recorded yet.`;
  const told = series.map(({ label, read }) => {
    const values = samples.map(read).filter((value) => value !== null && value !== undefined);
    if (values.length === 0) return `${label} none`;
    return `${label} now ${write(values.at(-1))}, at most ${write(Math.max(...values))}`;
  });
  return `${title}: ${told.join("; ")}.`;
}

function numbersTable(title, series, samples, write, isLong) {
  const each = Math.max(1, Math.ceil(samples.length / ROWS));
  const rows = [];
  for (let at = samples.length; at > 0; at -= each) {
    const group = samples.slice(Math.max(0, at - each), at);
    rows.push([
      (isLong ? date : time)(group[0].at),
      ...series.map(({ read }) => {
        const values = group.map(read).filter((value) => value !== null && value !== undefined);
        return values.length === 0 ? "–" : write(Math.max(...values));
      }),
    ]);
  }
  return h(
    "table",
    { class: "numbers" },
    h("caption", {}, `${title}${each > 1 ? ", the highest of each period" : ""}, newest first`),
    h(
      "thead",
      {},
      h("tr", {}, h("th", { scope: "col" }, "From"), ...series.map(({ label }) => h("th", { scope: "col" }, label))),
    ),
    h(
      "tbody",
      {},
      ...rows.map(([at, ...cells]) =>
        h("tr", {}, h("th", { scope: "row" }, at), ...cells.map((cell) => h("td", {}, cell))),
      ),
    ),
  );
}

function grid(top, write, scaleY) {
  return Array.from({ length: GRID_LINES + 1 }, (_, at) => {
    const value = (top * at) / GRID_LINES;
    const y = scaleY(value);
    return svg(
      "g",
      {},
      svg("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y, y2: y }),
      svg("text", { class: "tick", x: EDGE.left - 6, y: y + 4, "text-anchor": "end" }, write(value)),
    );
  });
}

function timeTicks(from, to, isLong, scaleX) {
  return [0, 0.5, 1].map((share) => {
    const at = from + (to - from) * share;
    const shown = isLong
      ? new Intl.DateTimeFormat("en-GB", {
          day: "numeric",
          month: "short",
          hour: "2-digit",
          minute: "2-digit",
        }).format(at)
      : new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    return svg("text", { class: "tick", x: scaleX(at), y: HEIGHT - 6, "text-anchor": anchor }, shown);
  });
}

function path(points, scaleX, scaleY) {
  return points
    .map(([x, y], at) => `${at === 0 ? "M" : "L"}${scaleX(x).toFixed(1)} ${scaleY(y).toFixed(1)}`)
    .join("");
}

function drawLines(series, samples, step, scaleX, scaleY) {
  return series.flatMap(({ read, kind }) =>
    runs(samples, read, step).flatMap((points) => {
      if (points.length === 1) {
        return [svg("circle", { class: `dot ${kind}`, cx: scaleX(points[0][0]), cy: scaleY(points[0][1]), r: 2 })];
      }
      const line = path(points, scaleX, scaleY);
      const floor = scaleY(0).toFixed(1);
      const area = `${line}L${scaleX(points.at(-1)[0]).toFixed(1)} ${floor}L${scaleX(points[0][0]).toFixed(1)} ${floor}Z`;
      return [svg("path", { class: `area ${kind}`, d: area }), svg("path", { class: `line ${kind}`, d: line })];
    }),
  );
}

/**
 * A chart that can be filled again: `chart.show(samples, {step, span})`. `series` are `{label, kind, read}`; `read`
 * gives the value of a sample or `null`.
 */
export function chart({ title, series, write, base = 1000 }) {
  const id = uniqueId("chart");
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-labelledby": id,
    class: "chart",
  });
  const told = h("p", { class: "unseen", id });
  const readout = h("p", { class: "readout", "aria-hidden": "true" });
  const numbers = h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `${title} in numbers` });
  const legend = h(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    ...series.map(({ label, kind }) => h("li", { class: kind }, label)),
  );
  const node = h(
    "figure",
    { class: "panel" },
    h("figcaption", {}, h("h3", {}, title), legend),
    told,
    picture,
    readout,
    h("details", {}, h("summary", {}, "In numbers"), numbers),
  );
  let shown = null;

  node.show = (raw, { step, seconds, isLong }) => {
    const samples = raw.map((sample) => ({ ...sample, x: new Date(sample.at).getTime() }));
    const to = Math.max(Date.now() - step * 1000, samples.at(-1)?.x ?? 0);
    const from = to - seconds * 1000;
    const values = samples.flatMap((sample) => series.map(({ read }) => read(sample) ?? 0));
    const top = niceTop(Math.max(0, ...values), base);
    const scaleX = (x) => EDGE.left + ((x - from) / (to - from)) * (WIDTH - EDGE.left - EDGE.right);
    const scaleY = (y) => HEIGHT - EDGE.bottom - (y / top) * (HEIGHT - EDGE.top - EDGE.bottom);
    const cursor = svg("line", { class: "cursor", y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "hidden" });
    const visible = samples.filter((sample) => sample.x >= from);
    put(
      picture,
      grid(top, write, scaleY),
      timeTicks(from, to, isLong, scaleX),
      drawLines(series, visible, step * 1000, scaleX, scaleY),
      cursor,
    );
    told.textContent = summary(title, series, visible, write);
    put(numbers, numbersTable(title, series, visible, write, isLong));
    shown = { samples: visible, scaleX, cursor, isLong };
    if (visible.length === 0) readout.textContent = "Nothing recorded in this time yet.";
    else if (readout.textContent.startsWith("Nothing")) readout.textContent = "";
  };

  picture.addEventListener("pointermove", (event) => {
    if (!shown || shown.samples.length === 0) return;
    const box = picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const near = shown.samples.reduce((best, sample) =>
      Math.abs(shown.scaleX(sample.x) - x) < Math.abs(shown.scaleX(best.x) - x) ? sample : best,
    );
    const at = shown.scaleX(near.x);
    shown.cursor.setAttribute("x1", at);
    shown.cursor.setAttribute("x2", at);
    shown.cursor.setAttribute("visibility", "visible");
    const cells = series.map(({ label, read }) => `${label} ${read(near) === null ? "–" : write(read(near))}`);
    readout.textContent = `${(shown.isLong ? date : time)(near.at)}: ${cells.join(", ")}`;
  });
  picture.addEventListener("pointerleave", () => {
    shown?.cursor.setAttribute("visibility", "hidden");
    readout.textContent = "";
  });
  return node;
}
