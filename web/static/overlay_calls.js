/* Calls from the sprint overlay to Ladder. Inside Jira each carries a fresh context token from Jira's bridge and no
 * cookie; on Ladder's own pages the browser's sign-in does, with the page's token against forged requests. */
(() => {
  "use strict";

  /* What went wrong with a call: `kind` is bridge, session, unreachable or refused; `words` are for the person. */
  class Trouble extends Error {
    constructor(kind, words) {
      super(words || kind);
      this.kind = kind;
      this.words = words;
    }
  }

  const bridge = () => (window.AP && window.AP.context ? window.AP : null);

  /* Ask Jira for a context token: short-lived, about this person. */
  function pass() {
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

  /* `place` is the element that says by which door we came: data-door, data-base, data-query, data-token. */
  async function ask(place, path, { query = {}, json, headers = {}, signal } = {}, again = true) {
    const { door, base, query: own = "", token } = place.dataset;
    const wanted = new URLSearchParams(own);
    for (const [name, value] of Object.entries(query)) wanted.set(name, value);
    const inJira = door === "jira";
    const sent = { Accept: "application/json, text/html;q=0.5", ...headers };
    if (inJira) sent.Authorization = `JWT ${await pass()}`;
    else if (json) sent["X-Ladder-Token"] = token;
    if (json) sent["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await fetch(`${base}/${path}?${wanted}`, {
        method: json ? "POST" : "GET", headers: sent, body: json && JSON.stringify(json), signal,
        credentials: inJira ? "omit" : "same-origin", cache: "no-store", redirect: "manual",
      });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Trouble("unreachable");
    }
    // Who is not signed in any more is sent on to the sign-in page.
    if (answer.type === "opaqueredirect") throw new Trouble("session");
    if (answer.status === 401) {
      // The token may have run out between being asked for and being read: one fresh try, then it is the session.
      if (inJira && again) return ask(place, path, { query, json, headers, signal }, false);
      throw new Trouble("session");
    }
    if (answer.status >= 500) throw new Trouble("unreachable", await said(answer));
    return answer;
  }

  async function said(answer) {
    if (!(answer.headers.get("Content-Type") || "").includes("json")) return undefined;
    return answer.json().then((body) => body.detail, () => undefined);
  }

  window.ladder = { ...window.ladder, planning: { Trouble, ask, bridge, said } };
})();
