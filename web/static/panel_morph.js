/* Lays fresh HTML over what is on the page, element by element, so that focus, typed text and what was opened stay. */
(() => {
  "use strict";

  // What the person opened, typed or toggled belongs to them: the server's HTML does not take it back.
  const OWNED = new Set(["hidden", "aria-expanded", "open", "aria-activedescendant", "aria-busy"]);

  function morphAttributes(old, fresh) {
    for (const { name, value } of [...fresh.attributes]) {
      if (OWNED.has(name) || old.getAttribute(name) === value) continue;
      if (name === "value" && old.matches("input")) {
        const untouched = old.value === old.defaultValue && old !== document.activeElement;
        old.setAttribute("value", value);
        if (untouched) old.value = value;
      } else {
        old.setAttribute(name, value);
      }
    }
    for (const { name } of [...old.attributes]) {
      if (!OWNED.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
  }

  function alike(old, fresh) {
    return old && old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
  }

  function morph(old, fresh) {
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    const shareBefore = old.matches(".number-share") ? old.textContent : null;
    morphAttributes(old, fresh);
    if (!old.hasAttribute("data-own")) morphChildren(old, fresh);
    if (shareBefore !== null && shareBefore !== old.textContent) {
      old.classList.add("moved");
      requestAnimationFrame(() => requestAnimationFrame(() => old.classList.remove("moved")));
    }
  }

  function morphChildren(old, fresh) {
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
      let match = null;
      if (alike(at, next)) match = at;
      else if (next.id) match = [...old.children].find((child) => alike(child, next)) || null;
      if (match) {
        // Drop what stood in between rather than moving the match: moving an element takes its focus away.
        while (at !== match) at = drop(at);
        at = match.nextSibling;
        morph(match, next);
      } else {
        old.insertBefore(document.importNode(next, true), at);
      }
    }
    while (at) at = drop(at);
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  window.ladder = { ...window.ladder, morphChildren };
})();
