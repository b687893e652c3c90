// A page that is made by the server, made again at each generation.

import { onGeneration } from "./generation.js";

const changed = new Set();

export function onChange(listener) {
  changed.add(listener);
}

async function renew() {
  if (document.hidden) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  const old = document.querySelector("[data-live]");
  if (!fresh || old.contains(document.activeElement) || !getSelection().isCollapsed) return;
  const places = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll(".scroll")].forEach((box, n) => {
    if (places[n]) [box.scrollLeft, box.scrollTop] = places[n];
  });
  for (const listener of changed) listener();
}

onGeneration(renew);
document.addEventListener("visibilitychange", renew);
