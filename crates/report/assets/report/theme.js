"use strict";
// Before the first paint, so that the page does not flash. Storage may be forbidden; then the system's theme holds.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("augtrial-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch { /* no storage, nothing remembered */ }
