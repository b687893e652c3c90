// The generation in the page's head: its number, its age, and whether the server is still there.
//
// A page that nobody looks at holds no connection: it costs the server nothing. Those that are looked
// at share one where the browser lets them: it opens six to a server at most, and all beyond would wait.

import { listen } from "./events.js";
import { isSelected } from "./selection.js";

const [number, clock, trouble] = ["generation", "clock", "trouble"].map((id) => document.getElementById(id));
const listeners = new Set();
const losers = new Set();
const births = new WeakMap(); // of what is so old, by this page's clock

let began = performance.now() - 1000 * Number(clock?.dataset.ageS ?? 0);
let lost = false;
let outdated = "";

function inWords(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [d, h, m, s] = [whole / 86400, (whole % 86400) / 3600, (whole % 3600) / 60, whole % 60].map(Math.floor);
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s} s` : `${s} s`;
}

export function onGeneration(listener) {
  listeners.add(listener);
}

// `listener` is told whether the server does not answer, when that changes.
export function onLoss(listener) {
  losers.add(listener);
}

// Why the page shows less than the generation in its head; "" where it does not.
export function outdate(words) {
  outdated = words;
  tick();
}

function take(facts) {
  lose(facts === null);
  if (lost) return;
  const news = String(facts.generation_number) !== number.textContent;
  number.textContent = facts.generation_number;
  began = performance.now() - 1000 * facts.generation_age_s;
  tick();
  if (news) for (const listener of listeners) listener(facts);
}

function lose(isLost) {
  if (isLost === lost) return;
  lost = isLost;
  tick();
  for (const loser of losers) loser(lost);
}

function tick() {
  const seconds = (performance.now() - began) / 1000;
  for (const place of document.querySelectorAll(".age")) place.textContent = inWords(seconds);
  countOn();
  const late = seconds > Number(clock.dataset.lateAfterS);
  const words = [lost && "the server does not answer", late && !lost && "late", outdated].filter(Boolean);
  clock.classList.toggle("late", words.length > 0);
  say(words.map((each) => `: ${each}`).join(""));
}

// How long ago things were, from what the server said of it when that part of the page was made.
function countOn() {
  const now = performance.now();
  const isHeld = isSelected(document.body); // what is being copied stays until it is
  for (const time of document.querySelectorAll("time[data-age-s]")) {
    if (!births.has(time)) births.set(time, now - 1000 * Number(time.dataset.ageS));
    const words = `${inWords((now - births.get(time)) / 1000)} ago`;
    if (!isHeld && time.textContent !== words) time.textContent = words;
  }
}

// It is read aloud when it changes, not each second.
function say(words) {
  if (trouble.textContent !== words) trouble.textContent = words;
}

// Both give what is called with whether the page is looked at.
function alone() {
  let leave = () => {};
  return (isSeen) => {
    leave();
    leave = isSeen ? listen(take) : () => {};
  };
}

function together() {
  let worker;
  try {
    worker = new SharedWorker(new URL("./shared.js", import.meta.url), { type: "module" });
  } catch {
    return alone(); // a telephone has none, and where nothing may be kept they are forbidden
  }
  worker.port.onmessage = ({ data }) => take(data);
  worker.onerror = () => { // a browser that has workers, but none of modules
    heed = alone();
    follow();
  };
  return (isSeen) => worker.port.postMessage(isSeen);
}

let heed;

function follow() {
  heed(!document.hidden);
}

if (number) {
  heed = together();
  follow();
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => heed(false));
  addEventListener("pageshow", ({ persisted }) => { if (persisted) follow(); });
  tick();
  setInterval(tick, 1000);
}
