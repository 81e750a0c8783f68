// Every page: what only works with script is shown, and lines can be copied.
"use strict";
document.documentElement.classList.add("script");

for (const line of document.querySelectorAll(".line")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + (line.querySelector("pre").getAttribute("aria-label") || "this line"));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line.querySelector("pre").textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(line.querySelector("pre"));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  line.append(button);
}

// move changes an element to new HTML. What has not changed is left alone, so that
// the focus, a selection and the pictures stay.
const move = (() => {
  const attributes = (was, now) => {
    for (const { name } of [...was.attributes]) if (!now.hasAttribute(name)) was.removeAttribute(name);
    for (const { name, value } of now.attributes) if (was.getAttribute(name) !== value) was.setAttribute(name, value);
  };

  const morph = (was, now) => {
    const olds = [...was.childNodes], news = [...now.childNodes];
    news.forEach((fresh, i) => {
      const old = olds[i];
      if (!old) was.append(fresh);
      else if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) old.replaceWith(fresh);
      else if (old.nodeType !== Node.ELEMENT_NODE) { if (old.data !== fresh.data) old.data = fresh.data; }
      else { attributes(old, fresh); morph(old, fresh); }
    });
    olds.slice(news.length).forEach((old) => old.remove());
  };

  return (element, html) =>
    morph(element, new DOMParser().parseFromString("<div>" + html + "</div>", "text/html").body.firstChild);
})();
