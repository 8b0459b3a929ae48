// What the page can do beyond being read: a theme, sorted tables, curves that answer, a gallery that filters and enlarges.
// Nothing here is needed to read the report, and nothing leaves the page. The curves' program stands before it.

const byId = (id) => document.getElementById(id);

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
