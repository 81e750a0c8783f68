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
