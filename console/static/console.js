// All pages: one stream of news for the parts that are marked `data-live`, and times that stay right.
"use strict";
(() => {
  const live = document.querySelectorAll("[data-live]");
  const state = document.getElementById("link-state");
  let source = null, paused = false, news = null;

  // What changed with the alerts is fetched again, but not from under somebody's hands.
  async function refresh() {
    for (const place of document.querySelectorAll("[data-refresh]")) {
      if (place.querySelector("input:checked")) continue;
      const answer = await fetch(place.dataset.refresh, { headers: { "HX-Request": "true" } });
      if (answer.ok && !answer.redirected) { place.innerHTML = await answer.text(); refreshTimes(place); }
    }
  }

  function ago(text) {
    const passed = (Date.now() - Date.parse(text)) / 1000, size = Math.abs(passed);
    if (size < 1) return "now";
    const [unit, name] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([least]) => size >= least);
    const words = `${Math.round(size / unit)} ${name}`;
    return passed > 0 ? `${words} ago` : `in ${words}`;
  }
  function refreshTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const words = ago(time.dateTime);
      if (time.textContent !== words) time.textContent = words;
    }
  }
  function show(moment) {
    for (const place of live) {
      const html = moment.parts[place.dataset.live];
      const isHeld = (paused && place.hasAttribute("data-pausable")) || place.contains(document.activeElement);
      if (html === undefined || isHeld) continue;
      place.innerHTML = html;
      refreshTimes(place);
    }
    if (news !== null && news !== moment.news) refresh();
    news = moment.news;
    document.dispatchEvent(new CustomEvent("moment", { detail: moment.point }));
  }
  function open() {
    if (source || document.hidden || !(live.length || document.querySelector("[data-refresh]"))) return;
    source = new EventSource("/live/stream");
    source.addEventListener("moment", (event) => { state.textContent = ""; show(JSON.parse(event.data)); });
    source.addEventListener("away", (event) => { state.textContent = event.data; });
    source.onerror = () => { state.textContent = "not connected; trying again"; };
  }
  function close() { if (source) { source.close(); source = null; } }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  const button = document.getElementById("pause");
  if (button) button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Go on" : "Pause";
  });
  setInterval(() => { if (!document.hidden) refreshTimes(document); }, 5000);
  open();
})();
