// Charts of scores and sensors: a line, its band, and marks of alerts and maintenance; those of a page move together.
"use strict";
(() => {
  const { colour, ink } = axes, accent = colour("--accent"), band = colour("--accent", 18);
  const kinds = { critical: colour("--critical"), warning: colour("--warning"), advisory: colour("--advisory"), cleared: ink, log: colour("--second") };

  function drawMarks(chart, marks) {
    const { ctx, bbox } = chart;
    ctx.save();
    for (const mark of marks) {
      const x = chart.valToPos(mark.time, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = ctx.fillStyle = kinds[mark.kind] ?? ink;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash(mark.kind === "log" ? [2, 3] : []);
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
      ctx.setLineDash([]);
      const size = 4 * devicePixelRatio;
      ctx.beginPath();
      if (mark.kind === "log") ctx.rect(x - size, bbox.top, 2 * size, 2 * size);
      else { ctx.moveTo(x, bbox.top); ctx.lineTo(x + size, bbox.top + 2 * size); ctx.lineTo(x - size, bbox.top + 2 * size); }
      ctx.fill();
    }
    ctx.restore();
  }
  function nearest(marks, time, width_s) {
    const close = marks.filter((mark) => Math.abs(mark.time - time) < width_s);
    return close.map((mark) => mark.text).join(" · ");
  }
  // the strips of regimes and of quality lie under the plot of the score, and follow its zoom
  let above = null, aboveChart = null;
  function alignStrips(chart) {
    if (!chart.bbox?.width || chart.scales.x.min == null) return;
    const { min, max } = chart.scales.x;
    for (const strip of document.querySelectorAll(".strip")) {
      const svg = strip.querySelector(".runs");
      svg.setAttribute("viewBox", `${min - Number(strip.dataset.start)} 0 ${max - min} 10`);
      svg.style.marginLeft = `${chart.bbox.left / devicePixelRatio}px`;
      svg.style.width = `${chart.bbox.width / devicePixelRatio}px`;
    }
  }
  const drawn = new Map();
  function range(chart, least, most) { return least === most ? [least - 60, most + 60] : [least, most]; }
  function dataOf(one) { return [one.time, one.low, one.high, one.value]; }
  function draw(place) {
    let one = JSON.parse(place.dataset.series), isZoomed = false;
    const height = Number(place.dataset.height), note = document.createElement("div");
    note.className = "more";
    note.textContent = "\u00a0";
    place.textContent = "";
    const chart = new uPlot({
      width: place.clientWidth, height, legend: { show: false }, tzDate: axes.utc,
      cursor: { sync: { key: place.closest("[data-sync]") ? "page" : one.name }, drag: { x: true, y: false } },
      scales: { x: { range } },
      axes: [axes.time, axes.value({ space: 26 })],
      bands: [{ series: [2, 1], fill: band }],
      series: [{}, { stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } },
        { stroke: accent, width: 1.7, points: { show: one.time.length < 2 } }],
      hooks: {
        draw: [(u) => { drawMarks(u, one.marks); if (place === above) alignStrips(u); }],
        setSelect: [(u) => { isZoomed = u.select.width > 0; }],
        setCursor: [(u) => {
          const at = u.cursor.idx;
          if (at == null) { note.textContent = "\u00a0"; return; }
          const span = (u.scales.x.max - u.scales.x.min) / 60, value = u.data[3][at];
          note.textContent = [axes.text(u.data[0][at]), value == null ? "silent" : `${value.toPrecision(4)} ${one.unit}`,
            nearest(one.marks, u.data[0][at], span)].filter(Boolean).join(" · ");
        }],
      },
    }, dataOf(one), place);
    if (place === above) aboveChart = chart;
    place.addEventListener("dblclick", () => { isZoomed = false; });
    place.after(note);
    new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height })).observe(place.parentElement);
    drawn.set(one.name, (now) => { one = now; if (!isZoomed) chart.setData(dataOf(one)); });
  }
  above = document.querySelector(".charts.one .chart[data-series]");
  document.querySelectorAll(".chart[data-series]").forEach(draw);
  document.addEventListener("fresh", (event) => {
    const strips = event.detail.querySelector("#strips");
    if (strips) document.querySelector("#strips")?.replaceWith(document.importNode(strips, true));
    if (strips && aboveChart) alignStrips(aboveChart);
    for (const place of event.detail.querySelectorAll(".chart[data-series]")) {
      const one = JSON.parse(place.dataset.series);
      drawn.get(one.name)?.(one);
    }
  });
})();
