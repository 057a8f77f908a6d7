/* A small stand-in for Atlassian's page bridge (all.js): what an app's frame can ask of the page around it.
 *
 * Both sides check who is talking. Here: only the window above this frame, only from the origin that served this
 * script, only on this frame's own channel. The page above does the same with the frame (see host.js).
 */
(() => {
  "use strict";

  const HOST = new URL(document.currentScript.src).origin;
  const OPTIONS = Object.fromEntries(
    (document.currentScript.dataset.options || "").split(";").filter(Boolean).map((one) => one.split(":").map((part) => part.trim())),
  );
  const waiting = new Map();
  const listeners = new Map();
  let channel = null;
  let calls = 0;

  try {
    const named = JSON.parse(window.name);
    // The page around this frame must be the one that this script came from.
    if (named.host === HOST) channel = named.channel;
  } catch {
    channel = null;
  }

  function send(message) {
    if (channel === null || window.parent === window) return false;
    window.parent.postMessage({ standIn: channel, ...message }, HOST);
    return true;
  }

  /* Ask the page; answers a promise and, as the original does, calls back when a function was given. */
  function ask(name, args, callback) {
    const answer = new Promise((resolve, reject) => {
      const id = ++calls;
      waiting.set(id, { resolve, reject });
      if (!send({ id, call: name, args })) {
        waiting.delete(id);
        reject(new Error("This page is not inside the stand-in Jira site."));
      }
    });
    // Who gave a callback does not look at the promise: its refusal must not surface as a script error.
    answer.catch(() => undefined);
    if (typeof callback === "function") answer.then(callback, () => undefined);
    return answer;
  }

  window.addEventListener("message", (event) => {
    const message = event.data;
    if (event.origin !== HOST || event.source !== window.parent || !message || message.standIn !== channel) return;
    if (message.reply !== undefined) {
      const asked = waiting.get(message.reply);
      waiting.delete(message.reply);
      if (!asked) return;
      if (message.error) asked.reject(new Error(message.error));
      else asked.resolve(message.result);
    } else if (message.theme) {
      wear(message.theme);
    } else if (message.event) {
      emitHere(message.event, message.args || []);
    }
  });

  // ---- look

  let dressed = false;
  function wear(theme) {
    if (!dressed) return;
    const root = document.documentElement;
    root.dataset.colorMode = theme;
    root.dataset.theme = "dark:dark light:light";
  }

  function initializeTheming() {
    if (!dressed) {
      // A constructed sheet needs no leave from the app's style-src.
      const sheet = new CSSStyleSheet();
      sheet.replaceSync("@TOKENS@");
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    }
    dressed = true;
    return ask("theme", []).then(wear, () => undefined);
  }

  function resize(width, height) {
    if (width === undefined) return resize("100%", `${measured()}px`);
    send({ call: "resize", args: [String(width), typeof height === "number" ? `${height}px` : String(height)] });
    return undefined;
  }

  function measured() {
    const content = document.querySelector(".ac-content") || document.body || document.documentElement;
    return Math.ceil(Math.max(content.getBoundingClientRect().bottom + window.scrollY, content.offsetHeight));
  }

  function watchSize() {
    if (OPTIONS.resize === "false" || OPTIONS.sizeToParent === "true") {
      if (OPTIONS.sizeToParent === "true") send({ call: "sizeToParent", args: [] });
      return;
    }
    let last = 0;
    const look = () => {
      const height = measured();
      if (height !== last) resize("100%", `${(last = height)}px`);
    };
    new ResizeObserver(look).observe(document.body);
    look();
  }

  // Escape closes a dialog also while the focus is inside it, unless the app had a use for the key itself.
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && OPTIONS.closeOnEscape !== "false") send({ call: "escape", args: [] });
  });

  // ---- events between the frames of one app

  function on(name, listener) {
    listeners.set(name, [...(listeners.get(name) || []), listener]);
  }

  function off(name, listener) {
    listeners.set(name, (listeners.get(name) || []).filter((one) => one !== listener && one.original !== listener));
  }

  function once(name, listener) {
    const wrapped = (...args) => {
      off(name, wrapped);
      listener(...args);
    };
    wrapped.original = listener;
    on(name, wrapped);
  }

  function emitHere(name, args) {
    for (const listener of listeners.get(name) || []) listener(...args);
    for (const listener of listeners.get("*") || []) listener(name, ...args);
  }

  function emit(name, ...args) {
    send({ call: "emit", args: [name, args] });
  }

  let flags = 0;
  function createFlag(options) {
    const id = `${channel}-${++flags}`;
    const { title, body, type, close } = options || {};
    send({ call: "flag", args: [id, { title, body, type, close }] });
    return { close: () => send({ call: "closeFlag", args: [id] }), on: () => undefined };
  }

  window.AP = {
    standIn: true,
    context: {
      getToken: (callback) => ask("token", [], callback),
      getContext: (callback) => ask("context", [], callback),
    },
    user: {
      getCurrentUser: (callback) => ask("user", [], callback),
      getTimeZone: (callback) => ask("timeZone", [], callback),
      getLocale: (callback) => ask("locale", [], callback),
    },
    theming: { initializeTheming },
    flag: { create: createFlag },
    navigator: {
      go: (target, context) => ask("go", [target, context || {}]),
      reload: () => ask("reload", []),
      getLocation: (callback) => ask("location", [], callback),
    },
    dialog: {
      create: (options) => ask("dialog", [options || {}]),
      close: (data) => ask("closeDialog", [data === undefined ? null : data]),
      getCustomData: (callback) => ask("dialogData", [], callback),
    },
    jira: { refreshIssuePage: () => ask("refresh", []) },
    events: {
      on, off, once, emit,
      emitPublic: emit,
      onPublic: on,
      onAny: (listener) => on("*", (name, ...args) => listener(name, ...args)),
      offAll: (name) => listeners.delete(name),
    },
    resize,
    sizeToParent: () => send({ call: "sizeToParent", args: [] }),
    hideFooter: () => undefined,
    getLocation: (callback) => ask("location", [], callback),
  };

  if (document.body) watchSize();
  else document.addEventListener("DOMContentLoaded", watchSize);
})();
