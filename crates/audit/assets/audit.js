"use strict";
(() => {
  const findings = [...document.querySelectorAll(".finding")];
  const [author, reason, toml, decided] = ["author", "reason", "toml", "decided"].map((id) => document.getElementById(id));
  // JSON's strings are TOML's basic strings.
  const text = (value) => JSON.stringify(value).replaceAll("\u007f", "\\u007f");
  const seen = (image) => `{ path = ${text(image.path)}, sha256 = ${text(image.sha256)} }`;
  const several = (table) => table === "group" || table === "distinct";

  const entry = ({ table, images, class: name }) => [
    `[[${table}]]`,
    ...(name === undefined ? [] : [`class = ${text(name)}`]),
    `reason = ${text(reason.value)}`,
    `author = ${text(author.value)}`,
    several(table) ? `images = [${images.map(seen).join(", ")}]` : `image = ${seen(images[0])}`,
  ].join("\n");

  const chosen = () => [...document.querySelectorAll('button[aria-pressed="true"]')].map((b) => JSON.parse(b.dataset.decision));

  const write = () => {
    const all = chosen();
    toml.value = all.map(entry).join("\n\n") + (all.length ? "\n" : "");
    decided.textContent = all.length === 1 ? "1 decision" : `${all.length} decisions`;
  };

  const choose = (button) => {
    const finding = button.closest(".finding");
    const pressed = button.getAttribute("aria-pressed") === "true";
    finding.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
    button.setAttribute("aria-pressed", String(!pressed));
    finding.classList.toggle("decided", !pressed);
    write();
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-decision]");
    if (button) choose(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea")) return;
    const current = document.activeElement.closest(".finding");
    const step = { j: 1, k: -1 }[event.key];
    if (step) {
      const next = current ? findings.indexOf(current) + step : 0;
      findings[Math.min(Math.max(next, 0), findings.length - 1)]?.focus();
      event.preventDefault();
    } else if (current) {
      const button = [...current.querySelectorAll("button")].find((b) => b.dataset.key === event.key);
      if (button) choose(button);
    }
  });
  [author, reason].forEach((input) => input.addEventListener("input", write));
  document.getElementById("save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([toml.value], { type: "application/toml" }));
    link.download = "decisions.toml";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  write();
})();
