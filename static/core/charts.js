// Draws every <div class="chart" data-figure-url="…"> with Plotly. Figures come from the server and name colours as
// "var(--token)"; they are resolved here, so that light and dark need no second figure.
"use strict";
(() => {
  const probe = document.createElement("span");
  probe.hidden = true;
  const token = (name) => {
    probe.style.color = name;
    return getComputedStyle(probe).color;
  };
  function resolve(value) {
    if (typeof value === "string") return value.startsWith("var(--") ? token(value) : value;
    if (Array.isArray(value)) return value.map(resolve);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]));
    return value;
  }
  const axis = () => ({ gridcolor: token("var(--line)"), linecolor: token("var(--line)"), zerolinecolor: token("var(--line)"), automargin: true, fixedrange: true });
  function dress(layout, traceCount) {
    const own = resolve(layout || {});
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 48, r: 14, t: traceCount > 1 ? 26 : 8, b: 34 },
      font: { family: "system-ui, sans-serif", size: 11, color: token("var(--ink-soft)") },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, hovermode: "x unified", autosize: true,
      hoverlabel: { bgcolor: token("var(--surface)"), bordercolor: token("var(--edge)"), font: { color: token("var(--ink)") } },
      ...own, xaxis: { ...axis(), ...own.xaxis }, yaxis: { ...axis(), ...own.yaxis },
    };
  }
  async function draw(box) {
    const reply = await fetch(box.dataset.figureUrl, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!reply || !reply.ok) { if (!box.childElementCount) box.dataset.failed = ""; return; }
    delete box.dataset.failed;
    const figure = await reply.json();
    await window.Plotly.react(box, resolve(figure.data), dress(figure.layout, figure.data.length), { displayModeBar: false, responsive: true });
  }
  const boxes = (root) => [...root.querySelectorAll(".chart[data-figure-url]")];
  const drawAll = () => boxes(document).forEach(draw);

  document.addEventListener("DOMContentLoaded", () => { document.body.append(probe); drawAll(); });
  // A live section that was fetched again brings new, undrawn boxes; one without hx-get only says that it changed.
  document.addEventListener("htmx:afterSettle", (event) => boxes(event.target.parentElement || document).filter((box) => !box.childElementCount).forEach(draw));
  document.addEventListener("live:changed", (event) => { if (!event.target.hasAttribute("hx-get")) boxes(event.target).forEach(draw); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
