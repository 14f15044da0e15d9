// What every page has: dialogs, messages and keyboard shortcuts (which can be turned off: WCAG 2.1.4).
"use strict";
(() => {
  const KEYS_OFF = "hybridai.shortcuts-off";
  const GO_MS = 1200;
  let goUntil = 0;

  const isTyping = (target) => target.matches("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");
  const areKeysOn = () => localStorage.getItem(KEYS_OFF) !== "1";
  const sheet = () => document.getElementById("shortcuts");

  function clicked(event) {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    if (event.target.closest("[data-closes]")) event.target.closest("dialog, .toast").tagName === "DIALOG" ? event.target.closest("dialog").close() : event.target.closest(".toast").remove();
  }
  function go(key) {
    const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (link) link.click();
  }
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !areKeysOn()) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?" && sheet()) { sheet().showModal(); event.preventDefault(); return; }
    if (performance.now() < goUntil) { goUntil = 0; go(event.key); event.preventDefault(); return; }
    if (event.key === "g") goUntil = performance.now() + GO_MS;
  }
  function ready() {
    const toggle = document.getElementById("shortcuts-on");
    if (!toggle) return;
    toggle.checked = areKeysOn();
    toggle.addEventListener("change", () => localStorage.setItem(KEYS_OFF, toggle.checked ? "0" : "1"));
  }
  // Pages with keys of their own (review) ask this before they act.
  window.shortcutsAreOn = areKeysOn;
  document.addEventListener("click", clicked);
  document.addEventListener("keydown", pressed);
  document.addEventListener("change", (event) => { if (event.target.closest("[data-submits]")) event.target.form.requestSubmit(); });
  document.addEventListener("DOMContentLoaded", ready);
})();
