// Review by keyboard: one key is one verdict. The next images are here before they are needed; a verdict is kept in
// this browser until the server has answered it, and its uuid makes sending it twice the same as once.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("review");
  const part = (id) => document.getElementById(id);
  const token = root.querySelector("[name=csrfmiddlewaretoken]").value;
  const OUTBOX = `hybridai.review.outbox.${root.dataset.person}`;
  const AHEAD = Number(root.dataset.ahead), RENEW_S = 45, RETRY_MIN_S = 1, RETRY_MAX_S = 15, ZOOM_STEP = 1.25, ZOOM_MAX = 8;
  const judged = new Map(), done = new Set();
  let items = [], place = 0, shownAt = 0, zoom = 1, retryS = RETRY_MIN_S, isSending = false, isFilling = false;

  const outbox = () => JSON.parse(localStorage.getItem(OUTBOX) || "[]");
  const keep = (verdicts) => localStorage.setItem(OUTBOX, JSON.stringify(verdicts));
  const forget = (uuid) => keep(outbox().filter((verdict) => verdict.uuid !== uuid));
  const current = () => items[place];

  // crypto.randomUUID exists only on secure origins; a plant's plain-http address is none.
  function newUuid() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
  function post(url, body) {
    const headers = { "X-CSRFToken": token, "Content-Type": "application/json", Accept: "application/json" };
    return fetch(url, { method: "POST", headers, body: JSON.stringify(body || {}) });
  }

  function say(text) { part("link").textContent = text; }
  function sayOutbox() {
    const count = outbox().length;
    say(count ? `${count} ${count === 1 ? "verdict waits" : "verdicts wait"} in this browser for the link.` : "");
  }

  // What is on show
  function show() {
    place = Math.max(0, Math.min(place, items.length - 1));
    const item = current();
    part("nothing").hidden = Boolean(item);
    part("stage").hidden = part("sidebar").hidden = !item;
    if (!item) return;
    const picture = part("picture");
    zoom = 1;
    // A key may have zoomed before the picture was here.
    picture.onload = () => setZoom(zoom);
    picture.src = item.image;
    picture.alt = `${item.item}, ${item.where}`;
    part("item").textContent = item.item;
    part("model-said").replaceChildren(part(`verdict-${item.verdict}`).content.cloneNode(true), ...(item.label ? [` ${item.label}`] : []));
    part("score").textContent = item.score === null ? "none" : `${item.score.toFixed(3)}, defect from ${item.threshold === null ? "–" : item.threshold.toFixed(3)}`;
    part("where").textContent = item.where;
    part("product").textContent = item.product || "–";
    part("when").textContent = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: item.zone }).format(new Date(item.at));
    part("classes").replaceChildren(...item.classes.slice(0, 9).map(classButton));
    part("note").value = "";
    shownAt = performance.now();
  }
  function classButton(name, index) {
    const button = document.createElement("button");
    const key = document.createElement("kbd");
    key.textContent = String(index + 1);
    button.className = "button big";
    button.type = "button";
    button.dataset.key = key.textContent;
    button.append(key, ` ${name}`);
    return button;
  }
  function setZoom(factor) {
    const picture = part("picture"), stage = part("stage");
    zoom = Math.max(1, Math.min(ZOOM_MAX, factor));
    if (!picture.naturalWidth) return;
    const fit = Math.min((stage.clientWidth - 16) / picture.naturalWidth, (stage.clientHeight - 16) / picture.naturalHeight);
    picture.width = Math.max(1, Math.round(picture.naturalWidth * fit * zoom));
  }
  function move(by) {
    place += by;
    show();
  }

  // Images in
  async function fill() {
    if (isFilling) return;
    isFilling = true;
    try {
      const reply = await post(root.dataset.claim);
      if (reply.ok) take((await reply.json()).items);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;  // TypeError: no link; the next verdict or minute asks again
    } finally {
      isFilling = false;
    }
  }
  function take(claimed) {
    // A claim may have been answered before a verdict that overtook it: what was judged here does not come back.
    const mine = new Set([...items.map((item) => item.id), ...outbox().map((verdict) => verdict.flag), ...done]);
    const fresh = claimed.filter((item) => !mine.has(item.id));
    const wasEmpty = items.length === 0;
    items.push(...fresh);
    fresh.forEach((item) => { new Image().src = item.image; });
    if (wasEmpty) show();
  }

  // Verdicts out
  function judge(answer, label) {
    const item = current();
    if (!item) return;
    const seconds = Math.round(performance.now() - shownAt) / 1000;
    const verdict = { flag: item.id, uuid: newUuid(), answer, label: label || "", note: part("note").value, seconds };
    judged.set(verdict.uuid, item);
    done.add(item.id);
    keep([...outbox(), verdict]);
    items.splice(place, 1);
    show();
    send().then(() => { if (items.length < AHEAD) fill(); });
  }
  async function send() {
    if (isSending) return;
    isSending = true;
    try {
      for (let verdict = outbox()[0]; verdict; verdict = outbox()[0]) {
        if (!(await sendOne(verdict))) break;
      }
    } finally {
      isSending = false;
    }
    sayOutbox();
  }
  async function sendOne(verdict) {
    let reply;
    try {
      reply = await post(root.dataset.verdict, verdict);
    } catch (error) {
      return later();
    }
    // Signed out, slowed down or a server in trouble: the verdict is good and waits. Any other refusal is final.
    if ([401, 403, 429].includes(reply.status) || reply.status >= 500) return later();
    retryS = RETRY_MIN_S;
    forget(verdict.uuid);
    if (!reply.ok) refused(await reply.json().catch(() => ({})));
    return true;
  }
  function later() {
    setTimeout(send, retryS * 1000);
    retryS = Math.min(retryS * 2, RETRY_MAX_S);
    sayOutbox();
    return false;
  }
  function refused(reply) {
    const toast = document.createElement("div");
    toast.className = "toast error";
    toast.textContent = reply.error || "A verdict was refused.";
    document.getElementById("toasts").append(toast);
  }

  async function skip() {
    const item = current();
    if (!item) return;
    items.splice(place, 1);
    show();
    await post(root.dataset.skip, { flag: item.id }).catch(() => null);
    // A skipped image goes to the end of the queue; asking at once would bring it back when nothing else waits.
    if (items.length) fill();
  }
  async function undo() {
    const unsent = outbox();
    if (unsent.length > (isSending ? 1 : 0)) {
      const last = unsent[unsent.length - 1];
      forget(last.uuid);
      back(judged.get(last.uuid));
      sayOutbox();
      return;
    }
    const reply = await post(root.dataset.undo).catch(() => null);
    if (!reply || !reply.ok) { say("Undo needs the link; try again."); return; }
    const { item } = await reply.json();
    if (item) back(item); else say("Nothing to undo.");
  }
  function back(item) {
    if (!item) return;
    done.delete(item.id);
    items = [item, ...items.filter((other) => other.id !== item.id)];
    place = 0;
    show();
  }

  const KEYS = {
    a: () => judge("good"), u: () => judge("unsure"), x: () => judge("cannot_judge"),
    d: () => { const item = current(); if (item) judge("defect", item.classes.includes(item.label) ? item.label : item.classes[0]); },
    s: skip, z: undo, n: () => part("note").focus(),
    j: () => move(1), k: () => move(-1), ArrowRight: () => move(1), ArrowLeft: () => move(-1),
    "+": () => setZoom(zoom * ZOOM_STEP), "=": () => setZoom(zoom * ZOOM_STEP), "-": () => setZoom(zoom / ZOOM_STEP), 0: () => setZoom(1),
  };
  function act(key) {
    const item = current();
    if (/^[1-9]$/.test(key)) { if (item && item.classes[key - 1]) judge("defect", item.classes[key - 1]); return true; }
    if (!Object.hasOwn(KEYS, key)) return false;
    KEYS[key]();
    return true;
  }
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target === part("note")) { if (event.key === "Enter" || event.key === "Escape") part("note").blur(); return; }
    if (event.target.matches("input, select, textarea") || !window.shortcutsAreOn() || event.defaultPrevented) return;
    if (!event.repeat && act(event.key)) event.preventDefault();
  }

  document.addEventListener("keydown", pressed);
  root.addEventListener("click", (event) => { const button = event.target.closest("[data-key]"); if (button) act(button.dataset.key); });
  document.addEventListener("live:changed", () => { if (items.length < AHEAD) fill(); });
  window.addEventListener("online", send);
  window.addEventListener("resize", () => setZoom(zoom));
  // Asking again also leases on what is held: two minutes are short for a hard image.
  setInterval(() => { if (!document.hidden && items.length) fill(); }, RENEW_S * 1000);
  send().then(fill).then(show);
});
