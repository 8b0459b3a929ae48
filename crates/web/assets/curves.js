"use strict";
// Training curves that can be asked: the report's page and the dashboard draw them with this one program.
//
//   const curves = new Curves(place, data, options);   data as crates/web/src/curves.rs has it
//   curves.show(data);                                 for newer data of the same study
//
// `options.onChoice(state)` is called when the reader chooses another measure, part or axis. Texts go in as text, never as
// markup.

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

const MEASURES = { accuracy: "Top-1 accuracy (%)", loss: "Cross-entropy loss (nats)" };
const AXES = { epoch: "Epoch", updates: "Optimizer updates" };
const PARTS = { validation: "Validation part", train: "Training part" };
// Bands of fewer seeds are wider than they are useful.
const MIN_BAND_SEEDS = 4;
// More single seeds than this hide what they should show; a box brings them back.
const MAX_SEED_LINES = 30;

function roundTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999999);
  const ticks = [];
  for (let k = Math.floor(low / step); k <= Math.ceil(high / step - 1e-9); k += 1) ticks.push(k * step);
  return { ticks, decimals: Math.max(0, -Math.floor(Math.log10(step * 1.000001))) };
}

class Curves {
  constructor(place, data, options = {}) {
    this.options = options;
    this.state = { measure: "accuracy", part: "validation", axis: "epoch", ...options.state };
    this.off = new Set(); // names of the arms that are switched off
    this.cursor = null; // position of a point on the longest curve
    this.plot = svg("svg", { class: "plot", tabindex: "0", role: "img" });
    this.readout = element("div", { class: "readout scroll", role: "status" });
    this.controls = element("div", { class: "curves-controls" });
    this.note = element("p", {});
    place.append(this.controls, this.plot, this.readout, this.note);
    place.hidden = false;
    this.data = data;
    this.seeds = data.arms.flatMap((arm) => arm.curves.slice(0, 1).flatMap((curve) => curve.seeds)).length <= MAX_SEED_LINES;
    this.show(data);
    this.plot.addEventListener("pointermove", (event) => this.point(event));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth === width) return; // only the height changed
      width = place.clientWidth;
      this.draw();
    }).observe(place);
  }

  // Newer data of the same study. The controls are made anew only if the arms are others.
  show(data) {
    const names = (of) => JSON.stringify([of.same_updates, of.arms.map((arm) => arm.name)]);
    const same = this.controls.hasChildNodes() && names(data) === names(this.data);
    this.data = data;
    if (!same) this.controls.replaceChildren(...this.choices());
    this.draw();
  }

  choices() {
    const choice = (name, options) => {
      const group = element("div", { role: "group", "aria-label": name });
      for (const [value, label] of Object.entries(options)) {
        group.append(button(label, (event) => {
          this.state[name] = value;
          for (const other of group.children) other.setAttribute("aria-pressed", other === event.currentTarget);
          this.draw();
          this.options.onChoice?.(this.state);
        }, { "aria-pressed": this.state[name] === value, "data-choice": value }));
      }
      return group;
    };
    const box = (checked, change) => {
      const made = element("input", { type: "checkbox" });
      made.checked = checked;
      made.addEventListener("change", () => { change(made.checked); this.draw(); });
      return made;
    };
    const arms = element("div", { role: "group", "aria-label": "arms" });
    for (const arm of this.data.arms) {
      const change = (on) => (on ? this.off.delete(arm.name) : this.off.add(arm.name));
      arms.append(element("label", {}, box(!this.off.has(arm.name), change), " ", this.keyOf(arm), " ", arm.name));
    }
    const seeds = element("label", { class: "seeds" }, box(this.seeds, (on) => { this.seeds = on; }), " single seeds");
    const groups = [choice("measure", { accuracy: "Accuracy", loss: "Loss" }), choice("part", { validation: "Validation", train: "Training" })];
    if (!this.data.same_updates) groups.push(choice("axis", { epoch: "By epoch", updates: "By update" }));
    return [...groups, seeds, arms];
  }

  keyOf(arm) {
    const line = svg("line", { x1: 0, x2: 40, y1: 5, y2: 5, stroke: `var(--arm-${arm.color})`, "stroke-width": 3, "stroke-dasharray": arm.dash });
    return svg("svg", { class: "key", viewBox: "0 0 40 10", "aria-hidden": "true" }, line);
  }

  // Curves of the chosen kind, of the arms that are switched on, with points [epoch, updates, value].
  curves() {
    const { part, measure } = this.state;
    const points = (epochs, updates, values) => values.map((value, i) => [epochs[i], updates[i], value]);
    return this.data.arms.flatMap((arm) => {
      const curve = arm.curves.find((c) => c.part === part && c.measure === measure);
      if (!curve || this.off.has(arm.name)) return [];
      const seeds = curve.seeds.map((seed) => ({ seed: seed.seed, state: seed.state,
        points: points(seed.epochs ?? curve.epochs, seed.updates ?? curve.updates, seed.values) }));
      const mean = curve.mean.map((value, i) => [curve.epochs[i], curve.updates[i], value, curve.low[i], curve.high[i], curve.n[i]]);
      return [{ arm, color: `var(--arm-${arm.color})`, mean, seeds }];
    });
  }

  // Where the axes begin and end, and whether values lie beyond.
  scales(curves, x, width) {
    const values = curves.flatMap((c) => [...c.mean, ...c.seeds.flatMap((s) => s.points)].map((p) => p[2]));
    const [least, most] = this.state.measure === "accuracy" ? [0, 100] : [0, Infinity];
    // One after another: a call with as many arguments as there are values would break off.
    let [low, high] = [this.state.measure === "loss" ? 0 : Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    if (!values.length) [low, high] = [0, 1];
    const highest = high;
    const limit = this.state.measure === "loss" ? this.data.limits.loss : null;
    if (limit !== null && high > limit) high = limit;
    // Bands count too, but a band much wider than the data is cut.
    const room = 0.5 * (high - low);
    for (const p of curves.flatMap((c) => c.mean.filter((m) => m[5] >= MIN_BAND_SEEDS && m[3] !== null))) {
      low = Math.min(low, Math.max(p[3], low - room, least));
      if (limit === null) high = Math.max(high, Math.min(p[4], high + room, most));
    }
    if (low === high) [low, high] = [Math.max(least, low - 1), high + 1];
    let end = 1;
    for (const p of curves.flatMap((c) => [...c.mean, ...c.seeds.flatMap((s) => s.points)])) end = Math.max(end, x(p));
    return { y: roundTicks(low, high, 5), x: roundTicks(0, end, Math.max(3, Math.min(8, width / 110))), highest };
  }

  draw() {
    const { measure, part, axis } = this.state;
    const curves = this.curves();
    const width = Math.max(this.plot.clientWidth || 640, 300);
    const height = Math.round(Math.min(420, Math.max(260, width * 0.5)));
    const frame = { left: 56, right: width - 14, top: 30, bottom: height - 46 };
    const x = (point) => (axis === "epoch" ? point[0] : point[1]);
    const ticks = this.scales(curves, x, width);
    const scaleX = (v) => frame.left + (frame.right - frame.left) * v / ticks.x.ticks.at(-1);
    const [bottom, top] = [ticks.y.ticks[0], ticks.y.ticks.at(-1)];
    const scaleY = (v) => frame.bottom - (frame.bottom - frame.top) * (Math.min(top, Math.max(bottom, v)) - bottom) / (top - bottom);
    this.scale = { x, scaleX, scaleY, frame };
    this.plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.plot.setAttribute("height", height);
    this.plot.setAttribute("data-curves", curves.length);
    this.plot.setAttribute("aria-label", `${MEASURES[measure]}, ${PARTS[part]}, by ${AXES[axis].toLowerCase()}: ${curves.map((c) => c.arm.name).join(", ")}`);
    const path = (points) => points.map((p, i) => `${i ? "L" : "M"}${scaleX(x(p)).toFixed(1)} ${scaleY(p[2]).toFixed(1)}`).join("");
    const parts = this.axes(ticks, scaleX, scaleY, frame, height);
    let [bands, drawnSeeds, outside] = [0, 0, 0];
    for (const c of curves) {
      const band = c.mean.filter((p) => p[3] !== null && p[5] >= MIN_BAND_SEEDS);
      if (band.length < 2) continue;
      const edge = (at) => band.map((p) => [p[0], p[1], p[at]]);
      parts.push(svg("path", { class: "band", fill: c.color, d: `${path(edge(4))}${path(edge(3).reverse()).replace("M", "L")}Z` }));
      bands += 1;
    }
    for (const c of curves) {
      // A line of its own for each seed, unless the mean is that line.
      for (const seed of c.seeds.length > 1 || !c.mean.length ? c.seeds : []) {
        if (!this.seeds && !seed.state) continue;
        const title = svg("title", {}, `${c.arm.name}, seed ${seed.seed}${seed.state ? `: ${seed.state}` : ""}`);
        const live = seed.state === "running" ? " live" : "";
        if (seed.points.length === 1) parts.push(svg("circle", { r: 3, fill: c.color, cx: scaleX(x(seed.points[0])), cy: scaleY(seed.points[0][2]) }, title));
        else parts.push(svg("path", { class: `seed${live}`, stroke: c.color, d: path(seed.points) }, title));
        drawnSeeds += 1;
      }
      if (c.mean.length === 1) parts.push(svg("circle", { r: 4, fill: c.color, cx: scaleX(x(c.mean[0])), cy: scaleY(c.mean[0][2]) }));
      parts.push(svg("path", { class: "mean", stroke: c.color, "stroke-dasharray": c.arm.dash, d: path(c.mean) }));
      for (const p of [...c.mean, ...(this.seeds ? c.seeds.flatMap((s) => s.points) : [])].filter((q) => q[2] > top)) {
        const at = scaleX(x(p));
        parts.push(svg("path", { class: "outside", fill: c.color, d: `M${at - 4} ${frame.top + 7}L${at + 4} ${frame.top + 7}L${at} ${frame.top}Z` }));
        outside += 1;
      }
    }
    this.marks = svg("g");
    this.plot.replaceChildren(...parts, this.marks);
    this.note.textContent = [curves.length ? "Thick lines are means over seeds." : "No epoch has ended yet.", bands ? "Bands are their t intervals." : "",
      drawnSeeds ? "Thin lines are single seeds." : "", outside ? `Triangles at the top mark values above the axis, up to ${ticks.highest.toPrecision(3)}.` : "",
      "Point at the figure, or focus it and use the arrow keys, to read the values."].filter(Boolean).join(" ");
    this.mark();
  }

  axes(ticks, scaleX, scaleY, frame, height) {
    const { measure, part, axis } = this.state;
    const parts = [];
    for (const tick of ticks.y.ticks) {
      parts.push(svg("line", { class: "rule", x1: frame.left, x2: frame.right, y1: scaleY(tick), y2: scaleY(tick) }),
        svg("text", { x: frame.left - 8, y: scaleY(tick) + 4, "text-anchor": "end" }, tick.toFixed(ticks.y.decimals)));
    }
    for (const tick of ticks.x.ticks.filter(Number.isInteger)) {
      parts.push(svg("text", { x: scaleX(tick), y: frame.bottom + 18, "text-anchor": "middle" }, tick.toLocaleString("en")));
    }
    parts.push(svg("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }),
      svg("text", { class: "name", x: 4, y: 16 }, `${MEASURES[measure]}, ${PARTS[part].toLowerCase()}`),
      svg("text", { class: "name", x: (frame.left + frame.right) / 2, y: height - 8, "text-anchor": "middle" }, AXES[axis]));
    return parts;
  }

  longest() {
    const lines = this.curves().flatMap((c) => [c.mean, ...(c.mean.length ? [] : c.seeds.map((s) => s.points))]);
    return lines.reduce((best, line) => (line.length > best.length ? line : best), []);
  }

  point(event) {
    const { x, scaleX } = this.scale;
    const box = this.plot.getBoundingClientRect();
    const at = (event.clientX - box.left) * this.plot.viewBox.baseVal.width / box.width;
    const distances = this.longest().map((p) => Math.abs(scaleX(x(p)) - at));
    this.cursor = distances.length ? distances.indexOf(Math.min(...distances)) : null;
    this.mark();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    const last = this.longest().length - 1;
    if (step === undefined || last < 0) return;
    event.preventDefault();
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
    for (const c of this.curves().filter((curve) => curve.mean.length)) {
      const near = c.mean.reduce((best, p) => (Math.abs(x(p) - x(at)) < Math.abs(x(best) - x(at)) ? p : best));
      marks.push(svg("circle", { r: 4.5, fill: c.color, cx: scaleX(x(near)), cy: scaleY(near[2]) }));
      const cells = [near[0], Math.round(near[1]).toLocaleString("en"), near[2].toFixed(digits)];
      if (this.data.level !== null) cells.push(near[3] === null ? "\u2014" : `${near[3].toFixed(digits)} to ${near[4].toFixed(digits)}`);
      rows.push(element("tr", {}, element("th", { scope: "row" }, this.keyOf(c.arm), " ", c.arm.name),
        ...[...cells, near[5]].map((cell) => element("td", { class: "number" }, String(cell)))));
    }
    const heads = ["Arm", "Epoch", "Updates", "Mean", ...(this.data.level === null ? [] : [`${this.data.level} % interval`]), "n"];
    const head = element("tr", {}, ...heads.map((text, i) => element("th", { scope: "col", class: i ? "number" : "" }, text)));
    this.marks.replaceChildren(...marks);
    this.readout.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  }
}
