// Charts of the page Live: points of a quarter of an hour, and one more each second.
"use strict";
(() => {
  const box = document.querySelector("[data-points]");
  if (!box) return;
  const SPAN_S = 900;
  const points = JSON.parse(box.dataset.points);
  const strokes = [axes.colour("--accent"), axes.colour("--second")];

  function dataOf(names) { return [points.map((p) => p.time), ...names.map((name) => points.map((p) => p[name] ?? null))]; }
  const charts = [...box.querySelectorAll(".chart")].map((place) => {
    const names = place.dataset.chart.split(" "), unit = place.dataset.unit;
    const chart = new uPlot({
      width: place.clientWidth, height: 170, legend: { show: false }, tzDate: axes.utc, cursor: { drag: { x: false, y: false }, y: false },
      scales: { y: { range: (u, least, most) => [0, Math.max(most * 1.15, 1)] } },
      axes: [axes.time, axes.value({ size: 68, values: (u, ticks) => ticks.map((tick) => `${tick >= 10000 ? `${tick / 1000}k` : tick}${unit}`) })],
      series: [{}, ...names.map((name, n) => ({ label: name, stroke: strokes[n], width: 1.6, spanGaps: true, points: { show: false } }))],
    }, dataOf(names), place);
    return { chart, names, place };
  });
  document.addEventListener("moment", (event) => {
    points.push(event.detail);
    while (points.length && points[0].time < event.detail.time - SPAN_S) points.shift();
    for (const { chart, names } of charts) chart.setData(dataOf(names));
  });
  new ResizeObserver(() => { for (const { chart, place } of charts) chart.setSize({ width: place.clientWidth, height: 170 }); }).observe(box);
})();
