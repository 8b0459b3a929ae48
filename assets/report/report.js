"use strict";
// What the page can do beyond being read: a theme, sorted tables, curves that answer, a gallery that filters and enlarges.
// Nothing here is needed to read the report, and nothing leaves the page.

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function button(label, action, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", action);
  return made;
}

// ---- theme ----

function themeToggle() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const toggle = button("", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("augtrial-theme", root.dataset.theme); } catch { /* not remembered */ }
    name();
  }, { class: "theme", id: "theme" });
  const name = () => { toggle.textContent = isDark() ? "Light theme" : "Dark theme"; };
  system.addEventListener("change", name);
  name();
  document.querySelector("header.top").append(toggle);
}

// ---- tables ----

// Numbers by value, words by the reader's alphabet, gaps always last.
function compareCells(a, b, descending) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const [x, y] = [Number(a), Number(b)];
  const order = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  return descending ? -order : order;
}

function sortable(table) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) return;
  headers.forEach((header, column) => {
    const label = header.textContent;
    header.replaceChildren(button(label, () => {
      const descending = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value;
      body.append(...[...body.rows].sort((a, b) => compareCells(value(a), value(b), descending)));
    }));
  });
}

// ---- curves ----

const DASHES = ["", "9 5", "2 4", "9 4 2 4"]; // as in the printed figures
const COLOURS = 7;
const MEASURES = { accuracy: "Top-1 accuracy (%)", loss: "Cross-entropy loss (nats)" };
const AXES = { epoch: "Epoch", updates: "Optimiser updates" };
const PARTS = { validation: "Validation part", train: "Training part" };

const colour = (arm) => `var(--arm-${arm % COLOURS})`;

function roundTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999999);
  const ticks = [];
  for (let k = Math.floor(low / step); k <= Math.ceil(high / step - 1e-9); k += 1) ticks.push(k * step);
  return { ticks, decimals: Math.max(0, -Math.floor(Math.log10(step * 1.000001))) };
}

class Curves {
  constructor(place, data) {
    this.data = data;
    this.state = { measure: "accuracy", axis: "epoch", part: "validation" };
    this.shown = data.arms.map(() => true);
    this.cursor = null; // position of a point on the longest curve
    this.plot = svg("svg", { class: "plot", tabindex: "0", role: "img" });
    this.readout = element("div", { class: "readout scroll", role: "status" });
    place.append(this.controls(), this.plot, this.readout,
      element("p", {}, "Thick lines are means over seeds, bands their t intervals, thin lines single seeds. " +
        "Point at the figure, or focus it and use the arrow keys, to read the values."));
    place.hidden = false;
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(place);
    this.draw();
  }

  controls() {
    const choice = (name, options) => {
      const group = element("div", { role: "group", "aria-label": name });
      for (const [value, label] of Object.entries(options)) {
        group.append(button(label, (event) => {
          this.state[name] = value;
          for (const other of group.children) other.setAttribute("aria-pressed", other === event.currentTarget);
          this.draw();
        }, { "aria-pressed": this.state[name] === value, "data-choice": value }));
      }
      return group;
    };
    const arms = element("div", { role: "group", "aria-label": "arms" });
    this.data.arms.forEach((arm, index) => {
      const box = element("input", { type: "checkbox" });
      box.checked = true;
      box.addEventListener("change", () => { this.shown[index] = box.checked; this.draw(); });
      arms.append(element("label", {}, box, " ", this.keyOf(index), " ", arm.name));
    });
    return element("div", { class: "curves-controls" },
      choice("measure", { accuracy: "Accuracy", loss: "Loss" }),
      choice("part", { validation: "Validation", train: "Training" }),
      choice("axis", { epoch: "By epoch", updates: "By update" }), arms);
  }

  keyOf(arm) {
    const line = svg("line", { x1: 0, x2: 32, y1: 5, y2: 5, stroke: colour(arm), "stroke-width": 3, "stroke-dasharray": DASHES[arm % 4] });
    return svg("svg", { class: "key", viewBox: "0 0 32 10", "aria-hidden": "true" }, line);
  }

  // Curves of the chosen kind, of the arms that are switched on.
  curves() {
    return this.data.arms.flatMap((arm, index) => {
      const curve = arm.curves.find((c) => c.part === this.state.part && c.measure === this.state.measure);
      return curve && this.shown[index] ? [{ index, name: arm.name, ...curve }] : [];
    });
  }

  draw() {
    const curves = this.curves();
    const width = Math.max(this.plot.clientWidth || 640, 300);
    const height = Math.round(Math.min(420, Math.max(260, width * 0.5)));
    const frame = { left: 56, right: width - 14, top: 30, bottom: height - 46 };
    const x = (point) => (this.state.axis === "epoch" ? point[0] : point[1]);
    const values = curves.flatMap((c) => [...c.mean, ...c.seeds.flatMap((s) => s.points)].map((p) => p[2]));
    const floor = this.state.measure === "loss" ? [0] : [];
    let [low, high] = [Math.min(...floor, ...values), Math.max(...floor, ...values)];
    if (!values.length) [low, high] = [0, 1];
    // Bands count too, but a band much wider than the data is cut.
    const room = 0.5 * (high - low);
    const [least, most] = this.state.measure === "accuracy" ? [0, 100] : [0, Infinity];
    const bounds = curves.flatMap((c) => c.mean.filter((p) => p[3] !== null).flatMap((p) => [p[3], p[4]]));
    low = Math.max(least, Math.min(low, ...bounds.map((b) => Math.max(b, low - room))));
    high = Math.min(most, Math.max(high, ...bounds.map((b) => Math.min(b, high + room))));
    if (low === high) [low, high] = [low - 1, high + 1];
    const yTicks = roundTicks(low, high, 5);
    const ends = curves.flatMap((c) => c.mean.map(x));
    const xTicks = roundTicks(0, Math.max(1, ...ends), Math.max(3, Math.min(8, width / 110)));
    const scaleX = (v) => frame.left + (frame.right - frame.left) * v / xTicks.ticks.at(-1);
    const [bottom, top] = [yTicks.ticks[0], yTicks.ticks.at(-1)];
    const scaleY = (v) => frame.bottom - (frame.bottom - frame.top) * (Math.min(top, Math.max(bottom, v)) - bottom) / (top - bottom);
    this.scale = { x, scaleX, scaleY, frame };
    this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.setAttribute("height", height);
    this.plot.setAttribute("aria-label", `${MEASURES[this.state.measure]}, ${PARTS[this.state.part]}, by ${AXES[this.state.axis].toLowerCase()}`);
    const path = (points) => points.map((p, i) => `${i ? "L" : "M"}${scaleX(x(p)).toFixed(1)} ${scaleY(p[2]).toFixed(1)}`).join("");
    const parts = [];
    for (const tick of yTicks.ticks) {
      parts.push(svg("line", { class: "grid", x1: frame.left, x2: frame.right, y1: scaleY(tick), y2: scaleY(tick) }),
        svg("text", { x: frame.left - 8, y: scaleY(tick) + 4, "text-anchor": "end" }, tick.toFixed(yTicks.decimals)));
    }
    for (const tick of xTicks.ticks) {
      parts.push(svg("text", { x: scaleX(tick), y: frame.bottom + 18, "text-anchor": "middle" }, tick.toLocaleString("en")));
    }
    parts.push(svg("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
      svg("text", { class: "name", x: frame.left, y: 16 }, `${MEASURES[this.state.measure]}, ${PARTS[this.state.part].toLowerCase()}`),
      svg("text", { class: "name", x: (frame.left + frame.right) / 2, y: height - 8, "text-anchor": "middle" }, AXES[this.state.axis]));
    for (const c of curves) {
      const band = c.mean.filter((p) => p[3] !== null);
      if (band.length > 1) {
        const edge = (at) => band.map((p) => [p[0], p[1], p[at]]);
        parts.push(svg("path", { class: "band", fill: colour(c.index), d: `${path(edge(4))}${path(edge(3).reverse()).replace("M", "L")}Z` }));
      }
    }
    for (const c of curves) {
      if (c.seeds.length > 1) for (const seed of c.seeds) parts.push(svg("path", { class: "seed", stroke: colour(c.index), d: path(seed.points) }));
      if (c.mean.length === 1) parts.push(svg("circle", { r: 4, fill: colour(c.index), cx: scaleX(x(c.mean[0])), cy: scaleY(c.mean[0][2]) }));
      parts.push(svg("path", { class: "mean", stroke: colour(c.index), "stroke-dasharray": DASHES[c.index % 4], d: path(c.mean) }));
    }
    this.marks = svg("g");
    this.plot.replaceChildren(...parts, this.marks);
    this.mark();
  }

  longest() {
    return this.curves().reduce((best, c) => (c.mean.length > best.length ? c.mean : best), []);
  }

  point(event) {
    const { x, scaleX } = this.scale;
    const box = this.plot.getBoundingClientRect();
    const at = (event.clientX - box.left) * this.plot.viewBox.baseVal.width / box.width;
    const distances = this.longest().map((p) => Math.abs(scaleX(x(p)) - at));
    this.cursor = distances.indexOf(Math.min(...distances));
    this.mark();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const last = this.longest().length - 1;
    this.cursor = Math.min(last, Math.max(0, (this.cursor ?? (step > 0 ? -1 : last + 1)) + step));
    this.mark();
  }

  // The values under the cursor: of every arm the point that is nearest to it.
  mark() {
    const at = this.longest()[this.cursor];
    if (this.cursor === null || !at) { this.marks.replaceChildren(); this.readout.replaceChildren(); return; }
    const { x, scaleX, scaleY, frame } = this.scale;
    const digits = this.state.measure === "accuracy" ? 2 : 3;
    const rows = [];
    const marks = [svg("line", { class: "cursor", x1: scaleX(x(at)), x2: scaleX(x(at)), y1: frame.top, y2: frame.bottom })];
    for (const c of this.curves()) {
      const near = c.mean.reduce((best, p) => (Math.abs(x(p) - x(at)) < Math.abs(x(best) - x(at)) ? p : best));
      marks.push(svg("circle", { r: 4.5, fill: colour(c.index), cx: scaleX(x(near)), cy: scaleY(near[2]) }));
      const interval = near[3] === null ? "\u2014" : `${near[3].toFixed(digits)} to ${near[4].toFixed(digits)}`;
      const cells = [near[0], Math.round(near[1]).toLocaleString("en"), near[2].toFixed(digits), interval, near[5]];
      rows.push(element("tr", {}, element("th", { scope: "row" }, this.keyOf(c.index), " ", c.name),
        ...cells.map((cell) => element("td", { class: "number" }, String(cell)))));
    }
    const heads = ["Arm", "Epoch", "Updates", "Mean", `${this.data.level} % interval`, "n"];
    const head = element("tr", {}, ...heads.map((text, i) => element("th", { scope: "col", class: i ? "number" : "" }, text)));
    this.marks.replaceChildren(...marks);
    this.readout.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  }
}

// ---- gallery ----

function gallery() {
  const all = [...document.querySelectorAll(".derived")];
  const filters = byId("filters");
  filters.hidden = false;
  const apply = () => {
    const [arm, cls, missing] = [byId("filter-arm").value, byId("filter-class").value, byId("filter-missing").checked];
    for (const figure of all) {
      const fits = (!arm || figure.dataset.arm === arm) && (!missing || figure.hasAttribute("data-missing"));
      figure.hidden = !fits || Boolean(cls && figure.closest(".source").dataset.class !== cls);
    }
    for (const source of document.querySelectorAll(".source")) source.hidden = !source.querySelector(".derived:not([hidden])");
    byId("filter-count").textContent = `${all.filter((figure) => !figure.hidden).length} of ${all.length} images`;
  };
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => event.preventDefault());
  apply();
  viewer(all);
}

function viewer(all) {
  const dialog = byId("viewer");
  let shown = null;
  const show = (figure) => {
    shown = figure;
    const source = figure.closest(".source").querySelector(".original img");
    const result = figure.querySelector("img");
    Object.assign(byId("viewer-source"), { src: source.src, alt: source.alt });
    byId("viewer-result-box").hidden = !result;
    if (result) Object.assign(byId("viewer-result"), { src: result.src, alt: result.alt });
    byId("viewer-caption").textContent = figure.dataset.arm;
    byId("viewer-asked").textContent = figure.dataset.asked + (result ? "" : " \u2014 " + figure.querySelector(".missing").textContent);
    if (!dialog.open) dialog.showModal();
  };
  const step = (by) => {
    const visible = all.filter((figure) => !figure.hidden);
    show(visible[(visible.indexOf(shown) + by + visible.length) % visible.length]);
  };
  for (const image of document.querySelectorAll(".gallery img")) {
    const own = image.closest(".derived");
    const open = button("", () => show(own ?? image.closest(".source").querySelector(".derived:not([hidden])")),
      { class: "enlarge", "aria-label": `Enlarge ${image.alt}` });
    image.replaceWith(open);
    open.append(image);
  }
  byId("viewer-close").addEventListener("click", () => dialog.close());
  byId("viewer-previous").addEventListener("click", () => step(-1));
  byId("viewer-next").addEventListener("click", () => step(1));
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
}

// ---- start ----

themeToggle();
for (const table of document.querySelectorAll(".table table")) sortable(table);
const curveData = JSON.parse(byId("curve-data").textContent);
if (byId("curves")) new Curves(byId("curves"), curveData);
if (byId("pictures")) gallery();
// Paper has no summary to click on.
addEventListener("beforeprint", () => { for (const details of document.querySelectorAll("details")) details.open = true; });
