// Sends a request from an operation's page. The token is read from its field when
// it is needed, and kept nowhere.
"use strict";
{
  const form = document.getElementById("try");
  const field = (name) => document.getElementById("try-" + name);
  const status = field("status"), answer = field("answer"), ask = field("ask");
  const told = ["asc-cache", "asc-quota-limit", "asc-quota-remaining", "asc-quota-waited-ms", "retry-after"];

  // allowed asks before a write that is not for a sandbox.
  const allowed = () => new Promise((resolve) => {
    if (!form.dataset.ask) return resolve(true);
    field("ask-what").textContent = form.dataset.verb + " " + field("path").value;
    const done = (yes) => { ask.onclose = null; ask.close(); resolve(yes); };
    field("yes").onclick = () => done(true);
    field("no").onclick = () => done(false);
    ask.onclose = () => resolve(false);
    ask.showModal();
    field("no").focus();
  });

  const show = (text, good) => {
    status.textContent = text;
    status.className = "answer " + (good ? "good" : "bad");
  };

  const pretty = (text) => {
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  };

  const send = async () => {
    const path = field("path").value.trim(), query = field("query").value.trim(), body = field("body");
    if (!path.startsWith("/") || path.startsWith("//")) return show("The path must begin with one slash.", false);
    const headers = {};
    if (field("token").value) headers.Authorization = "Bearer " + field("token").value;
    if (field("team").value) headers["asc-team"] = field("team").value;
    if (body) headers["Content-Type"] = "application/json";
    const begun = performance.now();
    const res = await fetch(path + (query ? "?" + query : ""), {
      method: form.dataset.verb, headers, body: body ? body.value : undefined,
      cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
    });
    const file = form.dataset.file && res.ok;
    const bytes = file ? (await res.arrayBuffer()).byteLength : 0;
    const text = file ? `A file of ${bytes} bytes, ${res.headers.get("Content-Type")}` : pretty(await res.text());
    const beside = told.filter((name) => res.headers.get(name)).map((name) => `${name}: ${res.headers.get(name)}`);
    show([`${res.status} ${res.statusText}`, `${Math.round(performance.now() - begun)} ms`, ...beside].join(" · "), res.ok);
    answer.textContent = text;
    answer.hidden = false;
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!await allowed()) return show("Not sent.", false);
    field("send").disabled = true;
    try { await send(); } catch (error) { show("No answer: " + error.message, false); }
    field("send").disabled = false;
  });
}
