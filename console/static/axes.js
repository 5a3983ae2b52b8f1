// What all charts have in common: colours of the style sheet, axes, times as 24 hours.
"use strict";
window.axes = (() => {
  const two = (value) => String(value).padStart(2, "0");
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
      const at = new Date(tick * 1000), date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
      if (step >= 86400) return date;
      const time = `${two(at.getHours())}:${two(at.getMinutes())}${step < 60 ? `:${two(at.getSeconds())}` : ""}`;
      const text = date === day ? time : `${time}\n${date}`;
      day = date;
      return text;
    });
  }
  const ink = colour("--soft"), line = colour("--line");
  const axis = (more) => ({ stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 },
    font: "11px system-ui, sans-serif", ...more });
  return { colour, ink, time: axis({ space: 76, size: 42, values: times }), value: (more) => axis({ size: 58, ...more }) };
})();
