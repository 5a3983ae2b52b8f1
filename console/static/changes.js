// What changed in a list since the one before: new, so many places up or down. It stays marked until the next list comes.
"use strict";
(() => {
  const place = document.querySelector("[data-changes]");
  if (!place) return;
  function read() {
    const list = place.querySelector("[data-list]");
    return list && { id: list.dataset.list, order: [...list.querySelectorAll("[data-item]")].map((row) => row.dataset.item) };
  }
  function badge(kind, text, words) {
    const mark = document.createElement("span");
    mark.className = `change ${kind}`;
    mark.textContent = text;
    mark.title = words;
    return mark;
  }
  function mark(before, now) {
    for (const row of place.querySelectorAll("[data-item]")) {
      const was = before.order.indexOf(row.dataset.item), is = now.order.indexOf(row.dataset.item), by = was - is;
      if (was < 0) row.querySelector("[data-change]").append(badge("new", "new", "not in the list before"));
      else if (by > 0) row.querySelector("[data-change]").append(badge("rose", `▲ ${by}`, `${by} up from the list before`));
      else if (by < 0) row.querySelector("[data-change]").append(badge("fell", `▼ ${-by}`, `${-by} down from the list before`));
    }
    const gone = before.order.filter((item) => !now.order.includes(item)).length, note = place.querySelector("[data-gone]");
    if (note && gone) note.textContent = `${gone} of the list before ${gone === 1 ? "is" : "are"} no longer in it.`;
  }
  let before = null, now = read();
  new MutationObserver(() => {
    const found = read();
    if (!found) return;
    if (now && found.id !== now.id) before = now;
    now = found;
    if (before) mark(before, now);
  }).observe(place, { childList: true });
})();
