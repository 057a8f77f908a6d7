/* Choosing several issues of the sprint overlay: by box, by range with shift, by group, with the arrow keys. */
(() => {
  "use strict";

  function selection(root, changed) {
    const chosen = new Set(); // ids of rows: an issue in two groups is two rows
    let last = null;

    const rows = () => [...root.querySelectorAll(".row")].filter((row) => !row.closest(".folded"));
    const shown = () => [...root.querySelectorAll(".row")];

    function set(row, on) {
      row.querySelector(".pick").checked = on;
      row.classList.toggle("picked", on);
      if (on) chosen.add(row.id);
      else chosen.delete(row.id);
    }

    function pick(row, on, { range = false } = {}) {
      const all = rows();
      const from = range && last ? all.findIndex((one) => one.id === last) : -1;
      const to = all.indexOf(row);
      if (from >= 0 && to >= 0) for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) set(one, on);
      else set(row, on);
      last = row.id;
      changed();
    }

    function pickGroup(group) {
      const members = [...group.querySelectorAll(".row")];
      const on = !members.every((row) => chosen.has(row.id));
      for (const row of members) set(row, on);
      changed();
      return on ? members.length : 0;
    }

    function clear() {
      for (const row of shown()) if (chosen.has(row.id)) set(row, false);
      chosen.clear();
      changed();
    }

    /* After fresh rows came in: what is gone is not chosen any more, what is there keeps its box. */
    function settle() {
      const there = new Set(shown().map((row) => row.id));
      for (const id of [...chosen]) if (!there.has(id)) chosen.delete(id);
      for (const row of shown()) {
        const on = chosen.has(row.id);
        row.querySelector(".pick").checked = on;
        row.classList.toggle("picked", on);
      }
      changed();
    }

    let shifted = false;
    root.addEventListener("pointerdown", (event) => { shifted = event.shiftKey; });
    root.addEventListener("change", (event) => {
      if (!event.target.matches(".pick")) return;
      pick(event.target.closest(".row"), event.target.checked, { range: shifted });
      shifted = false;
    });
    // A range must not also mark the text between.
    root.addEventListener("mousedown", (event) => {
      if (event.shiftKey && event.target.closest(".row")) event.preventDefault();
    });

    root.addEventListener("keydown", (event) => {
      const box = event.target;
      if (!box.matches(".pick, .in-sprint")) return;
      if (event.key === " " && event.shiftKey && box.matches(".pick")) {
        event.preventDefault();
        pick(box.closest(".row"), !box.checked, { range: true });
        return;
      }
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const all = rows();
      const row = box.closest(".row");
      const next = all[all.indexOf(row) + step];
      if (!next) return;
      next.querySelector(box.matches(".pick") ? ".pick" : ".in-sprint").focus();
      if (event.shiftKey && box.matches(".pick")) {
        if (!last) last = row.id;
        pick(next, true, { range: true });
      }
    });

    const issues = () => [...new Set([...chosen].map((id) => document.getElementById(id)).filter(Boolean).map((row) => Number(row.dataset.issue)))];
    const rowsChosen = () => shown().filter((row) => chosen.has(row.id));
    return { clear, issues, pickGroup, rowsChosen, settle, get size() { return chosen.size; } };
  }

  window.ladder = { ...window.ladder, planning: { ...window.ladder.planning, selection } };
})();
