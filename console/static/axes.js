// What all charts have in common: colours of the style sheet, axes, times as 24 hours of UTC, as in forms and the API.
"use strict";
window.axes = (() => {
  function colour(name, share) {
    const probe = document.createElement("i");
    probe.style.color = share ? `color-mix(in srgb, var(${name}) ${share}%, transparent)` : `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }
  function times(chart, ticks, axis, space, step) {
    let day = "";
    return ticks.map((tick) => {
      const at = new Date(tick * 1000).toISOString(), date = at.slice(0, 10);
      if (step >= 86400) return date;
      const time = at.slice(11, step < 60 ? 19 : 16), text = date === day ? time : `${time}\n${date} UTC`;
      day = date;
      return text;
    });
  }
  const ink = colour("--soft"), line = colour("--line");
  const axis = (more) => ({ stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 },
    font: "11px system-ui, sans-serif", ...more });
  const utc = (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC");
  const text = (time) => `${new Date(time * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  return { colour, ink, utc, text, time: axis({ space: 84, size: 42, values: times }), value: (more) => axis({ size: 58, ...more }) };
})();
