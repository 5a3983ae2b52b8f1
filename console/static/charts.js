// Charts of scores and sensors: a line, its band, and marks of alerts and maintenance; those of a page move together.
"use strict";
(() => {
  const { colour, ink } = axes, accent = colour("--accent"), band = colour("--accent", 18);
  const kinds = { critical: colour("--critical"), warning: colour("--warning"), advisory: colour("--advisory"), cleared: ink, log: colour("--second") };

  // as beside the words, see console.css: who cannot tell colours apart can tell shapes
  function drawShape(ctx, kind, x, top, size) {
    const middle = top + size, foot = top + 2 * size;
    ctx.beginPath();
    if (kind === "critical") { ctx.moveTo(x, top); ctx.lineTo(x + size, middle); ctx.lineTo(x, foot); ctx.lineTo(x - size, middle); }
    else if (kind === "warning") { ctx.moveTo(x, top); ctx.lineTo(x + size, foot); ctx.lineTo(x - size, foot); }
    else if (kind === "log") ctx.rect(x - size, top, 2 * size, 2 * size);
    else ctx.arc(x, middle, size, 0, 2 * Math.PI);
    ctx.closePath();
    if (kind === "cleared") ctx.stroke(); else ctx.fill();
  }
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
      drawShape(ctx, mark.kind, x, bbox.top, 4 * devicePixelRatio);
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
  // around a single point uPlot would show a thousand days
  function range(chart, least, most) { return chart.data[0].length === 1 ? [chart.data[0][0] - 60, chart.data[0][0] + 60] : [least, most]; }
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
