// The generation in the page's head: its number, its age, and whether the server is still there.

const number = document.getElementById("generation");
const age = document.getElementById("age");
const lost = document.getElementById("lost");
const listeners = new Set();

let began = performance.now() - 1000 * Number(number?.dataset.age ?? 0);

export function inWords(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [d, h, m, s] = [whole / 86400, (whole % 86400) / 3600, (whole % 3600) / 60, whole % 60].map(Math.floor);
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s} s` : `${s} s`;
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
  age.textContent = inWords((performance.now() - began) / 1000);
}

export function onGeneration(listener) {
  listeners.add(listener);
}

if (number) {
  const events = new EventSource("/events");
  events.addEventListener("generation", take);
  events.addEventListener("now", take);
  events.addEventListener("open", () => { lost.textContent = ""; });
  events.addEventListener("error", () => { lost.textContent = "the server does not answer"; });
  setInterval(tick, 1000);
}
