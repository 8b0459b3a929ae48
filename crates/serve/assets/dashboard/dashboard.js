// The dashboard's page: asks the API every two seconds, and draws what changed. Texts from data go in as text, never as markup.
"use strict";

const POLL_MS = 2000;
const STATES = {
  finished: "✓", running: "▶", interrupted: "◌", failed: "✗", planned: "–",
};
const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const known = new Map(); // URL -> {etag, value}
const chosen = { measure: "accuracy", part: "validation" };
let curves = null; // of the study that is shown: {study, place, widget}
let timer = null;
let generation = 0; // of the view: answers for one that was left are dropped

/** An element with attributes and children; strings become text. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** The value at a URL, and whether it is news. */
async function ask(url) {
  const before = known.get(url);
  const response = await fetch(url, { headers: before ? { "If-None-Match": before.etag } : {}, cache: "no-store" });
  if (response.status === 304) return { value: before.value, news: false };
  const value = await response.json();
  if (!response.ok) throw Object.assign(new Error(value.error || `status ${response.status}`), { said: true });
  known.set(url, { etag: response.headers.get("ETag"), value });
  return { value, news: true };
}

const percent = (share) => (share === null || share === undefined ? "" : `${(100 * share).toFixed(1)} %`);
const decimals = (value, digits) => (value === null || value === undefined ? "" : value.toFixed(digits));

function duration(secs) {
  if (secs < 90) return `${Math.round(secs)} s`;
  if (secs < 5400) return `${Math.round(secs / 60)} min`;
  return `${(secs / 3600).toFixed(1)} h`;
}

const when = (text) => (text ? `${text.slice(0, 10)} ${text.slice(11, 16)} UTC` : "");
const link = (href, ...text) => make("a", { href, "data-key": href }, ...text);
const studyPath = (study) => `#/study/${encodeURIComponent(study)}`;

/** A table that scrolls by itself where it is too wide. Names that end in `#` head columns of numbers. */
function table(kind, header, rows) {
  const head = header.map((cell) => make("th", { scope: "col", class: cell.endsWith("#") && "number" }, cell.replace(/#$/, "")));
  return make("div", { class: "scroll" }, make("table", { class: kind },
    header.length > 0 ? make("thead", {}, make("tr", {}, head)) : null, make("tbody", {}, rows)));
}

/* Views: each gives its URLs, and draws their values. */

const studiesView = {
  urls: () => ["/api/studies"],
  title: () => "Studies",
  draw([{ studies }]) {
    if (studies.length === 0) {
      return [make("h1", {}, "Studies"), make("p", {}, "Nothing was run yet. ", make("code", {}, "augtrial run experiment.toml"), " starts a study.")];
    }
    const rows = studies.map((study) => {
      const trials = study.trials;
      const total = Object.values(trials).reduce((a, b) => a + b, 0);
      const parts = Object.keys(STATES).filter((state) => trials[state] > 0)
        .map((state) => make("span", { class: state }, `${STATES[state]} ${trials[state]} ${state}  `));
      return make("tr", {},
        make("td", {}, link(studyPath(study.study), study.study)),
        make("td", {}, study.problem ? make("span", { class: "problem" }, study.problem)
          : make("progress", { max: total, value: trials.finished, "aria-label": `${trials.finished} of ${total} trials finished` }), " ", parts),
        make("td", {}, `${study.arms} arms × ${study.seeds} seeds`),
        make("td", {}, when(study.last_run_at)),
        make("td", {}, reportLinks(study.reports)));
    });
    return [make("h1", {}, "Studies"), table("list", ["study", "trials", "design", "newest run", "report"], rows)];
  },
};

function reportLinks(reports) {
  return reports.map((href) => [link(href, href.endsWith(".html") ? "report" : "report.md"), " "]).flat();
}

function trialCell(trial) {
  const text = {
    finished: () => percent(trial.test_top1) || `${percent(trial.validation_top1)} val.`,
    running: () => `${trial.epochs}/${trial.total_epochs ?? "?"} epochs`,
    interrupted: () => `interrupted at ${trial.epochs}/${trial.total_epochs ?? "?"}`,
    failed: () => "failed",
    planned: () => "planned",
  }[trial.state]();
  const detail = {
    finished: () => `${trial.epochs} epochs, ${duration(trial.elapsed_secs)}`,
    running: () => (trial.epochs > 0 && trial.total_epochs
      ? `about ${duration(trial.elapsed_secs / trial.epochs * (trial.total_epochs - trial.epochs))} left` : "starting"),
    interrupted: () => "run the study again to resume",
    failed: () => trial.reason,
    planned: () => "",
  }[trial.state]();
  const shown = [`${STATES[trial.state]} ${text}`, make("small", { title: detail }, detail.length > 40 ? `${detail.slice(0, 39)}…` : detail)];
  const attributes = { class: `trial ${trial.state}`, "data-key": trial.run ?? undefined };
  return make("td", { "data-state": trial.state }, trial.run
    ? make("a", { ...attributes, href: `#/run/${trial.run}` }, shown)
    : make("span", attributes, shown));
}

const studyView = (name) => ({
  urls: () => {
    const path = `/api/studies/${encodeURIComponent(name)}`;
    return [path, `${path}/curves?${new URLSearchParams(chosen)}`];
  },
  title: () => name,
  draw([study, data]) {
    const badges = [
      study.synthetic ? make("span", { class: "badge" }, "synthetic images") : null,
      study.protocol !== "leak-free" ? make("span", { class: "badge" }, `protocol: ${study.protocol}`) : null,
      study.unfinished && !study.hidden ? make("span", { class: "badge" }, "peeking: the report will say so") : null,
    ];
    const rows = study.arms.map((arm) => make("tr", { "data-arm": arm.arm },
      make("th", { scope: "row" }, arm.arm, arm.role === "control" ? make("small", {}, " (control)") : null),
      arm.trials.map(trialCell)));
    const shown = study.hidden
      ? "Of finished trials: top-1 on the validation part. Test results are shown when every trial has ended: to look earlier invites stopping, or adding seeds, by what is seen. "
      : "Of finished trials: top-1 on the test part, at the epoch that validation chose.";
    return [
      make("h1", {}, name), make("p", {}, badges),
      study.reports.length ? make("p", {}, "Report: ", reportLinks(study.reports)) : null,
      make("h2", {}, "Trials"),
      make("p", { class: "note" }, shown, study.hidden ? [make("code", {}, "augtrial serve --peek"), " shows them now, and the report then says so."] : null),
      table("grid", ["arm", ...study.seeds.map((seed) => `seed ${seed}`)], rows),
      make("h2", {}, "Curves"), curvesOf(name, data),
    ];
  },
});

/** The curves of a study: one widget that stays while the data change, so that what a reader chose stays too. */
function curvesOf(study, data) {
  if (curves?.study === study) {
    curves.widget.show(data);
    return curves.place;
  }
  const place = make("div", { id: "curves" });
  const onChoice = (state) => { Object.assign(chosen, { measure: state.measure, part: state.part }); start(); };
  curves = { study, place, widget: new Curves(place, data, { onChoice, state: chosen }) };
  return place;
}

const runView = (id) => ({
  urls: () => [`/api/runs/${encodeURIComponent(id)}`],
  title: () => `run ${id}`,
  draw([run]) {
    const { header, state } = run;
    const facts = {
      study: link(studyPath(header.study), header.study), arm: header.arm, seed: header.seed, attempt: header.attempt,
      status: run.status.status + (run.status.reason ? `: ${run.status.reason}` : ""),
      counts: run.counts ? "yes: the first attempt that finished" : "no",
      created: when(header.created_at),
      epochs: `${state.epochs}${state.total_epochs ? ` of ${state.total_epochs}` : ""}`,
      "selected epoch": state.selected_epoch, "validation top-1": percent(state.validation_top1),
      "test top-1": run.hidden ? "shown when every trial of the study has ended" : percent(state.test?.top1), "test loss, nats": decimals(state.test?.loss_nats, 4),
      "test split opened": ["never", "once"][state.test_openings] ?? `${state.test_openings} times`, "seconds in epochs": decimals(state.elapsed_secs, 1),
      "trial key": header.trial_key, plan: header.plan, weights: state.weights,
    };
    const row = ([name, value]) => (value === null || value === undefined || value === "" ? null
      : make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "long" }, value instanceof Node ? value : String(value))));
    const epochs = run.epochs.map((m) => make("tr", {}, make("td", { class: "number" }, String(m.epoch)), make("td", {}, m.split),
      ...[decimals(m.loss_nats, 4), percent(m.top1), m.learning_rate.toPrecision(3), String(m.updates)]
        .map((cell) => make("td", { class: "number" }, cell))));
    return [
      make("h1", {}, `Run ${id}`), table("facts", [], Object.entries(facts).map(row)),
      make("h2", {}, "Epochs"), table("epochs", ["epoch#", "split", "loss, nats#", "top-1#", "learning rate#", "updates#"], epochs),
      make("h2", {}, "Provenance"), table("facts", [], leaves(run.provenance).map(row)),
      make("h2", {}, "Plan"), make("pre", { tabindex: 0 }, run.plan_toml),
    ];
  },
});

function leaves(value, path = "") {
  if (value === null || typeof value !== "object") return [[path, value]];
  if (Array.isArray(value)) return [[path, value.join(" ")]];
  return Object.entries(value).flatMap(([key, below]) => leaves(below, path ? `${path}.${key}` : key));
}

/* Which view, and its polling. */

function view() {
  const [, kind, name] = location.hash.match(/^#\/(study|run)\/([^/]+)$/) ?? [];
  if (kind === "study") return studyView(decodeURIComponent(name));
  if (kind === "run") return runView(decodeURIComponent(name));
  return studiesView;
}

/** Replaces the content, and leaves focus and scrolling where they were. */
function show(content) {
  const key = document.activeElement?.dataset?.key;
  const scrolls = [...main.querySelectorAll(".scroll")].map((element) => element.scrollLeft);
  const wanted = content.filter((child) => child !== null);
  // What stays is not moved: it keeps its focus.
  for (const child of [...main.childNodes]) if (!wanted.includes(child)) child.remove();
  let at = main.firstChild;
  for (const child of wanted) {
    if (child === at) at = at.nextSibling;
    else main.insertBefore(child, at);
  }
  main.querySelectorAll(".scroll").forEach((element, index) => { element.scrollLeft = scrolls[index] ?? 0; });
  if (key && document.activeElement === document.body) [...main.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key)?.focus({ preventScroll: true });
}

async function poll(current, mine, force) {
  try {
    const answers = await Promise.all(current.urls().map(ask));
    if (mine !== generation) return;
    if (force || answers.some((answer) => answer.news)) show(current.draw(answers.map((answer) => answer.value)));
    pulse.className = "";
    pulse.textContent = "live";
    force = false;
  } catch (error) {
    if (mine !== generation) return;
    if (error.said) show([make("h1", {}, current.title()), make("p", { class: "problem", role: "alert" }, error.message)]);
    pulse.className = "silent";
    pulse.textContent = error.said ? "cannot be shown" : "no answer: is `augtrial serve` still running?";
    force = true;
  }
  timer = setTimeout(() => poll(current, mine, force), POLL_MS);
}

function start() {
  clearTimeout(timer);
  generation += 1;
  const current = view();
  document.title = `${current.title()} - augtrial`;
  poll(current, generation, true);
}

let drawnWidth = main.clientWidth;
let resizing = null;
new ResizeObserver(() => {
  if (main.clientWidth === drawnWidth) return; // only the height changed
  drawnWidth = main.clientWidth;
  clearTimeout(resizing);
  resizing = setTimeout(start, 150);
}).observe(main);
window.addEventListener("hashchange", () => { if (location.hash !== "#main") { start(); window.scrollTo(0, 0); } });
start();
