// A page that is made by the server, made again at each generation.

import { onGeneration, onLoss, outdate } from "./generation.js";
import { isSelected } from "./selection.js";

const SPREAD_MS = 500; // not all who follow ask in the same moment
const PATIENCE_MS = 10000; // without an answer; a page may wait for one for ever
const listeners = new Set();
let waiting = 0;
let nrAsked = 0;
let lastTaken = 0; // which of those asked
let held = false;
const number = document.getElementById("generation");
let shown = number?.textContent; // the generation of what the page shows
let gone = null; // the first generation without it

export function onChange(listener) {
  listeners.add(listener);
}

function renewSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(renew, Math.random() * SPREAD_MS);
}

export async function renew() {
  const place = ++nrAsked;
  const patience = new AbortController();
  const ends = setTimeout(() => patience.abort(), PATIENCE_MS);
  const asked = { headers: { accept: "text/html" }, signal: patience.signal };
  const answer = await fetch(location.href, asked).catch(() => null);
  clearTimeout(ends); // a large one comes slowly over a slow link
  const text = answer?.ok ? await answer.text().catch(() => null) : null;
  if (place < lastTaken) return; // a later one was quicker
  lastTaken = place;
  const page = text === null ? null : new DOMParser().parseFromString(text, "text/html");
  const fresh = page?.querySelector("[data-live]");
  const old = document.querySelector("[data-live]");
  if (!fresh) {
    growOld(old, answer?.status === 404);
    return;
  }
  held = isSelected(old); // what is being copied stays until it is
  if (held) {
    growOld(old, false);
    return;
  }
  const restore = [keepPlaces(old, fresh), keepUnfolded(old, fresh), keepFocus(old, fresh)];
  old.replaceWith(fresh);
  for (const again of restore) again();
  shown = page.getElementById("generation").textContent;
  gone = null;
  outdate("");
  for (const listener of listeners) listener();
}

// What cannot be renewed must not look as if it were of now.
function growOld(old, isGone) {
  gone = isGone ? gone ?? number.textContent : null;
  old.classList.add("old");
  outdate(gone ? `gone since generation ${gone}` : `what is below is of generation ${shown}`);
}

function keepPlaces(old, fresh) {
  const places = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  return () => [...fresh.querySelectorAll(".scroll")].forEach((box, n) => {
    if (places[n]) [box.scrollLeft, box.scrollTop] = places[n];
  });
}

function keepUnfolded(old, fresh) {
  const open = [...old.querySelectorAll("details")].map((details) => details.open);
  return () => [...fresh.querySelectorAll("details")].forEach((details, n) => { details.open = Boolean(open[n]); });
}

function keepFocus(old, fresh) {
  const reachable = (part) => [...part.querySelectorAll("a, summary, [tabindex]")];
  const nameOf = (element) => element.getAttribute("href") ?? element.getAttribute("aria-labelledby") ?? element.textContent;
  const focused = reachable(old).find((element) => element === document.activeElement);
  return () => {
    if (focused) reachable(fresh).find((element) => nameOf(element) === nameOf(focused))?.focus({ preventScroll: true });
  };
}

onGeneration(renewSoon);
onLoss((isLost) => {
  if (isLost) growOld(document.querySelector("[data-live]"), gone !== null);
  else renewSoon();
});
document.addEventListener("selectionchange", () => {
  if (held && !isSelected(document.querySelector("[data-live]"))) {
    held = false;
    renewSoon();
  }
});
