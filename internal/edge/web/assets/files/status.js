// Moves the page as the gateway does. What has not changed is left alone, so that
// the focus, a selection and the pictures stay.
"use strict";
{
  const moving = document.getElementById("moving"), live = document.getElementById("live");

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

  let events = null;
  const open = () => {
    events = new EventSource("/status/events");
    events.onmessage = (event) => {
      const box = new DOMParser().parseFromString("<div>" + JSON.parse(event.data) + "</div>", "text/html").body.firstChild;
      morph(moving, box);
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
