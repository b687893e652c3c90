// The generation in the page's head: its number, its age, and whether the server is still there.
//
// A page that nobody looks at holds no connection: it costs the server nothing, and a browser, which
// opens six connections to a server at most, can have any number of pages.

const [number, clock, trouble] = ["generation", "clock", "trouble"].map((id) => document.getElementById(id));
const listeners = new Set();
const AGAIN_MS = 5000;

let began = performance.now() - 1000 * Number(clock?.dataset.ageS ?? 0);
let events = null;
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

// Why the page shows less than the generation in its head; "" where it does not.
export function outdate(words) {
  outdated = words;
  tick();
}

function take(event) {
  const facts = JSON.parse(event.data);
  const news = String(facts.generation_number) !== number.textContent;
  number.textContent = facts.generation_number;
  began = performance.now() - 1000 * facts.generation_age_s;
  tick();
  if (news) for (const listener of listeners) listener(facts);
}

function tick() {
  const seconds = (performance.now() - began) / 1000;
  for (const place of document.querySelectorAll(".age")) place.textContent = inWords(seconds);
  const late = seconds > Number(clock.dataset.lateAfterS);
  const words = [lost && "the server does not answer", late && !lost && "late", outdated].filter(Boolean);
  clock.classList.toggle("late", words.length > 0);
  say(words.map((each) => `: ${each}`).join(""));
}

// It is read aloud when it changes, not each second.
function say(words) {
  if (trouble.textContent !== words) trouble.textContent = words;
}

function listen() {
  events = new EventSource("/events");
  events.addEventListener("generation", take);
  events.addEventListener("now", take);
  events.addEventListener("open", () => { lost = false; tick(); });
  events.addEventListener("error", () => {
    lost = true;
    tick();
    // A browser does not try again by itself after an answer that is no stream, such as a proxy's.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MS);
  });
}

function follow() {
  events?.close();
  events = null;
  if (!document.hidden) listen();
}

if (number) {
  follow();
  document.addEventListener("visibilitychange", follow);
  setInterval(tick, 1000);
}
