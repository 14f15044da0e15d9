"use strict";

const WORDS = { ok: "OK", defect: "Defect", cannot_judge: "Cannot judge", stale: "No part" };
const STALE_AFTER_S = 15;
const LOST_AFTER_MS = 12000;
let lastHeard = null;

const byId = (id) => document.getElementById(id);
const setText = (id, text) => { byId(id).textContent = text; };
const number = (value) => value.toLocaleString("en");
const percent = (ratio) => (ratio === undefined || ratio === null ? "not measured" : `${Math.round(ratio * 100)} %`);
const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

function picture(item, privacy) {
  if (!item || !item.has_picture) return element("div", "picture", privacy === "never" ? "no pictures: privacy" : "no picture");
  const image = element("img", "picture");
  image.src = `/pictures/${item.number}.jpg`;
  image.alt = `Item ${item.item}`;
  return image;
}

function reason(item) {
  if (item.cannot_judge) return item.cannot_judge.replaceAll("_", " ");
  const score = item.score_ratio === null ? "" : `score ${item.score_ratio.toFixed(3)}`;
  return [item.label, score].filter(Boolean).join(" · ");
}

function lineCard(line, facts) {
  const state = line.age_s > STALE_AFTER_S ? "stale" : line.last.verdict;
  const word = state === "stale" ? `No part for ${Math.round(line.age_s)} s` : WORDS[state];
  const shown = facts.items.find((item) => item.line === line.line && item.has_picture);
  const counts = element("p", "counts soft");
  for (const verdict of ["ok", "defect", "cannot_judge"]) {
    counts.append(element("span", "", icon(verdict), `${number(line.counts[verdict] || 0)} ${WORDS[verdict].toLowerCase()}`));
  }
  const card = element("article", "verdict",
    element("h2", "plain", line.line),
    element("b", "", icon(state), word),
    element("span", "soft", `${reason(line.last)} · ${line.last.told_ms.toFixed(0)} ms · ${clock(line.last.at_ms)}`),
    element("span", "soft", line.last.is_recorded ? `item ${line.last.item}` : `item ${line.last.item}, told but not recorded`),
    counts, picture(shown, facts.privacy));
  card.dataset.state = state;
  return card;
}

function itemCard(item, privacy) {
  const card = element("li", "", picture(item, privacy), element("span", "word", icon(item.verdict), WORDS[item.verdict]),
    element("small", "", reason(item) || "–"), element("small", "", `${clock(item.at_ms)} · ${item.line}`));
  card.dataset.state = item.verdict;
  return card;
}

function stationRow(name, line, fault) {
  const state = element("span", fault ? "state now" : "state", icon(fault ? "fault" : "ok"), fault || "well");
  return element("tr", "", element("td", "", name), element("td", "", line), element("td", "", state));
}

function outputFault(output) {
  const dropped = output.dropped_count ? `${number(output.dropped_count)} dropped` : "";
  const waiting = output.waiting_count > 5 ? `${number(output.waiting_count)} waiting` : "";
  return [dropped, waiting].filter(Boolean).join(", ");
}

function hours(value) {
  if (value === undefined || value === null) return "not measured yet";
  return value >= 72 ? `${number(Math.round(value / 24))} days` : `${value.toFixed(1)} h`;
}

function mark(id, level) {
  byId(id).parentElement.className = level;
}

function showHealth(health) {
  setText("backlog", number(health.backlog_count || 0));
  setText("images", `records · ${number(health.images_waiting || 0)} images`);
  setText("buffer", hours(health.buffer_left_h));
  setText("disk", health.disk_used_ratio == null ? "disk not measured" : `disk ${percent(health.disk_used_ratio)} used`);
  setText("cpu", percent(health.cpu_ratio));
  setText("temperature", health.temperature_c ? `${Math.round(health.temperature_c)} °C${health.is_throttled ? ", throttled" : ""}` : "no temperature sensor");
  setText("memory", percent(health.memory_ratio));
  setText("uptime", `up ${hours(health.uptime_s / 3600)}`);
  mark("buffer", health.buffer_left_h < 1 ? "now" : health.buffer_left_h < 8 ? "soon" : "");
  mark("cpu", health.is_throttled ? "soon" : "");
  mark("memory", health.memory_ratio > 0.92 ? "soon" : "");
}

function show(facts) {
  setText("device", facts.device);
  setText("site", facts.site);
  setText("updated", `updated ${clock(facts.at_ms)}`);
  setText("model", facts.model || "none");
  setText("digest", facts.model_digest.slice(0, 12) || "every item is told as cannot judge");
  mark("model", facts.model ? "" : "soon");
  showHealth(facts.health);
  byId("lines").replaceChildren(...facts.lines.map((line) => lineCard(line, facts)));
  byId("items").replaceChildren(...facts.items.map((item) => itemCard(item, facts.privacy)));
  byId("no-items").hidden = facts.items.length > 0;
  byId("stations").replaceChildren(
    ...facts.stations.map((station) => stationRow(`camera ${station.name}`, station.line, station.fault)),
    ...facts.outputs.map((output) => stationRow(output.name, "", outputFault(output))));
}

function watchLink() {
  const isLost = lastHeard !== null && Date.now() - lastHeard > LOST_AFTER_MS;
  byId("lost").hidden = !isLost;
  if (isLost) setText("lost", `Live link lost. What you see is from ${clock(lastHeard)}.`);
}

function hear(event) {
  lastHeard = Date.now();
  show(JSON.parse(event.data));
  watchLink();
}

async function noteRefusal() {
  const answer = await fetch("/status.json").catch(() => null);
  if (answer && answer.status === 401) window.location.assign("/sign-in");
}

const events = new EventSource("/events");
events.addEventListener("message", hear);
events.addEventListener("error", noteRefusal);
window.setInterval(watchLink, 1000);
