// Searches as one types: the list comes from the same page that the form asks for.
"use strict";
{
  const form = document.getElementById("search");
  const results = document.getElementById("results");
  let timer = 0, asked = null, last = "";

  const address = () => {
    const given = new URLSearchParams();
    for (const name of ["q", "area"]) {
      const value = form.elements[name].value.trim();
      if (value) given.set(name, value);
    }
    return given;
  };

  const search = async () => {
    const given = address();
    const shown = "/docs" + (given.size ? "?" + given : "");
    if (shown === last) return;
    last = shown;
    if (asked) asked.abort();
    asked = new AbortController();
    given.set("part", "results");
    try {
      const answer = await fetch("/docs?" + given, { signal: asked.signal });
      if (!answer.ok) throw new Error(await answer.text());
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      results.replaceChildren(...page.body.childNodes);
      history.replaceState(null, "", shown);
    } catch (error) {
      if (error.name !== "AbortError") results.textContent = "The gateway does not answer: " + error.message;
    }
  };

  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 120); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); search(); });

  // Arrow keys walk through the results.
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(input|select|textarea)$/i.test(document.activeElement.tagName)) {
      event.preventDefault();
      form.elements.q.focus();
      return;
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp" || document.activeElement.tagName === "SELECT") return;
    const links = [...results.querySelectorAll(".list a, a.card")];
    const at = links.indexOf(document.activeElement);
    if (at < 0 && document.activeElement !== form.elements.q) return;
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    if (next >= links.length) return;
    event.preventDefault();
    (next < 0 ? form.elements.q : links[next]).focus();
  });
}
