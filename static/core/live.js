// One websocket per tab. The server says which topic changed; every [data-topic] section fetches its own fragment
// again (hx-trigger="refresh"). Without the link the page polls, says so, and stays usable.
"use strict";
(() => {
  const BEAT_S = 5, MISSED_BEATS = 2, POLL_S = 15, RETRY_MIN_S = 1, RETRY_MAX_S = 20, GATHER_MS = 200;
  const CLOSED_SIGNED_OUT = 4401;
  const clock = document.getElementById("live-clock");
  if (!clock) return;
  const banner = document.getElementById("live-lost");
  const lostText = document.getElementById("live-lost-text");
  const pauseButton = document.getElementById("pause-live");
  const zone = document.body.dataset.zone || undefined;
  const format = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone });
  const waiting = new Set(), due = new Set(), again = new Set();
  let socket = null, lastBeat = performance.now(), freshAt = new Date(), isPaused = false, isLost = false, retryS = RETRY_MIN_S;

  const sections = () => [...document.querySelectorAll("[data-topic]")];
  const topicsOf = (section) => section.dataset.topic.split(" ").filter(Boolean);
  const topics = () => [...new Set(sections().flatMap(topicsOf))];
  const isEdited = (section) => section.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");

  function refresh(section) {
    // Nobody's half-typed text is swapped away: the section waits until the field is left.
    if (isEdited(section)) { document.activeElement.addEventListener("blur", () => refresh(section), { once: true }); return; }
    // What changes while the fragment is being fetched may not be in it, and the swap removes who waited: ask again after.
    if (section.classList.contains("htmx-request")) { again.add(section.id); return; }
    if (section.hasAttribute("hx-get")) window.htmx.trigger(section, "refresh");
    section.dispatchEvent(new CustomEvent("live:changed", { bubbles: true }));
  }
  // One event often changes several topics of one section: it fetches itself once.
  function refreshSoon(section) {
    if (due.has(section)) return;
    due.add(section);
    setTimeout(() => { due.delete(section); if (section.isConnected) refresh(section); }, GATHER_MS);
  }
  function changed(topic) {
    if (isPaused) { waiting.add(topic); return; }
    sections().filter((section) => topicsOf(section).includes(topic)).forEach(refreshSoon);
  }
  function showFresh() {
    freshAt = new Date();
    if (!isPaused) clock.textContent = `updated ${format.format(freshAt)}`;
  }
  function showLost(lost) {
    if (lost === isLost) return;
    isLost = lost;
    banner.hidden = !lost;
    lostText.textContent = lost ? `Live link lost, data from ${format.format(freshAt).slice(0, 5)}. This page asks again every ${POLL_S} s.` : "";
  }
  function watch() {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ watch: topics() }));
  }
  function heard(message) {
    lastBeat = performance.now();
    if (message.topic) changed(message.topic);
    if (isLost) { showLost(false); sections().forEach(refresh); }
    showFresh();
  }
  function open() {
    socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/live/`);
    socket.addEventListener("open", () => { retryS = RETRY_MIN_S; watch(); });
    socket.addEventListener("message", (event) => heard(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => closed(event.code));
  }
  function closed(code) {
    socket = null;
    if (code === CLOSED_SIGNED_OUT) { location.reload(); return; }
    setTimeout(open, retryS * (500 + Math.random() * 500));
    retryS = Math.min(retryS * 2, RETRY_MAX_S);
  }
  function look() {
    const silentS = (performance.now() - lastBeat) / 1000;
    showLost(silentS > BEAT_S * MISSED_BEATS + 1);
    if (isLost && socket && silentS > POLL_S * 2) socket.close();
  }
  function poll() {
    // A section that no push tells of (data-poll) is asked for again all the time.
    if (!isPaused) sections().filter((section) => isLost || section.hasAttribute("data-poll")).forEach(refresh);
  }
  function togglePause() {
    isPaused = !isPaused;
    pauseButton.setAttribute("aria-pressed", String(isPaused));
    pauseButton.textContent = isPaused ? "Go live" : "Pause";
    clock.textContent = isPaused ? `paused, data from ${format.format(freshAt)}` : `updated ${format.format(freshAt)}`;
    if (!isPaused) { [...waiting].forEach(changed); waiting.clear(); }
  }

  // The andon wall has no controls.
  if (pauseButton) pauseButton.addEventListener("click", togglePause);
  document.body.addEventListener("htmx:afterSettle", watch);
  document.body.addEventListener("htmx:afterSettle", () => {
    const ids = [...again];
    again.clear();
    ids.map((id) => document.getElementById(id)).filter(Boolean).forEach(refreshSoon);
  });
  document.body.addEventListener("htmx:afterRequest", (event) => { if (isLost && event.detail.successful) freshAt = new Date(); });
  // A page that is put away needs no server; it catches up when it is looked at again.
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !isPaused) sections().forEach(refresh); });
  document.addEventListener("DOMContentLoaded", () => { showFresh(); open(); });
  setInterval(look, 1000);
  setInterval(poll, POLL_S * 1000);
})();
