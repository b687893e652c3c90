// Tables, filtered as you type.

import { onChange, renew } from "./follow.js";

const field = document.getElementById("filter");
const found = document.getElementById("found");

// Who comes back from a table finds what they had typed.
function remember() {
  history.replaceState({ filter: field.value }, "", "/tables");
}

function narrow() {
  const wanted = field.value.trim().toLowerCase();
  const rows = [...document.querySelectorAll("tr[data-name]")];
  let shown = 0;
  for (const row of rows) {
    row.hidden = !row.dataset.name.includes(wanted);
    shown += !row.hidden;
  }
  for (const box of document.querySelectorAll("[data-live] .scroll")) {
    box.hidden = !box.querySelector("tr[data-name]:not([hidden])");
  }
  found.textContent = wanted ? `${shown} of ${rows.length}` : "";
}

field.value = history.state?.filter ?? field.value;
// The server has filtered already by what the link says; ask for all, so that less shows more.
if (location.search) {
  remember();
  renew();
}
field.addEventListener("input", () => { remember(); narrow(); });
field.form.addEventListener("submit", (event) => {
  event.preventDefault();
  document.querySelector("tr[data-name]:not([hidden]) a")?.click();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/input|textarea|select/i.test(document.activeElement.tagName)) {
    event.preventDefault();
    field.focus();
  }
});
onChange(narrow);
narrow();
