/* Calls from the panel to Ladder, each with a fresh context token from Jira's bridge; no cookies are involved. */
(() => {
  "use strict";

  const { base, issue } = document.body.dataset;

  /* What went wrong with a call: `kind` is bridge, session, unreachable or refused; `words` are for the person. */
  class Trouble extends Error {
    constructor(kind, words) {
      super(words || kind);
      this.kind = kind;
      this.words = words;
    }
  }

  function bridge() {
    return window.AP && window.AP.context ? window.AP : null;
  }

  /* Ask Jira for a context token: short-lived, about this person and this issue. */
  function token() {
    return new Promise((resolve, reject) => {
      const ap = bridge();
      if (!ap) return reject(new Trouble("bridge"));
      const late = setTimeout(() => reject(new Trouble("bridge")), 10000);
      const asked = ap.context.getToken((value) => {
        clearTimeout(late);
        resolve(value);
      });
      if (asked && asked.catch) asked.catch(() => reject(new Trouble("bridge")));
    });
  }

  async function ask(path, { query = {}, json, headers = {}, signal } = {}, again = true) {
    const address = `${base}/${path}?${new URLSearchParams({ issueId: issue, ...query })}`;
    const pass = await token();
    const sent = { Authorization: `JWT ${pass}`, ...headers };
    if (json) sent["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(address, {
        method: json ? "POST" : "GET", headers: sent, body: json && JSON.stringify(json), signal,
        credentials: "omit", cache: "no-store", redirect: "error",
      });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Trouble("unreachable");
    }
    if (answer.status === 401) {
      // The token may have run out between being asked for and being read: one fresh try, then it is the session.
      if (again) return ask(path, { query, json, headers, signal }, false);
      throw new Trouble("session");
    }
    if (answer.status >= 500) throw new Trouble("unreachable", await said(answer));
    return answer;
  }

  async function said(answer) {
    if (!(answer.headers.get("Content-Type") || "").includes("json")) return undefined;
    return answer.json().then((body) => body.detail, () => undefined);
  }

  window.ladder = { ...window.ladder, Trouble, ask, bridge, said };
})();
