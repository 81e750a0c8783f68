// Moves the page as the gateway does.
"use strict";
{
  const moving = document.getElementById("moving"), live = document.getElementById("live");

  let events = null;
  const open = () => {
    events = new EventSource("/status/events");
    events.onmessage = (event) => {
      move(moving, JSON.parse(event.data));
      live.textContent = "Live: this page moves as the gateway does.";
      live.className = "";
    };
    events.onerror = () => {
      live.textContent = "The gateway does not answer: trying again.";
      live.className = "bad";
      if (events.readyState === EventSource.CLOSED) setTimeout(open, 5000);
    };
  };
  open();

  // A page that nobody sees needs no stream: there are few.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) events.close(); else if (events.readyState === EventSource.CLOSED) open();
  });
}
