// Asks for the moving part of a page every other second while it is seen.
"use strict";
{
  const moving = document.getElementById("moving"), live = document.getElementById("live");
  const look = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(moving.dataset.from, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      move(moving, await answer.text());
      live.textContent = "Live: this page moves as the sandbox does.";
      live.className = "";
    } catch {
      live.textContent = "The sandbox does not answer: trying again.";
      live.className = "bad";
    }
  };
  setInterval(look, 2000);
  look();
}
