// All pages: one stream of news for the parts that are marked `data-live`, and times that stay right.
"use strict";
(() => {
  const live = document.querySelectorAll("[data-live]");
  const state = document.getElementById("link-state");
  let source = null, paused = false, news = null, moments = 0;

  // What changed is fetched again with the whole page, but not from under somebody's hands.
  function isHeld(place) {
    const inside = document.activeElement;
    if (place.contains(inside) && (inside.matches("input:not([type=checkbox]), select, textarea") || inside.matches(":focus-visible"))) return true;
    return [...place.querySelectorAll("input, textarea")].some((field) => field.type === "checkbox" ? field.checked
      : field.type !== "hidden" && field.value !== (field.dataset.kept ?? field.defaultValue));
  }
  let isFetching = false;
  async function freshen() {
    if (isFetching) return;
    isFetching = true;
    try {
      const answer = await fetch(location.href);
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const place of document.querySelectorAll("[data-fresh]")) {
        const now = page.getElementById(place.id);
        if (!now || isHeld(place)) continue;
        const open = [...place.querySelectorAll("details[open][id]")].map((one) => one.id);
        place.innerHTML = now.innerHTML;
        for (const id of open) document.getElementById(id)?.setAttribute("open", "");
        if (window.htmx) htmx.process(place);
        refreshTimes(place);
        remember(place);
      }
      document.dispatchEvent(new CustomEvent("fresh", { detail: page }));
    } catch { /* the next moment tries again */ } finally { isFetching = false; }
  }
  // The name that a person gave once is there the next time.
  function remember(root) {
    for (const field of root.querySelectorAll("input[name=by]")) {
      const name = localStorage.getItem("millrace.by");
      if (name && !field.value) { field.value = name; field.dataset.kept = name; }
    }
  }
  document.addEventListener("submit", (event) => {
    document.getElementById("notice").textContent = ""; // it was of the attempt before
    const by = event.target.elements?.namedItem("by");
    if (by && by.value) localStorage.setItem("millrace.by", by.value);
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    const boxes = event.target.closest("form").querySelectorAll("input[type=checkbox]:not([data-all]):not(:disabled)");
    for (const box of boxes) box.checked = event.target.checked;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    event.preventDefault();
    document.getElementById("find")?.focus();
  });

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
      const isStopped = paused && place.hasAttribute("data-pausable");
      if (html === undefined || isStopped || place.querySelector(":focus-visible")) continue;
      place.innerHTML = html;
      refreshTimes(place);
    }
    watchWidths();
    moments += 1;
    const every = Number(document.querySelector("[data-fresh]")?.dataset.fresh || 0);
    const isDue = every > 0 ? moments % every === 0 : news !== null && news !== moment.news;
    if (document.querySelector("[data-fresh]") && isDue) freshen();
    news = moment.news;
    document.dispatchEvent(new CustomEvent("moment", { detail: moment.point }));
  }
  function open() {
    if (source || document.hidden || !(live.length || document.querySelector("[data-fresh]"))) return;
    source = new EventSource("/live/stream");
    source.addEventListener("moment", (event) => { state.textContent = ""; show(JSON.parse(event.data)); });
    source.addEventListener("away", (event) => { state.textContent = event.data; });
    source.onerror = () => {
      const isOver = source && source.readyState === EventSource.CLOSED;
      state.textContent = isOver ? "not live: sign in again, or reload" : "not connected; trying again";
    };
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
  const first = document.getElementById("first");
  if (first) {
    first.open = localStorage.getItem("millrace.first") !== "closed";
    first.addEventListener("toggle", () => localStorage.setItem("millrace.first", first.open ? "open" : "closed"));
  }
  // a table that is wider than its card says so, see console.css; rows that come and times that pass make it wider later
  const places = ".card, .table";
  const widths = new ResizeObserver((changed) => {
    for (const { target } of changed) {
      const place = target.closest(places);
      if (place) place.classList.toggle("overflows", place.scrollWidth > place.clientWidth + 1);
    }
  });
  function watchWidths() {
    widths.disconnect(); // of what is not shown any more
    for (const place of document.querySelectorAll(places)) for (const part of [place, ...place.querySelectorAll("table")]) widths.observe(part);
  }
  document.addEventListener("fresh", watchWidths);
  watchWidths();
  remember(document);
  open();
})();
